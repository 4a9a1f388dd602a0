"""The presentation: an incident tells itself, sentence by sentence, from what really happened (pure).

What the swarm does within a second nobody can read within a second: each sentence stays for
``DWELL_S`` at least, and the next one waits for it.
"""

from collections.abc import Sequence
from typing import NamedTuple

from controlroom.window.cards import cut
from controlroom.window.scene.episode import CARRY_S, FALL_S, FLY_S, NOT_DONE, UNKNOWN
from controlroom.window.scene.palette import BAD, GOLD, INK, KINDS, OK, WARN, Colour
from controlroom.window.timeline import Mark
from engine.stream.state import ScreenState

DWELL_S = 2.6
JUMP_S = 20.0
"""More than playing at any speed moves between two looks: somebody has scrubbed."""
TELLING, HELD = 0.5, 0.02
"""Speeds during an incident when all is said, and while what is on screen is not said yet."""
CATCHING_UP = 2.0
"""Speed at which a live presentation comes back to what happens now, after the incident."""
LONGEST_S = 14.0
"""A sentence that nothing follows leaves after so long."""
OVERVIEW, COUNCIL, SERVICE, ACTUATOR = "overview", "council", "service", "actuator"


class Caption(NamedTuple):
    """What is said, and what the camera looks at meanwhile."""

    eyebrow: str
    title: str
    sub: str
    colour: Colour
    looks_at: str = OVERVIEW


class Cue(NamedTuple):
    """A caption and when what it tells happened."""

    at_s: float
    caption: Caption


class Said(NamedTuple):
    """What is to be read now."""

    caption: Caption
    waiting: int
    """Sentences of what has happened already that have not been said yet."""
    left_s: float = 0.0
    """How long the caption still takes to be read."""
    ahead_s: float = float("inf")
    """How much later, on the timeline, the next thing happens that there is a sentence for."""


_FIRST_OF = frozenset(
    {"opened", "open", "diagnosed", "proposed", "assessed", "asks", "decided", "certificate",
     "recovered"}
)  # fmt: skip
"""Of these, the first one in an attempt is told; the others repeat it."""


_SEEN_LATER = {"certificate": FLY_S, "acted": CARRY_S, "recovered": FALL_S}
"""After the step before it, so that a thing is said when it is seen and not while it still flies."""


def cues(marks: Sequence[Mark]) -> list[Cue]:
    """The sentences that tell what ``marks`` stand for, in their order."""
    found: list[Cue] = []
    said: set[tuple[str, str]] = set()
    accepts = 0
    began_s: dict[str, float] = {}
    for mark in marks:
        kind = mark.entry.kind
        since_s = mark.t_s - began_s.setdefault(mark.incident, mark.t_s)
        if kind in ("attempt", "opened"):
            said = {it for it in said if it[0] != mark.incident or it[1] == kind == "opened"}
            accepts = 0
        accepts += kind == "assessed" and mark.entry.text.startswith("accept")
        caption = _caption(mark, accepts, since_s)
        name = (mark.incident, kind)
        if caption is None or (kind in _FIRST_OF and name in said):
            continue
        said.add(name)
        before_s = found[-1].at_s if found else float("-inf")
        at_s = max(mark.t_s, before_s + _SEEN_LATER.get(kind, 0.0))
        found.append(Cue(at_s, caption))
    return found


class Presenter:
    """Says sentence after sentence: none before it has happened, none shorter than it takes to read.

    What the swarm does in one second takes a dozen to tell: the picture is slowed down meanwhile
    (``pace``), so that it shows what is being said. Whoever scrubs is told where he is.
    """

    def __init__(self) -> None:
        self._count = 0
        """Sentences said so far."""
        self._since_s = float("-inf")
        self._t_s = float("-inf")

    def step(self, now_s: float, t_s: float, found: Sequence[Cue], state: ScreenState) -> Said:
        """What is to be read.

        Args:
            now_s: the reader's clock.
            t_s: what is on screen, on the timeline.
            found: from ``cues``.
            state: what is on screen.
        """
        due = sum(cue.at_s <= t_s for cue in found)
        jumped = t_s < self._t_s - 0.5 or t_s > self._t_s + JUMP_S
        self._t_s = t_s
        if jumped:
            self._count, self._since_s = due, now_s
        elif self._count < due and now_s - self._since_s >= DWELL_S:
            self._count, self._since_s = self._count + 1, now_s
        waiting = due - self._count
        current = found[self._count - 1] if 0 < self._count <= len(found) else None
        old = now_s - self._since_s > LONGEST_S and not waiting
        if current is None or old or (jumped and t_s - current.at_s > LONGEST_S):
            return Said(_idle(state), waiting, 0.0, self._ahead_s(t_s, found))
        left_s = max(0.0, DWELL_S - (now_s - self._since_s))
        return Said(current.caption, waiting, left_s, self._ahead_s(t_s, found))

    def _ahead_s(self, t_s: float, found: Sequence[Cue]) -> float:
        return found[self._count].at_s - t_s if self._count < len(found) else float("inf")


