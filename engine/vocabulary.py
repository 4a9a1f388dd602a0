"""The words of Incident Commander: one word for one thing, on the wire, in the ledger and on screens.

Every type here is an immutable value. What the swarm agrees on is an ``Operation``; an operation
travels inside a ``Submission`` signed by its author, and an incident is a fold of the ordered
submissions (``engine.council``). Nothing raw goes in: typed values, templates and digests only.

Units stand last in a name (``not_after_ms``); shares and scores are integers per mille, so that a
fold never depends on floating point.
"""

from enum import StrEnum
from typing import NewType

import msgspec

AuthorId = NewType("AuthorId", str)
"""Name of anyone who may sign a submission: an agent, the actuator, the SLO probe, an operator."""
AgentId = NewType("AgentId", AuthorId)
"""Name of one agent, for instance ``diagnosis-1``."""
ServiceName = NewType("ServiceName", str)
IncidentKey = NewType("IncidentKey", str)
"""``fleet/subject#number``: the fleet, the alarmed service or SLO, and a running number."""
CommandId = NewType("CommandId", str)
"""An operator's name for one of his own commands; the first ordered one wins."""
Digest = NewType("Digest", bytes)
"""A SHA-256 digest, 32 bytes."""

MAX_TEXT = 240
"""Longest text, in characters, that an operation may carry: names, templates, an operator's note."""
MAX_ITEMS = 32
"""Most elements that any list inside an operation may have."""


