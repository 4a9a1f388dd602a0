"""One run of a deployment as a state machine (pure): a run is the fold of its journal.

``step(run, event)`` says what the run is after an event and what has to be done next. What is to be
done follows from the state alone, so a process that takes a run up after a crash folds the journal
and goes on where it ends; whatever it is told to do may have happened already, and must be safe to
do again.

The way of an ``apply``::

    pre-flight → synthesis → plan → approval → apply → health → bake → done
                                                 └────────┴───────┴──→ rollback → recheck → rolled back
"""

from dataclasses import dataclass, replace
from typing import assert_never

from infra.deploy.run import (
    UNTOUCHED,
    AnyEvent,
    Approved,
    Baked,
    Began,
    Broke,
    Checked,
    Finding,
    Kind,
    Phase,
    Planned,
    Preflighted,
    Run,
    Stopped,
    Succeeded,
    Synthesised,
    Verdict,
)

__all__ = [
    "MAX_ROLLBACKS",
    "ApplyStacks",
    "AskApproval",
    "CheckHealth",
    "DestroyStacks",
    "Effect",
    "MakePlan",
    "Nothing",
    "OutOfTurn",
    "ReturnToGood",
    "RunPreflight",
    "Synthesise",
    "WatchAlarms",
    "begin",
    "due",
    "fold",
    "step",
]

MAX_ROLLBACKS = 2
"""A rollback that fails is tried once more, after stuck stacks were helped; then a person is asked."""


class OutOfTurn(ValueError):
    """An event that cannot follow: a bug of ours, or a journal that was edited."""


# --- what has to be done ---------------------------------------------------------------------------


@dataclass(frozen=True)
class RunPreflight:
    """Look whether it can be begun at all."""


@dataclass(frozen=True)
class Synthesise:
    """Make the assembly and keep it."""


@dataclass(frozen=True)
class MakePlan:
    """Prepare the change sets and read them."""


@dataclass(frozen=True)
class AskApproval:
    """A person has to agree; nothing is done until then."""

    plan: str
    needs_name: bool


@dataclass(frozen=True)
class ApplyStacks:
    """Carry out exactly the plan."""

    plan: str
    stacks: tuple[str, ...]


@dataclass(frozen=True)
class CheckHealth:
    """Ask everything that was deployed whether it works."""


@dataclass(frozen=True)
class WatchAlarms:
    """Watch for so many seconds."""

    seconds: int


@dataclass(frozen=True)
class ReturnToGood:
    """Deploy the assembly of the run that was good."""

    good: int
    again: bool
    """Whether it has failed once: stuck stacks are helped first."""


@dataclass(frozen=True)
class DestroyStacks:
    """Take everything away."""


@dataclass(frozen=True)
class Nothing:
    """The run is over."""


Effect = (
    RunPreflight
    | Synthesise
    | MakePlan
    | AskApproval
    | ApplyStacks
    | CheckHealth
    | WatchAlarms
    | ReturnToGood
    | DestroyStacks
    | Nothing
)


def due(run: Run) -> Effect:
    """What has to be done next; follows from the state alone."""
    match run.phase:
        case Phase.PREFLIGHT:
            return RunPreflight()
        case Phase.SYNTHESIS:
            return Synthesise()
        case Phase.PLAN:
            return MakePlan()
        case Phase.APPROVAL:
            return AskApproval(run.plan, run.needs_name)
        case Phase.APPLY:
            return ApplyStacks(run.plan, run.stacks)
        case Phase.HEALTH | Phase.RECHECK:
            return CheckHealth()
        case Phase.BAKE:
            return WatchAlarms(run.bake_s)
        case Phase.ROLLBACK:
            return ReturnToGood(run.good, run.rollbacks > 1)
        case Phase.DESTROY:
            return DestroyStacks()
        case Phase.DONE | Phase.ROLLED_BACK | Phase.DESTROYED | Phase.REFUSED | Phase.FAILED:
            return Nothing()
        case _:
            assert_never(run.phase)


def begin(event: Began) -> Run:
    """The run that begins with ``event``."""
    return Run(
        number=event.number,
        kind=event.kind,
        environment=event.environment,
        target=event.target,
        build=event.build,
        needs_approval=event.needs_approval,
        needs_name=event.needs_name,
        bake_s=event.bake_s,
        good=event.good,
    )


def step(run: Run, event: AnyEvent) -> tuple[Run, Effect]:
    """What the run is after ``event``, and what has to be done then.

    Raises:
        OutOfTurn: the event cannot follow where the run stands.
    """
    after = _after(run, event)
    return after, due(after)


def fold(events: list[AnyEvent]) -> Run:
    """The run whose journal holds ``events``.

    Raises:
        OutOfTurn: they are no journal of one run.
    """
    if not events or not isinstance(events[0], Began):
        raise OutOfTurn("a journal begins with `began`")
    run = begin(events[0])
    for event in events[1:]:
        run = _after(run, event)
    return run


def _after(run: Run, event: AnyEvent) -> Run:
    match event:
        case Stopped(reason) if not run.over:
            return _stopped(run, reason)
        case Broke() if not run.over:
            return _broken(run, event)
        case Approved() | Preflighted() | Synthesised() | Planned():
            return _before_changes(run, event)
        case Succeeded() | Checked() | Baked():
            return _changing(run, event)
        case _:
            raise _out_of_turn(run, event)


def _before_changes(run: Run, event: Approved | Preflighted | Synthesised | Planned) -> Run:
    match run.phase, event:
        case Phase.PREFLIGHT, Preflighted(findings):
            return _looked(run, findings)
        case Phase.SYNTHESIS, Synthesised(assembly):
            return _with(run, phase=Phase.PLAN, assembly=assembly)
        case Phase.PLAN, Planned():
            return _planned(run, event)
        case Phase.APPROVAL, Approved():
            return _approved(run, event)
        case _:
            raise _out_of_turn(run, event)


