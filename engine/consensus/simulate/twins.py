"""Twins: a traitor as two correct replicas with one key, under every partition, round after round.

Bano and others, "Twins: BFT Systems Made Robust" (2020): running the honest code twice under one key
gives most lies worth trying, and a scenario is no more than who hears whom in each round. All
choices are tried; states that come up again are followed once. Who leads is fixed by the view, so
each replica in turn is the one with a twin, and each round ends with everybody's patience.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import msgspec

from engine.consensus.checkpoint import Diverged
from engine.consensus.effects import (
    Broadcast,
    Event,
    Execute,
    Receive,
    ReportEvidence,
    Send,
    Submit,
    Tick,
)
from engine.consensus.replica import Replica
from engine.consensus.resume import Resume
from engine.consensus.simulate.futures import PATIENT_MS, SETTINGS
from engine.consensus.simulate.members import Members
from engine.consensus.simulate.snapshot import canonical, copied
from engine.consensus.simulate.violation import Violation
from engine.vocabulary import AgentId

N, F = 4, 1
MOST_MESSAGES = 2_000
"""In one round; five replicas that say more than that do not come to rest."""

Partition = tuple[int, ...]
"""For each instance the group that it is in: the replicas by place, then the twin."""


class Instance(NamedTuple):
    """One running replica, and what it has executed."""

    agent: AgentId
    replica: Replica
    ledger: tuple[tuple[bytes, ...], ...]


class Tried(msgspec.Struct):
    """What was found with one twin."""

    twin: int
    rounds: int
    scenarios: int = 0
    """Sequences of partitions, the last round's included, that were covered."""
    played: int = 0
    """Rounds that were really played: equal states are followed once."""
    states: int = 0
    deciding: int = 0
    """States in which an honest replica has decided something."""
    violation: str = ""
    path: tuple[str, ...] = ()
    """The partitions that led there."""


def partitions(most_groups: int = 2) -> Iterator[Partition]:
    """Every way to divide the five instances into at most so many groups."""

    def divided(chosen: Partition) -> Iterator[Partition]:
        if len(chosen) == N + 1:
            yield chosen
            return
        for group in range(min(max(chosen) + 2, most_groups)):
            yield from divided((*chosen, group))

    yield from divided((0,))


class Twins:
    """All scenarios of a number of rounds in which replica ``twin`` runs twice."""

    def __init__(self, twin: int, quorum: int | None = None) -> None:
        """Start five instances; ``quorum`` breaks consensus on purpose."""
        members = Members(N, F)
        committee = members.committee(quorum)
        self._twin = twin
        self._partitions = tuple(partitions())
        a, b = members.submission(1), members.submission(2)
        begun = []
        for place in (*range(N), twin):
            agent = members.ids[place]
            replica = Replica(committee, agent, members.signers[agent], SETTINGS, Resume())
            replica.step(Tick(0))
            begun.append(Instance(agent, replica, ()))
        # The twin is asked for something else first: as leaders the two contradict each other.
        self._asked = [(a, b)] * N + [(b, a)]
        self._begun = tuple(begun)

    def run(self, rounds: int, tell: Callable[[int, int], None] = lambda *_: None) -> Tried:
        """Try every sequence of ``rounds`` partitions; ``tell`` hears round and states in it."""
        tried = Tried(self._twin, rounds, len(self._partitions) ** rounds)
        seen: dict[tuple[object, ...], None] = {}
        now: list[tuple[tuple[Instance, ...], tuple[str, ...]]] = [(self._begun, ())]
        for number in range(1, rounds + 1):
            tell(number, len(now))
            following = []
            for before, path in now:
                for partition in self._partitions:
                    tried.played += 1
                    told = (*path, self._in_words(partition))
                    try:
                        after = self._round(before, partition, number)
                    except (Violation, Diverged, AssertionError) as error:
                        tried.violation, tried.path = str(error) or repr(error), told
                        return tried
                    key = tuple((canonical(it.replica), it.ledger) for it in after)
                    if key not in seen:
                        seen[key] = None
                        tried.deciding += any(it.ledger for it in self._honest(after))
                        following.append((after, told))
            now = following
        tried.states = len(seen)
        return tried

    def _honest(self, instances: tuple[Instance, ...]) -> list[Instance]:
        return [it for place, it in enumerate(instances) if place not in (self._twin, N)]

    def _round(
        self, before: tuple[Instance, ...], partition: Partition, number: int
    ) -> tuple[Instance, ...]:
        """Whoever can hear each other talks until all is said, loses patience, and talks again."""
        playing = _Round([it._replace(replica=copied(it.replica)) for it in before], partition)
        if number == 1:
            for place, asked in enumerate(self._asked):
                for submission in asked:
                    playing.step(place, Submit(submission))
            playing.settle()
        for place in range(N + 1):
            playing.step(place, Tick(number * PATIENT_MS))
        playing.settle()
        self._check(playing)
        return tuple(playing.instances)

    def _check(self, played: "_Round") -> None:
        ledgers = [it.ledger for it in self._honest(tuple(played.instances))]
        longest = max(ledgers, key=len)
        if any(ledger != longest[: len(ledger)] for ledger in ledgers):
            raise Violation("agreement: two honest replicas have different ledgers")
        framed = played.accused - {self._begun[self._twin].agent}
        if framed:
            raise Violation(f"honest {sorted(framed)} accused")

    def _in_words(self, partition: Partition) -> str:
        names = [*map(str, range(N)), f"{self._twin}'"]
        groups = (
            " ".join(name for name, it in zip(names, partition, strict=True) if it == group)
            for group in range(max(partition) + 1)
        )
        return " | ".join(groups)


class _Round:
    """One round at play: what is said reaches whoever is in the same group, in order."""

    def __init__(self, instances: list[Instance], partition: Partition) -> None:
        self.instances = instances
        self.accused: set[AgentId] = set()
        self._partition = partition
        self._flying: list[tuple[int, int, bytes]] = []

    def step(self, place: int, event: Event) -> None:
        """Have one instance take an event, and put what it says on its way."""
        it = self.instances[place]
        for effect in it.replica.step(event):
            match effect:
                case Broadcast():
                    self._post(place, None, effect.frame)
                case Send():
                    self._post(place, effect.peer, effect.frame)
                case Execute():
                    it = it._replace(ledger=(*it.ledger, effect.entry.batch))
                    self.instances[place] = it
                case ReportEvidence():
                    self.accused.add(effect.evidence.culprit)
                case _:
                    pass

    def _post(self, place: int, peer: AgentId | None, frame: bytes) -> None:
        me = self.instances[place].agent
        for target, other in enumerate(self.instances):
            reached = self._partition[target] == self._partition[place] and other.agent != me
            if reached and peer in (None, other.agent):
                self._flying.append((place, target, frame))

    def settle(self) -> None:
        """Deliver until nothing is on its way.

        Raises:
            Violation: they never come to rest.
        """
        delivered = 0
        while self._flying:
            now, self._flying = self._flying, []
            for source, target, frame in now:
                self.step(target, Receive(self.instances[source].agent, frame))
            delivered += len(now)
            if delivered > MOST_MESSAGES:
                raise Violation(f"more than {MOST_MESSAGES} messages in one round")