class Value(msgspec.Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    """A plain immutable value, part of an operation."""


class Role(StrEnum):
    """What an agent is there for; every agent binary holds every role's brain, to act as deputy."""

    DETECTION = "detection"
    DIAGNOSIS = "diagnosis"
    PREDICTION = "prediction"
    RESOLUTION = "resolution"
    COMMUNICATION = "communication"


class FaultKind(StrEnum):
    """What kind of thing is wrong with a service."""

    CRASH = "crash"
    """The process is gone or does not accept connections."""
    HANG = "hang"
    """The process is there and does not answer."""
    BAD_DEPLOY = "bad-deploy"
    """A release that went live fails requests."""
    ERRORS = "errors"
    """Requests fail and neither a crash nor a release explains it."""
    SLOW = "slow"
    """Answers come late."""
    LEAK = "leak"
    """It uses up something bounded, and goes on doing so."""


class Risk(StrEnum):
    """How much can go wrong when a plan is carried out; decides the threshold and the policy."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


class Policy(StrEnum):
    """How much the swarm may do alone, by risk."""

    OBSERVE = "observe"
    ASK = "ask"
    AUTO = "auto"


class Verdict(StrEnum):
    """One agent's answer to a proposal."""

    ACCEPT = "accept"
    REJECT = "reject"
    ABSTAIN = "abstain"


class OutcomeKind(StrEnum):
    """What came of an action, as the actuator observed it."""

    DONE = "done"
    NOT_DONE = "not-done"
    UNKNOWN = "unknown"


class Step(StrEnum):
    """A stage of an incident that somebody has to take, and that can elapse."""

    CORROBORATE = "corroborate"
    DIAGNOSE = "diagnose"
    PROPOSE = "propose"
    PLAN = "plan"
    """To have any plan at all, a deputy's included."""
    ASSESS = "assess"
    APPROVE = "approve"
    CERTIFY = "certify"
    ACT = "act"
    UNDO = "undo"
    RECOVER = "recover"


class SignalKind(StrEnum):
    """What a signal measures."""

    ERRORS = "errors"
    """Share of requests that failed."""
    LATENCY = "latency"
    """Share of requests slower than the SLO allows."""
    TRAFFIC = "traffic"
    """Requests a second."""
    LIVENESS = "liveness"
    """Whether the process is there and answers its health question."""
    RELEASE = "release"
    """Which release is live."""
    LOGS = "logs"
    """How often a log template appears."""
    ALERT = "alert"
    """Whether another system's alert about the service fires."""
    MEMORY = "memory"
    """This and the following: the used share of something that is bounded."""
    DISK = "disk"
    FILES = "files"
    """Open files and sockets, of those that the process may have."""
    POOL = "pool"
    """Connections in use, of those that a pool may have."""
    QUEUE = "queue"
    QUOTA = "quota"

    @property
    def is_bounded(self) -> bool:
        """Whether it is a share of something that can be used up."""
        return self in _BOUNDED


_BOUNDED = frozenset(
    {
        SignalKind.MEMORY,
        SignalKind.DISK,
        SignalKind.FILES,
        SignalKind.POOL,
        SignalKind.QUEUE,
        SignalKind.QUOTA,
    }
)


# --- what is seen ----------------------------------------------------------------------------


class Signal(Value, frozen=True):
    """Name of one metric's stream: a service, or the call ``caller`` makes to it."""

    service: ServiceName
    kind: SignalKind
    caller: str = ""
    """Empty for a signal of the service itself."""


class Anomaly(Value, frozen=True):
    """A signal off its habit."""

    signal: Signal
    observed_permille: int
    expected_permille: int
    samples: int
    """How many requests, or scrapes, the observation rests on."""
    likelihood_permille: int
    """Probability, per mille, that the signal is really off its habit."""


class Evidence(Value, frozen=True):
    """One reason for or against a hypothesis: a signal, a change or a log template's digest."""

    signal: Signal
    weight_permille: int
    """Signed: how far it moved the hypothesis, in thousandths of a natural-log odds unit."""
    template: str = ""
    """A log template with typed placeholders in place of every variable part; never a raw line."""


class Hypothesis(Value, frozen=True):
    """A suspected service and kind of fault, with a probability and its evidence."""

    service: ServiceName
    kind: FaultKind
    probability_permille: int
    evidence: tuple[Evidence, ...] = ()


class Generation(Value, frozen=True):
    """Which run of a service is meant: what an action's precondition names."""

    pid: int
    started_ms: int
    """When the process started, in Unix milliseconds as its supervisor recorded it."""
    release: str


# --- what can be done ------------------------------------------------------------------------


class RestartService(Value, frozen=True, tag="restart-service"):
    """End the named run of a service, if it is still there, and start a new one of that release."""

    service: ServiceName
    generation: Generation


class RollBack(Value, frozen=True, tag="roll-back"):
    """Replace the named run of a service by one of an earlier release that ran before it."""

    service: ServiceName
    generation: Generation
    to_release: str


class Deploy(Value, frozen=True, tag="deploy"):
    """Put the release that the undone action replaced back: the undo of a ``RollBack``."""

    service: ServiceName
    to_release: str


Action = RestartService | RollBack | Deploy


class Plan(Value, frozen=True):
    """Typed actions with their expected effect, blast radius, risk and undo."""

    actions: tuple[Action, ...]
    """Carried out in order; ``step`` in ``Acted`` counts from 0."""
    undo: tuple[Action, ...]
    """Empty where the catalogue declares an action's undo as none."""
    hypothesis: Hypothesis
    """What the plan is meant to mend."""
    blast_radius: tuple[ServiceName, ...]
    """Services that may notice the actions."""
    risk: Risk
    not_after_ms: int
    """Unix milliseconds after which nobody may carry it out any more."""


# --- operations ------------------------------------------------------------------------------


class Opened(Value, frozen=True, tag="opened"):
    """Detection claims that something is wrong."""

    incident: IncidentKey
    anomalies: tuple[Anomaly, ...]


class Corroborated(Value, frozen=True, tag="corroborated"):
    """An agent sees it too, in its own window."""

    incident: IncidentKey
    anomalies: tuple[Anomaly, ...]


class Diagnosed(Value, frozen=True, tag="diagnosed"):
    """A ranking of hypotheses; empty says "inconclusive"."""

    incident: IncidentKey
    attempt: int
    hypotheses: tuple[Hypothesis, ...]
    ruled_out: tuple[Hypothesis, ...] = ()


class Warned(Value, frozen=True, tag="warned"):
    """A forecast that a limit will be crossed."""

    incident: IncidentKey
    """Of the form ``fleet/subject#number``, like an incident's; a warning may become one."""
    signal: Signal
    crosses_at_ms: int
    earliest_ms: int
    latest_ms: int


class Proposed(Value, frozen=True, tag="proposed"):
    """A plan put to the council."""

    incident: IncidentKey
    attempt: int
    plan: Plan


class Assessed(Value, frozen=True, tag="assessed"):
    """One agent's accept, reject or abstention on a proposal, for reasons of its own."""

    incident: IncidentKey
    proposal: Digest
    """``digest_of`` the ``Proposed`` operation with its author: see ``engine.council``."""
    verdict: Verdict
    score_permille: int
    evidence: tuple[Evidence, ...] = ()


class Approved(Value, frozen=True, tag="approved"):
    """An operator's yes to exactly the plan that he saw."""

    command: CommandId
    incident: IncidentKey
    version: int
    plan: Digest
    not_after_ms: int


class Refused(Value, frozen=True, tag="refused"):
    """An operator's no to exactly the plan that he saw."""

    command: CommandId
    incident: IncidentKey
    version: int
    plan: Digest


class Frozen(Value, frozen=True, tag="frozen"):
    """An operator stops all automation."""

    command: CommandId


class Thawed(Value, frozen=True, tag="thawed"):
    """An operator lets automation go on."""

    command: CommandId


class TakenOver(Value, frozen=True, tag="taken-over"):
    """An operator takes the incident into his own hands; the swarm only watches."""

    command: CommandId
    incident: IncidentKey
    version: int


class Noted(Value, frozen=True, tag="noted"):
    """An operator's remark for the record. It never influences a decision."""

    command: CommandId
    incident: IncidentKey
    text: str


class UndoRequested(Value, frozen=True, tag="undo-requested"):
    """An operator fires the undo of a plan that was carried out."""

    command: CommandId
    incident: IncidentKey
    version: int
    plan: Digest


class Certified(Value, frozen=True, tag="certified"):
    """An agent's signature over the ``CertificateBody`` that its own fold arrived at."""

    incident: IncidentKey
    proposal: Digest
    body: Digest
    """SHA-256 of the encoded ``CertificateBody``."""
    signature: bytes
    """Ed25519 (RFC 8032) over the encoded body, in the domain of certificates."""


class Probed(Value, frozen=True, tag="probed"):
    """The SLO probe's word: green or red, and for how long."""

    subject: str
    counter: int
    green: bool
    held_ms: int


class Acted(Value, frozen=True, tag="acted"):
    """The actuator reports what came of one step of a certified plan."""

    certificate: Digest
    """SHA-256 of the encoded ``CertificateBody``."""
    step: int
    outcome: OutcomeKind
    generation: Generation | None = None
    """The run that the step left behind, where it is known."""


class Undone(Value, frozen=True, tag="undone"):
    """The actuator reports what came of one step of a certified plan's undo."""

    certificate: Digest
    step: int
    outcome: OutcomeKind


class Worse(Value, frozen=True, tag="worse"):
    """An agent's window, begun after the action, looks worse than before it."""

    incident: IncidentKey
    attempt: int


class Recovered(Value, frozen=True, tag="recovered"):
    """An agent's window, begun after the action, is back to habit."""

    incident: IncidentKey
    attempt: int


class Elapsed(Value, frozen=True, tag="elapsed"):
    """An agent's own monotonic clock says that a step has had its time."""

    incident: IncidentKey
    attempt: int
    step: Step


class Convicted(Value, frozen=True, tag="convicted"):
    """Proof against an agent: two conflicting messages that it signed."""

    culprit: AgentId
    kind: str
    first: bytes
    second: bytes


class Replaced(Value, frozen=True, tag="replaced"):
    """An operator orders a new key in for an agent; takes effect with the next epoch."""

    command: CommandId
    agent: AgentId
    public_key: bytes
    claim: bytes
    """The new key's own signature over the agent's place, by which somebody proves to hold it."""


class Configured(Value, frozen=True, tag="configured"):
    """An operator orders another policy in; takes effect with the next epoch."""

    command: CommandId
    rules: bytes
    """The encoded ``engine.policy.Rules``, which say nothing of the hand-over."""


Operation = (
    Opened
    | Corroborated
    | Diagnosed
    | Warned
    | Proposed
    | Assessed
    | Approved
    | Refused
    | Frozen
    | Thawed
    | TakenOver
    | Noted
    | UndoRequested
    | Certified
    | Probed
    | Acted
    | Undone
    | Worse
    | Recovered
    | Elapsed
    | Convicted
    | Replaced
    | Configured
)


class Submission(
    msgspec.Struct, frozen=True, gc=False, array_like=True, forbid_unknown_fields=True
):
    """What an author asks to have ordered; its encoding is what the author signs."""

    cluster: Digest
    epoch: int
    author: AuthorId
    counter: int
    """Strictly rising per author; the pair (author, counter) names the submission for ever."""
    operations: tuple[Operation, ...]


class Signed(msgspec.Struct, frozen=True, gc=False, array_like=True, forbid_unknown_fields=True):
    """Encoded bytes and an Ed25519 signature over them; who signed stands inside the bytes."""

    payload: bytes
    signature: bytes


class CertificateBody(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """What a quorum signs to let the actuator act: the design's certificate, field for field."""

    cluster: Digest
    epoch: int
    sequence_number: int
    """Of the batch whose fold decided."""
    incident: IncidentKey
    attempt: int
    plan: Digest
    undo: Digest
    policy: Digest
    approval: Digest
    """Digest of the ``Approved`` operation, or 32 zero bytes where policy asks for none."""
    not_after_ms: int


class Certificate(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The quorum of signatures that proves a decision, with the plan that it is about."""

    body: CertificateBody
    plan: Plan
    signatures: dict[AgentId, bytes]


class Entry(msgspec.Struct, frozen=True, gc=False, array_like=True, forbid_unknown_fields=True):
    """One ordered batch with the proof that it was ordered: a row of the ledger."""

    sequence_number: int
    view: int
    batch: tuple[bytes, ...]
    """Encoded ``Signed`` submissions, in order; empty for a null batch."""
    commits: tuple[bytes, ...]
    """A quorum of encoded signed COMMIT messages for this view, sequence number and digest."""


class TraceEvent(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """One consensus message as its receiver saw it: unverified, bounded, for screens only."""

    sender: AgentId
    receiver: AgentId
    kind: str
    """What it is; ``passed-on prepare`` where another than its sender signed it."""
    view: int
    sequence_number: int
    digest: bytes
    """First 8 bytes, enough to tell two apart on a screen."""
    sent_ns: int
    """Sender's monotonic clock as the message says, 0 where it says nothing."""
    received_ns: int
    refused: str = ""
    """Why it was dropped or refused; empty when it was taken."""


class Vitals(msgspec.Struct, frozen=True, array_like=True):
    """What an agent says of itself once a second: unverified, for screens only."""

    agent: AgentId
    view: int
    executed: int
    """Sequence number up to which it has executed."""
    phase: str
    """Where its replica is: idle, pre-prepared, prepared, committed, view-change."""
    window_age_ms: int
    """Age of its newest observation; -1 before the first."""
    trace_dropped: int
    bus_dropped: int
    ready: bool
    """Whether it sees the fleet and follows the log."""