def pace(said: Said, state: ScreenState, *, live: bool = False) -> float:
    """How fast the picture goes on, so that it comes to the next thing when there are words for it.

    Args:
        said: what is being read.
        state: what is on screen.
        live: whether there is a present to come back to.
    """
    incident = state.incident
    under_way = incident is not None and not incident.closed_ms
    free = TELLING if under_way and not live else CATCHING_UP if live and not under_way else 1.0
    if said.waiting:
        return HELD
    return min(free, max(HELD, said.ahead_s / said.left_s)) if said.left_s > 0 else free


def _idle(state: ScreenState) -> Caption:
    swarm, slo, incident = state.swarm, state.slo, state.incident
    if swarm is None:
        return Caption("", "Waiting for an engine", "main.py up starts one", INK)
    words = f"{swarm.n} agents watch {len(state.services)} services"
    if incident is not None and not incident.closed_ms:
        return Caption(
            "INCIDENT", cut(incident.title, 60), f"{incident.status}; {words}", BAD, SERVICE
        )
    good = f"{slo.subject}: {100 * slo.success:.0f} % of requests are good" if slo else ""
    if slo is not None and not slo.green:
        return Caption("NOW", "Customers are failing", good, WARN)
    rule = f"{swarm.quorum} of {swarm.n} must agree before anything is changed"
    return Caption("NOW", "All is well", f"{words}. {rule}.", OK)


def _caption(mark: Mark, accepts: int, since_s: float) -> Caption | None:  # noqa: C901 -- one line a kind
    entry = mark.entry
    who, words = entry.who, cut(entry.text, 110)
    match entry.kind:
        case "opened":
            return Caption("DETECTED", f"{who} sees something wrong", words, BAD, SERVICE)
        case "open":
            return Caption("CORROBORATED", "Others see it too: it is an incident", words, BAD)
        case "diagnosed":
            cause = entry.text.partition(" (")[0].partition(",")[0]
            return Caption("DIAGNOSED", f"The likely cause: {cut(cause, 48)}", words, BAD, SERVICE)
        case "proposed":
            plan = entry.text.partition(" (")[0].partition(";")[0]
            return Caption("PROPOSED", f"A plan: {cut(plan, 48)}", words, INK, COUNCIL)
        case "assessed":
            title = "Each agent judges for itself"
            colour = KINDS["commit"].colour
            return Caption("ASSESSED", title, f"{who}: {words}", colour, COUNCIL)
        case "asks":
            return Caption("ASKED", "A person has to say yes", words, WARN)
        case "approved":
            return Caption("APPROVED", f"{who} said yes", words, OK)
        case "refused":
            return Caption("REFUSED", f"{who} said no", words, WARN)
        case "decided":
            return Caption("DECIDED", f"The council has decided, {cut(entry.text, 60)}",
                           f"{accepts} independent judgements are in the log", OK, COUNCIL)  # fmt: skip
        case "certificate":
            return Caption("CERTIFIED", "A quorum signs: now it may be done",
                           f"certificate {words}; without it the actuator does nothing", GOLD, COUNCIL)  # fmt: skip
        case "acted" if entry.outcome == NOT_DONE:
            return Caption("NOT DONE", "The actuator could not carry it out", words, BAD, SERVICE)
        case "acted" if entry.outcome == UNKNOWN:
            return Caption("UNKNOWN", "Nobody knows whether it was done", words, WARN, SERVICE)
        case "acted":
            return Caption("ACTED", "The actuator carries it out", words, GOLD, SERVICE)
        case "worse":
            return Caption("WORSE", f"{who} sees it get worse", words, BAD, SERVICE)
        case "undone":
            return Caption("UNDONE", "The action is undone", words, WARN, SERVICE)
        case "recovered":
            return Caption("VERIFYING", "Those who saw it fail see it recover", words, OK, SERVICE)
        case "convicted":
            return Caption("CONVICTED", f"{cut(entry.text.partition(':')[0], 32)} lied, and it is proven",
                           f"{words}: its votes do not count any more", BAD, COUNCIL)  # fmt: skip
        case "closed":
            good = entry.text in ("recovered", "subsided")
            title = "It is over" if good else f"It ends: {cut(entry.text, 40)}"
            told = f"{words}, {since_s:.1f} s after the first agent saw it"
            return Caption("CLOSED", title, told, OK if good else WARN)
        case "frozen" | "thawed" | "taken-over" | "handed over":
            return Caption(entry.kind.upper(), f"{who}: {words}", "", WARN)
        case _:
            return None
