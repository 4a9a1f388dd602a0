"""What a screen shows: rows keyed by name, plus two growing lists (pure values).

The engine projects the council's fold, its own collector and the trace into these rows; screens
know nothing else. Rates and shares are floats here: nothing folds over them.
"""

from enum import StrEnum

import msgspec


class Health(StrEnum):
    """How a service, link or agent is; a screen shows it by glyph, word and colour."""

    OK = "ok"
    WARN = "warn"
    BROKEN = "broken"
    UNKNOWN = "unknown"


class Row(msgspec.Struct, frozen=True):
    """A plain row."""


class ServiceRow(Row, frozen=True):
    """One service of the fleet."""

    name: str
    health: Health
    release: str
    pid: int
    rate: float
    """Requests a second that arrive."""
    errors: float
    """Share of them that fail, 0 to 1."""
    p95_ms: float
    """0 where the source gives no percentiles."""
    note: str = ""
    """For instance ``exited: signal 9``."""
    mean_ms: float = 0.0
    """How long a request took on average; 0 where nobody says."""


class LinkRow(Row, frozen=True):
    """One call: what the proxy on it counts."""

    caller: str
    callee: str
    rate: float
    errors: float
    p95_ms: float
    """0 where the source gives no percentiles."""
    mean_ms: float = 0.0
    """How long a request took on average; 0 where nobody says."""


class AgentRow(Row, frozen=True):
    """One agent and its replica."""

    id: str
    role: str
    health: Health
    primary: bool
    view: int
    executed: int
    """Sequence number up to which it has executed."""
    phase: str
    """Where its replica is: idle, pre-prepared, prepared, committed, view-change."""
    vote: str
    """Its Assessment of the live proposal: accept, reject, abstain, or empty."""
    restarts: int
    age_s: float
    """Since it was last heard."""
    key: str = ""
    """Its public Ed25519 key in hexadecimal, by the constitution that holds now."""


class TimelineEntry(Row, frozen=True):
    """One thing that happened in an incident, in words made from typed values."""

    at_ms: int
    """Unix milliseconds when the engine received the batch."""
    sequence_number: int
    kind: str
    """The operation's tag, or decided, closed."""
    who: str
    text: str
    outcome: str = ""
    """What came of an action or its undo: ``done``, ``not-done`` or ``unknown``; else empty."""


class IncidentRow(Row, frozen=True):
    """The incident that the screen is about."""

    key: str
    title: str
    status: str
    """claimed, open, diagnosed, proposed, decided, certified, acted, recovered, handed over, ..."""
    version: int
    attempt: int
    opened_ms: int
    closed_ms: int
    """0 while it is open."""
    hypotheses: tuple[str, ...]
    """Best first, with probability: ``payments crash 0.97``."""
    plan: str
    """The live proposal in words; empty when there is none."""
    plan_digest: str
    """Hexadecimal; what an approval names."""
    risk: str
    blast_radius: tuple[str, ...]
    not_after_ms: int
    needs_approval: bool
    accepts: int
    rejects: int
    threshold: int
    certificate: str
    """Hexadecimal digest once a quorum has signed; empty before."""


class LedgerRow(Row, frozen=True):
    """One ordered batch."""

    sequence_number: int
    view: int
    at_ms: int
    operations: tuple[str, ...]
    """``author: tag`` of each."""
    chain: str
    """First 12 hexadecimal digits of the chain digest."""


class SwarmRow(Row, frozen=True):
    """The swarm as a whole."""

    cluster: str
    epoch: int
    n: int
    f: int
    quorum: int
    view: int
    primary: str
    executed: int
    budget: int
    """Faults that may still happen before consensus stops."""
    frozen: bool
    policy: str
    """``low auto, medium ask, high ask``."""
    bus_dropped: int
    trace_dropped: int
    ready: bool


class SloRow(Row, frozen=True):
    """What the independent probe says."""

    subject: str
    green: bool
    held_ms: int
    success: float
    """Share of the probe's requests that were good in the last ten seconds."""
    history: tuple[int, ...]
    """Per mille good in each of the last 120 seconds, oldest first."""


class DrillRow(Row, frozen=True):
    """A drill that runs, as far as the responders may know: that one runs."""

    running: bool
    text: str = ""
    offers: tuple[str, ...] = ()
    """What may be ordered, a name and what it does: ``quiet nothing is broken``; empty for nothing."""
    last: str = ""
    """What came of the drill that was ordered last, once it is over."""


class DeployRow(Row, frozen=True):
    """One environment that can be deployed to, and the newest run there.

    Lines of the lists begin with a ``Health`` word, so that a screen can show them by glyph and colour.
    """

    environment: str
    target: str
    """Where it lies: emulator or AWS, account, region; or why it cannot be deployed to."""
    health: Health
    """The worst of the checks; what proves nothing does not make it worse."""
    phase: str
    """Of the newest run: pre-flight, synthesis, plan, approval, apply, ...; empty without a run."""
    busy: bool
    """Whether a process works on it now."""
    run: int
    build: str
    """What the newest run deployed, or went back to."""
    began_ms: int
    good: int
    """The run that is good now; 0: none."""
    plan: str
    """Hexadecimal digest of the plan that waits for approval; empty when none does."""
    needs_name: bool
    """Whether whoever approves has to type the environment's name."""
    reason: str
    """Why the run is not what it was meant to be, and what can be done about it."""
    said: str
    """The last words of who was ordered to work on it from here; empty once a run tells more."""
    checked_ms: int
    """When the checks were asked; 0: never."""
    drift: str
    hazards: tuple[str, ...] = ()
    """The plan's hazards, the worst first."""
    stacks: tuple[str, ...] = ()
    """``ok Ic-local-Api 3/19 UPDATE_IN_PROGRESS, about 4 s left``."""
    checks: tuple[str, ...] = ()
    """``ok http: 200, build 4f3efd4``."""
    history: tuple[str, ...] = ()
    """Runs, the newest first."""
    back: int = 0
    """The run that a rollback by hand goes back to; 0: none was ever good."""


class ScreenState(msgspec.Struct, frozen=True):
    """Everything a screen shows. ``engine.stream.fold`` changes it by deltas."""

    at_ms: int = 0
    swarm: SwarmRow | None = None
    slo: SloRow | None = None
    drill: DrillRow | None = None
    incident: IncidentRow | None = None
    services: dict[str, ServiceRow] = {}
    links: dict[str, LinkRow] = {}
    """Keyed ``caller>callee``."""
    agents: dict[str, AgentRow] = {}
    deploys: dict[str, DeployRow] = {}
    """Keyed by environment; empty where the engine cannot deploy."""
    timeline: tuple[TimelineEntry, ...] = ()
    """Of the incident shown; the newest 200."""
    ledger: tuple[LedgerRow, ...] = ()
    """The newest 50."""
    notices: tuple[str, ...] = ()
    """What a person must know now: frozen, quorum lost, stale telemetry. At most 8."""