def _changing(run: Run, event: Succeeded | Checked | Baked) -> Run:
    match run.phase, event:
        case Phase.APPLY, Succeeded():
            return _with(run, phase=Phase.HEALTH)
        case Phase.HEALTH, Checked(findings):
            return _checked(run, findings)
        case Phase.BAKE, Baked(alarms):
            if alarms:
                return _back(run, f"alarm while baking: {', '.join(alarms)}")
            return _with(run, phase=Phase.DONE)
        case Phase.ROLLBACK, Succeeded():
            return _with(run, phase=Phase.RECHECK)
        case Phase.RECHECK, Checked(findings):
            return _rechecked(run, findings)
        case Phase.DESTROY, Succeeded():
            return _with(run, phase=Phase.DESTROYED)
        case _:
            raise _out_of_turn(run, event)


def _out_of_turn(run: Run, event: AnyEvent) -> OutOfTurn:
    return OutOfTurn(f"{type(event).__name__} cannot follow while {run.phase.value}")


def _with(run: Run, **changes: object) -> Run:
    return replace(run, **changes)  # type: ignore[arg-type] # each caller names fields of Run


def _looked(run: Run, findings: tuple[Finding, ...]) -> Run:
    bad = [finding for finding in findings if finding.verdict is Verdict.FAILED]
    if bad:
        reason = "; ".join(f"{finding.name}: {finding.evidence}" for finding in bad)
        return _with(run, phase=Phase.REFUSED, reason=reason)
    match run.kind:
        case Kind.DESTROY:
            return _with(run, phase=Phase.DESTROY)
        case Kind.ROLLBACK:
            if not run.good:
                return _with(
                    run, phase=Phase.REFUSED, reason="no run was ever good here: nothing to go to"
                )
            return _with(run, phase=Phase.ROLLBACK, rollbacks=1)
        case Kind.PLAN | Kind.APPLY:
            return _with(run, phase=Phase.SYNTHESIS)


def _planned(run: Run, plan: Planned) -> Run:
    run = _with(run, plan=plan.plan, changes=plan.changes, stacks=plan.stacks, dangers=plan.dangers)
    if run.kind is Kind.PLAN or (run.needs_approval and plan.changes):
        return _with(run, phase=Phase.APPROVAL)
    # With nothing to change there is nothing to agree to; health is asked all the same.
    return _with(run, phase=Phase.APPLY, approved_by="" if plan.changes else "nothing changes")


def _approved(run: Run, event: Approved) -> Run:
    if event.plan != run.plan:
        raise OutOfTurn(f"the approval names plan {event.plan[:12]}, this is {run.plan[:12]}")
    if run.needs_name and event.typed_name != run.environment:
        raise OutOfTurn(f"{run.environment} is approved by typing its name")
    # Whoever approves a plan wants it carried out.
    return _with(run, phase=Phase.APPLY, kind=Kind.APPLY, approved_by=event.by)


def _failures(findings: tuple[Finding, ...]) -> str:
    return "; ".join(
        f"{finding.name}: {finding.evidence}"
        for finding in findings
        if finding.verdict is Verdict.FAILED
    )


def _checked(run: Run, findings: tuple[Finding, ...]) -> Run:
    run = _with(run, findings=findings)
    failures = _failures(findings)
    return _back(run, f"health: {failures}") if failures else _with(run, phase=Phase.BAKE)


def _rechecked(run: Run, findings: tuple[Finding, ...]) -> Run:
    run = _with(run, findings=findings)
    failures = _failures(findings)
    if not failures:
        return _with(run, phase=Phase.ROLLED_BACK)
    return _with(
        run,
        phase=Phase.FAILED,
        reason=f"{run.reason or 'rollback'}; after the rollback: {failures}",
        remedy=f"main.py deploy health {run.environment} shows what is wrong with what was good",
    )


def _back(run: Run, reason: str) -> Run:
    """On the way back, or failed where nothing was ever good."""
    if run.good:
        return _with(run, phase=Phase.ROLLBACK, reason=reason, rollbacks=run.rollbacks + 1)
    return _with(
        run,
        phase=Phase.FAILED,
        reason=f"{reason} (no earlier run was good: there is nothing to go back to)",
        remedy=(
            f"mend it and run main.py deploy apply {run.environment} again, "
            f"or main.py deploy destroy {run.environment}"
        ),
    )


def _stopped(run: Run, reason: str) -> Run:
    if run.phase in UNTOUCHED:
        return _with(run, phase=Phase.REFUSED, reason=reason)
    return _with(run, phase=Phase.FAILED, reason=f"stopped in {run.phase.value}: {reason}")


def _broken(run: Run, event: Broke) -> Run:
    """What becomes of a run whose step could not be done."""
    match run.phase:
        case phase if phase in UNTOUCHED:
            return _with(run, phase=Phase.REFUSED, reason=event.reason, remedy=event.remedy)
        case Phase.APPLY | Phase.HEALTH | Phase.BAKE:
            return _back(run, f"{run.phase.value}: {event.reason}")
        case Phase.ROLLBACK if run.rollbacks < MAX_ROLLBACKS:
            return _with(run, rollbacks=run.rollbacks + 1)
        case _:
            return _with(
                run,
                phase=Phase.FAILED,
                reason="; ".join(filter(None, (run.reason, f"{run.phase.value}: {event.reason}"))),
                remedy=event.remedy or f"main.py deploy {run.kind.value} {run.environment}",
            )
