"""What one seed has in store, drawn before anything runs: a list of items that can be left out.

Because the draw comes first and from the same randomness as the run, an item can be struck out
without changing the others: that is how a failing seed shrinks.
"""

import random

import msgspec

from engine.consensus.simulate.adversary import AMNESIAC, WAYS

STORM_MS = 4000
REPLACED = 0.3
"""Share of the seeds in which an agent gets a new key."""
NOTES = 6
"""Submissions of outsiders, beside what the incidents bring."""
DELAYS = (5, 50, 400)
"""Longest delay of a message under one weather, in ms; one is above the resend pause."""


class Item(msgspec.Struct, frozen=True):
    """One thing that happens in the storm; which fields count depends on ``kind``."""

    at_ms: int
    kind: str
    """``lie``, ``weather``, ``partition``, ``deaf``, ``mute``, ``crash``, ``faces``, ``trouble``,
    ``note``, ``freeze``, ``lose`` or ``replace``."""
    places: tuple[int, ...] = ()
    """Replica numbers that it happens to."""
    lasts_ms: int = 0
    way: str = ""
    """How somebody lies."""
    number: int = 0
    shares: tuple[float, ...] = ()
    """Loss, duplication and late share of a weather; how much of a write a crash lets through."""

    def in_words(self) -> str:
        """For people: when, what and to whom."""
        whom = ", ".join(f"agent-{place}" for place in self.places)
        rest = " ".join(it for it in (self.way, whom and f"({whom})") if it)
        span = f" for {self.lasts_ms} ms" if self.lasts_ms else ""
        return f"{self.at_ms:5} ms  {self.kind} {rest}{span}".rstrip()


class Scenario(msgspec.Struct, frozen=True):
    """All that is drawn for one seed and size."""

    n: int
    f: int
    seed: int
    liars: tuple[int, ...]
    items: tuple[Item, ...]

    def only(self, kept: frozenset[int]) -> "Scenario":
        """The same scenario with these items alone."""
        items = tuple(item for place, item in enumerate(self.items) if place in kept)
        return msgspec.structs.replace(self, items=items)


def draw(n: int, f: int, seed: int, chance: random.Random) -> Scenario:
    """Draw a scenario; ``chance`` then serves the run."""
    liars = tuple(sorted(chance.sample(range(n), chance.randrange(f + 1) or min(f, seed % 2))))
    items: list[Item] = []
    for place in liars:
        items += _lies(place, chance)
    items += (_weather(chance) for _ in range(chance.randrange(1, 4)))
    items += (_split(n, chance) for _ in range(chance.randrange(1, 4)))
    items += (_crash(n, chance) for _ in range(chance.randrange(0, 4)))
    items += (Item(chance.randrange(2000), "trouble") for _ in range(1))
    items += (_note(n, number, chance) for number in range(1, NOTES + 1))
    items += _replacements(n, f, liars, chance)
    if chance.random() < 0.15:
        items.append(Item(chance.randrange(2000), "freeze", lasts_ms=chance.randrange(200, 1500)))
    return Scenario(n, f, seed, liars, tuple(items))


def _replacements(n: int, f: int, liars: tuple[int, ...], chance: random.Random) -> list[Item]:
    """An operator's order for a new key: for anybody, a liar, or who lost its disk."""
    if chance.random() >= REPLACED:
        return []
    at_ms, place = chance.randrange(2500), chance.randrange(n)
    if liars and chance.random() < 0.5:
        place = chance.choice(liars)
    # A disk lost is a fault of the f: whoever forgot its votes may not speak again.
    loses = len(liars) < f and place not in liars and chance.random() < 0.7
    found = [Item(at_ms, "replace", (place,), way="lost" if loses else "")]
    if loses:
        found.append(Item(chance.randrange(at_ms + 1), "lose", (place,)))
    return found


def _lies(place: int, chance: random.Random) -> list[Item]:
    ways = chance.sample(WAYS, chance.choice((1, 1, 2, 3)))
    found = [Item(chance.choice((0, 0, 1000)), "lie", (place,), way=way) for way in ways]
    if AMNESIAC in ways:
        found += (_crash_of(place, chance) for _ in range(2))
    found += (
        Item(chance.randrange(STORM_MS), "faces", (place,), number=chance.randrange(1 << 16))
        for _ in range(chance.randrange(2))
    )
    return found


def _weather(chance: random.Random) -> Item:
    return Item(
        chance.randrange(STORM_MS), "weather", number=chance.choice(DELAYS),
        shares=(
            chance.choice((0.0, 0.0, 0.1, 0.3)),
            chance.choice((0.0, 0.2)),
            chance.choice((0.0, 0.0, 0.05)),
        ),
    )  # fmt: skip


def _split(n: int, chance: random.Random) -> Item:
    kind = chance.choice(("partition", "partition", "deaf", "mute"))
    # A whole group, or one alone: an isolated primary is the most instructive of all.
    size = chance.choice((1, chance.randrange(1, n)))
    group = tuple(sorted(chance.sample(range(n), size)))
    return Item(chance.randrange(STORM_MS), kind, group, lasts_ms=chance.randrange(200, 2500))


def _crash(n: int, chance: random.Random) -> Item:
    return _crash_of(chance.randrange(n), chance)


def _crash_of(place: int, chance: random.Random) -> Item:
    return Item(
        chance.randrange(STORM_MS), "crash", (place,), lasts_ms=chance.randrange(50, 2000),
        number=chance.randrange(5), shares=(chance.random(),),
    )  # fmt: skip


def _note(n: int, number: int, chance: random.Random) -> Item:
    size = chance.randrange(1, n + 1)
    chosen = tuple(sorted(chance.sample(range(n), size)))
    return Item(chance.randrange(STORM_MS), "note", chosen, number=number)
