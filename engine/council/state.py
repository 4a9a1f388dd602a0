"""What the fold keeps: incidents, their attempts, the proposals and who said what."""

from enum import StrEnum

import msgspec

from engine.codec import digest_of, encode
from engine.vocabulary import (
    AgentId,
    Anomaly,
    Approved,
    Assessed,
    AuthorId,
    Certificate,
    CertificateBody,
    Diagnosed,
    Digest,
    Generation,
    IncidentKey,
    Operation,
    OutcomeKind,
    Plan,
    Proposed,
    Step,
    Verdict,
)


class IncidentStatus(StrEnum):
    """How far an incident has come."""

    CLAIMED = "claimed"
    """One agent says so."""
    OPEN = "open"
    """f+1 agents see it: now it is an incident."""
    DIAGNOSED = "diagnosed"
    PROPOSED = "proposed"
    AWAITING_APPROVAL = "awaiting approval"
    """The council would; policy wants an operator's yes."""
    DECIDED = "decided"
    CERTIFIED = "certified"
    ACTED = "acted"
    UNDOING = "undoing"
    HANDED_OVER = "handed over"
    """The swarm has nothing left to try, or may not: people must act."""
    TAKEN_OVER = "taken over"
    """An operator has it in his own hands."""
    RECOVERED = "recovered"
    SUBSIDED = "subsided"
    """It went away before anything was done."""
    UNFOUNDED = "unfounded"
    """Nobody else saw it."""

    @property
    def is_closed(self) -> bool:
        """Whether nothing more will happen."""
        return self in _CLOSED

    @property
    def is_automatic(self) -> bool:
        """Whether the swarm is still working on it."""
        return not self.is_closed and self not in _WITH_PEOPLE


_CLOSED = frozenset({IncidentStatus.RECOVERED, IncidentStatus.SUBSIDED, IncidentStatus.UNFOUNDED})
_WITH_PEOPLE = frozenset({IncidentStatus.HANDED_OVER, IncidentStatus.TAKEN_OVER})


class Proposal(msgspec.Struct):
    """A plan put to the council, and what the agents said of it."""

    digest: Digest
    author: AuthorId
    attempt: int
    plan: Plan
    assessments: dict[AuthorId, Assessed] = {}
    approval: Approved | None = None
    refused: bool = False

    def count(self, verdict: Verdict) -> int:
        """How many agents gave ``verdict``."""
        return sum(given.verdict is verdict for given in self.assessments.values())


class Attempt(msgspec.Struct):
    """One try at mending an incident: from a diagnosis to what came of the action."""

    number: int
    diagnoses: dict[AuthorId, Diagnosed] = {}
    proposals: dict[Digest, Proposal] = {}
    chosen: Digest | None = None
    body: CertificateBody | None = None
    signatures: dict[AgentId, bytes] = {}
    certificate: Certificate | None = None
    outcomes: dict[int, OutcomeKind] = {}
    generations: dict[int, Generation] = {}
    undo_outcomes: dict[int, OutcomeKind] = {}
    undo_orders: dict[AuthorId, bytes] = {}
    """Signed submissions that fire the undo: f+1 ``Worse``, or one operator's request."""
    undo_from: IncidentStatus | None = None
    """Where the incident stood when the undo was fired."""
    recovered: set[AuthorId] = set()
    elapsed: dict[Step, set[AuthorId]] = {}

    @property
    def live(self) -> Proposal | None:
        """The proposal that was chosen, else the newest that was not refused."""
        if self.chosen is not None:
            return self.proposals[self.chosen]
        waiting = [proposal for proposal in self.proposals.values() if not proposal.refused]
        return waiting[-1] if waiting else None


class Incident(msgspec.Struct):
    """Correlated anomalies with a beginning and an end."""

    key: IncidentKey
    subject: str
    status: IncidentStatus
    opened_at: int
    """Sequence number of the claim."""
    version: int = 1
    """Rises whenever what an operator sees of it changes in substance."""
    anomalies: tuple[Anomaly, ...] = ()
    witnesses: dict[AuthorId, tuple[Anomaly, ...]] = {}
    """Opener and corroborators, each with what it saw."""
    attempts: list[Attempt] = []
    closed_at: int = 0
    tried: dict[Digest, int] = {}
    """How often each action (with its precondition) was certified in this incident."""

    @property
    def attempt(self) -> Attempt:
        """The attempt under way."""
        return self.attempts[-1]

    @property
    def last_diagnosis(self) -> Diagnosed | None:
        """The newest diagnosis of the newest attempt that has one."""
        for attempt in reversed(self.attempts):
            if attempt.diagnoses:
                return list(attempt.diagnoses.values())[-1]
        return None

    def move(self, status: IncidentStatus) -> None:
        """Change the status, and with it the version."""
        self.status = status
        self.version += 1


class ProbeState(msgspec.Struct):
    """What the SLO probe said last about a subject."""

    counter: int
    green: bool
    held_ms: int


class Happening(msgspec.Struct, frozen=True):
    """One thing that the fold made of an operation: for agents, screens and the verifier."""

    sequence_number: int
    kind: str
    """The operation's tag when it counted, else ``ignored``; or what followed from it: ``opened``,
    ``decided``, ``certificate``, ``attempt``, ``closed`` …"""
    author: AuthorId
    incident: IncidentKey | None = None
    operation: Operation | None = None
    note: str = ""
    """Why it was ignored, or the new status."""


def proposal_digest(author: AuthorId, proposed: Proposed) -> Digest:
    """The identity of a proposal: what assessments name."""
    return digest_of("proposal", author.encode(), encode(proposed))


def in_order(value: object) -> object:
    """``value`` in a form with one encoding, whatever the hash seed.

    Sets are sorted; dicts keep the log's order, which is part of the state (the newest diagnosis is
    the last one), and may have keys that no canonical map can have.
    """
    match value:
        case dict():
            return [(key, in_order(part)) for key, part in value.items()]
        case set():
            return sorted(value)
        case list():
            return [in_order(part) for part in value]
        case msgspec.Struct() if not value.__struct_config__.frozen:
            return [in_order(getattr(value, name)) for name in value.__struct_fields__]
        case _:
            return value
