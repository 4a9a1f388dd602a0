"""Who is not counted any more, and when there are more liars than consensus was built for (pure).

A conviction is ordered like everything else, so all replicas learn of it at one sequence number.
It changes neither n nor f, neither the quorum nor whose turn it is to lead: replicas that each
dropped another one and shrank their quorum could decide two things (``docs/adr/0003``). Later votes
of a convicted replica are not counted and its turn to lead is passed over; certificates that hold
an earlier vote of it stay valid, because they are sound with up to f liars in them.
"""

from collections.abc import Callable, Collection

from engine.consensus.committee import Committee
from engine.consensus.evidence import Evidence
from engine.vocabulary import AgentId, Entry

Application = Callable[[Entry], Collection[AgentId]]
"""Takes the next entry; answers with everyone whom the log up to it convicts. Must depend on the
log alone."""


def no_application(_entry: Entry) -> Collection[AgentId]:
    """An application that convicts nobody."""
    return ()


class Quarantine:
    """The convicted, and those against whom this replica itself holds proof."""

    def __init__(self, committee: Committee, convicted: Collection[AgentId] = ()) -> None:
        """Begin with those whom the ledger convicts so far."""
        self._committee = committee
        self._convicted: frozenset[AgentId] = frozenset()
        self._accused: set[tuple[AgentId, str]] = set()
        self.is_violated = False
        """Whether more than f replicas are proven to lie: no quorum means anything then."""
        self.places: frozenset[int] = frozenset()
        """The replica numbers that are not counted."""
        self.convict(convicted)

    @property
    def proven(self) -> frozenset[AgentId]:
        """Everyone against whom there is proof, ordered yet or not."""
        return self._convicted | {culprit for culprit, _ in self._accused}

    def convict(self, agents: Collection[AgentId]) -> None:
        """Note whom the log convicts; those who are no members are nobody's business here."""
        places = {agent: self._committee.place_of(agent) for agent in agents}
        members = {agent: place for agent, place in places.items() if place is not None}
        if members.keys() == self._convicted:
            return
        self._convicted = frozenset(members)
        self.places = frozenset(members.values())
        self.is_violated = len(self.proven) > self._committee.f

    def accuse(self, evidence: Evidence) -> bool:
        """Note proof that was found here; False when it says nothing new."""
        key = (evidence.culprit, evidence.kind)
        if key in self._accused:
            return False
        self._accused.add(key)
        self.is_violated = len(self.proven) > self._committee.f
        return True
