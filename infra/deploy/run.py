"""What a run of a deployment is: its phases, its events, and what is known of it (values).

Tags and field names stand in journals: they are added to, never changed.
"""

from dataclasses import dataclass
from enum import StrEnum

import msgspec

__all__ = [
    "ENDS",
    "UNTOUCHED",
    "AnyEvent",
    "Approved",
    "Baked",
    "Began",
    "Broke",
    "Checked",
    "Event",
    "Finding",
    "Kind",
    "Phase",
    "Planned",
    "Preflighted",
    "Run",
    "Stopped",
    "Succeeded",
    "Synthesised",
    "Verdict",
]


class Kind(StrEnum):
    """What a run is for."""

    PLAN = "plan"
    APPLY = "apply"
    ROLLBACK = "rollback"
    DESTROY = "destroy"


class Phase(StrEnum):
    """Where a run stands."""

    PREFLIGHT = "pre-flight"
    SYNTHESIS = "synthesis"
    PLAN = "plan"
    APPROVAL = "approval"
    APPLY = "apply"
    HEALTH = "health"
    BAKE = "bake"
    ROLLBACK = "rollback"
    RECHECK = "recheck"
    DESTROY = "destroy"
    DONE = "done"
    ROLLED_BACK = "rolled back"
    DESTROYED = "destroyed"
    REFUSED = "refused"
    """Nothing was changed."""
    FAILED = "failed"
    """Something was changed, and a person has to look; ``remedy`` says how."""


ENDS = frozenset(
    {Phase.DONE, Phase.ROLLED_BACK, Phase.DESTROYED, Phase.REFUSED, Phase.FAILED},
)


UNTOUCHED = frozenset({Phase.PREFLIGHT, Phase.SYNTHESIS, Phase.PLAN, Phase.APPROVAL})
"""Nothing has been changed yet."""


class Verdict(StrEnum):
    """What came of a check."""

    OK = "ok"
    DEGRADED = "degraded"
    """It works, but not as well as it should; does not stop a deployment."""
    CONTROL_PLANE_ONLY = "control-plane-only"
    """The emulator knows that it exists, and cannot do what it is for: nothing was proven."""
    NOT_CHECKED = "not-checked"
    """It could not be looked at here; never counts as good."""
    FAILED = "failed"


class Finding(msgspec.Struct, frozen=True):
    """What one check found."""

    name: str
    verdict: Verdict
    evidence: str
    latency_ms: float = 0.0
    tries: int = 1


class Event(msgspec.Struct, frozen=True, tag_field="event"):
    """Something that happened in a run."""


class Began(Event, frozen=True, tag="began"):
    """Somebody wanted it."""

    number: int
    kind: Kind
    environment: str
    target: str
    """The banner that names account, region and endpoint."""
    build: str
    needs_approval: bool
    """Whether a person has to name the plan's digest."""
    needs_name: bool
    """Whether he has to type the environment's name as well."""
    bake_s: int
    good: int = 0
    """The run to go back to when this one fails; 0: nothing was ever good here."""


class Preflighted(Event, frozen=True, tag="pre-flight"):
    """What was looked at before anything was done."""

    findings: tuple[Finding, ...]


class Synthesised(Event, frozen=True, tag="synthesised"):
    """The assembly exists and is kept."""

    assembly: str
    """Hexadecimal digest over all its files."""


class Planned(Event, frozen=True, tag="planned"):
    """What would be changed."""

    plan: str
    """Hexadecimal digest of the plan: what an approval names."""
    changes: int
    stacks: tuple[str, ...]
    """The stacks that change, in the order of their dependencies."""
    dangers: int


class Approved(Event, frozen=True, tag="approved"):
    """A person's yes to exactly one plan."""

    plan: str
    by: str
    typed_name: str = ""


class Succeeded(Event, frozen=True, tag="succeeded"):
    """Apply, rollback or destroy did what it was told."""


class Checked(Event, frozen=True, tag="checked"):
    """What the health suite found."""

    findings: tuple[Finding, ...]


class Baked(Event, frozen=True, tag="baked"):
    """The alarms were watched for long enough, or one of them rang."""

    alarms: tuple[str, ...] = ()
    watched: int = 0
    """How many alarms there were."""


class Broke(Event, frozen=True, tag="broke"):
    """What the run was about to do could not be done."""

    reason: str
    remedy: str = ""


class Stopped(Event, frozen=True, tag="stopped"):
    """A person ended it, or a later run takes its place."""

    reason: str


@dataclass(frozen=True)
class Run:
    """Where a run stands."""

    number: int = 0
    kind: Kind = Kind.APPLY
    environment: str = ""
    target: str = ""
    build: str = ""
    phase: Phase = Phase.PREFLIGHT
    needs_approval: bool = True
    needs_name: bool = True
    bake_s: int = 0
    good: int = 0
    assembly: str = ""
    plan: str = ""
    changes: int = 0
    dangers: int = 0
    stacks: tuple[str, ...] = ()
    approved_by: str = ""
    findings: tuple[Finding, ...] = ()
    """Of the last health suite."""
    rollbacks: int = 0
    """How often the way back was begun."""
    reason: str = ""
    """Why it is not what it was meant to be; empty while all is well."""
    remedy: str = ""
    """What a person can do about it."""

    @property
    def over(self) -> bool:
        """Whether nothing more will happen."""
        return self.phase in ENDS

    @property
    def well(self) -> bool:
        """Whether it did what it was begun for."""
        match self.kind:
            case Kind.PLAN:
                return self.phase is Phase.APPROVAL
            case Kind.APPLY:
                return self.phase is Phase.DONE
            case Kind.ROLLBACK:
                return self.phase is Phase.ROLLED_BACK
            case Kind.DESTROY:
                return self.phase is Phase.DESTROYED


AnyEvent = (
    Began
    | Preflighted
    | Synthesised
    | Planned
    | Approved
    | Succeeded
    | Checked
    | Baked
    | Broke
    | Stopped
)
