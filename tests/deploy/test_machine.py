"""The state machine of a run: every way through it, and every way to take it up again."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.deploy.machine import (
    AskApproval,
    Nothing,
    OutOfTurn,
    ReturnToGood,
    RunPreflight,
    begin,
    due,
    fold,
    step,
)
from infra.deploy.run import (
    ENDS,
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

GOOD = (Finding("http", Verdict.OK, "200"), Finding("agents", Verdict.CONTROL_PLANE_ONLY, "-"))
BAD = (Finding("http", Verdict.FAILED, "503"),)
PLAN = "ab" * 32


def began(
    kind: Kind = Kind.APPLY, *, good: int = 3, approval: bool = False, name: bool = False
) -> Began:
    return Began(4, kind, "prod", "AWS", "b1", approval, name, 60, good)


def planned(changes: int = 2) -> Planned:
    return Planned(PLAN, changes, ("S",) if changes else (), 0)


BEFORE: list[AnyEvent] = [Preflighted(GOOD), Synthesised("aa"), planned()]


def told(first: Began, *events: AnyEvent) -> Run:
    return fold([first, *events])


def test_a_run_that_goes_well_is_done() -> None:
    run = told(began(), *BEFORE, Succeeded(), Checked(GOOD), Baked((), 3))

    assert run.phase is Phase.DONE
    assert run.well
    assert due(run) == Nothing()


def test_a_failed_check_before_anything_is_done_refuses() -> None:
    run = told(began(), Preflighted((Finding("account", Verdict.FAILED, "another one"),)))

    assert run.phase is Phase.REFUSED
    assert "another one" in run.reason


def test_what_was_not_checked_does_not_refuse() -> None:
    run = told(began(), Preflighted((Finding("types", Verdict.NOT_CHECKED, "-"),)))

    assert run.phase is Phase.SYNTHESIS


@pytest.mark.parametrize("kind", [Kind.PLAN, Kind.APPLY])
def test_a_plan_waits_for_the_approval_of_its_own_digest(kind: Kind) -> None:
    run = told(began(kind, approval=True), *BEFORE)

    assert due(run) == AskApproval(PLAN, needs_name=False)
    with pytest.raises(OutOfTurn, match="names plan"):
        step(run, Approved("cd" * 32, "anna"))
    approved, _ = step(run, Approved(PLAN, "anna"))
    assert (approved.phase, approved.approved_by) == (Phase.APPLY, "anna")


def test_production_is_approved_by_typing_its_name_too() -> None:
    run = told(began(approval=True, name=True), *BEFORE)

    with pytest.raises(OutOfTurn, match="typing its name"):
        step(run, Approved(PLAN, "anna", "staging"))
    assert step(run, Approved(PLAN, "anna", "prod"))[0].phase is Phase.APPLY


def test_nothing_to_change_needs_no_approval_and_health_is_asked_all_the_same() -> None:
    run = told(began(approval=True), Preflighted(()), Synthesised("aa"), planned(0), Succeeded())

    assert run.phase is Phase.HEALTH


@pytest.mark.parametrize(
    "failing",
    [
        [Broke("the queue's name is taken")],
        [Succeeded(), Checked(BAD)],
        [Succeeded(), Checked(GOOD), Baked(("ic-prod-errors",), 3)],
        [Succeeded(), Broke("the account is gone")],
    ],
)
def test_whatever_fails_after_a_change_goes_back_to_what_was_good(failing: list[AnyEvent]) -> None:
    run = told(began(good=3), *BEFORE, *failing)

    assert due(run) == ReturnToGood(3, again=False)
    assert run.reason
    back = told(began(good=3), *BEFORE, *failing, Succeeded(), Checked(GOOD))
    assert back.phase is Phase.ROLLED_BACK
    assert not back.well


def test_without_anything_good_a_failure_says_so_and_what_to_do() -> None:
    run = told(began(good=0), *BEFORE, Broke("no"))

    assert run.phase is Phase.FAILED
    assert "nothing to go back to" in run.reason
    assert "main.py deploy destroy prod" in run.remedy


def test_a_rollback_that_fails_is_tried_once_more_and_then_handed_to_a_person() -> None:
    run = told(began(), *BEFORE, Broke("first"), Broke("lost"))
    assert due(run) == ReturnToGood(3, again=True)

    run = told(began(), *BEFORE, Broke("first"), Broke("lost"), Broke("lost again"))
    assert run.phase is Phase.FAILED
    assert "first" in run.reason
    assert "lost again" in run.reason
    assert run.remedy


def test_a_rollback_whose_checks_fail_is_a_failure() -> None:
    run = told(began(), *BEFORE, Broke("no"), Succeeded(), Checked(BAD))

    assert run.phase is Phase.FAILED
    assert "after the rollback" in run.reason


def test_a_rollback_by_hand_needs_something_good() -> None:
    assert told(began(Kind.ROLLBACK, good=0), Preflighted(GOOD)).phase is Phase.REFUSED
    run = told(began(Kind.ROLLBACK), Preflighted(GOOD), Succeeded(), Checked(GOOD))
    assert run.well


def test_destroying_ends_destroyed() -> None:
    assert told(began(Kind.DESTROY), Preflighted(GOOD), Succeeded()).phase is Phase.DESTROYED


def test_stopping_before_a_change_refuses_and_after_it_fails() -> None:
    assert told(began(approval=True), *BEFORE, Stopped("no")).phase is Phase.REFUSED
    assert told(began(), *BEFORE, Stopped("taken away")).phase is Phase.FAILED


def test_an_event_out_of_turn_is_refused() -> None:
    with pytest.raises(OutOfTurn):
        step(begin(began()), Succeeded())
    with pytest.raises(OutOfTurn):
        step(told(began(Kind.DESTROY), Preflighted(GOOD), Succeeded()), Stopped("late"))
    with pytest.raises(OutOfTurn):
        fold([])


# --- laws ------------------------------------------------------------------------------------------


def world(run: Run, draw: random.Random) -> AnyEvent:
    """What the world may answer to what is due: anything that can follow."""
    if draw.random() < 0.2:
        return Broke("the world")
    checked = BAD if draw.random() < 0.3 else GOOD
    match run.phase:
        case Phase.PREFLIGHT:
            return Preflighted(checked)
        case Phase.SYNTHESIS:
            return Synthesised("aa")
        case Phase.PLAN:
            return planned(draw.randrange(3))
        case Phase.APPROVAL:
            return (
                Approved(run.plan, "anna", run.environment) if draw.random() < 0.8 else Stopped("-")
            )
        case Phase.HEALTH | Phase.RECHECK:
            return Checked(checked)
        case Phase.BAKE:
            return Baked(("alarm",) if draw.random() < 0.3 else (), 1)
        case _:
            return Succeeded()


@given(
    st.sampled_from([Kind.APPLY, Kind.ROLLBACK, Kind.DESTROY]),
    st.integers(0, 1),
    st.booleans(),
    st.integers(0, 2**32),
)
def test_every_run_ends_and_every_crash_goes_on_where_it_was(
    kind: Kind, good: int, approval: bool, seed: int
) -> None:
    draw = random.Random(seed)
    events: list[AnyEvent] = [began(kind, good=good, approval=approval, name=approval)]
    run = begin(began(kind, good=good, approval=approval, name=approval))
    seen = {run.phase}
    while not run.over:
        assert len(events) < 20, "a run ends"
        event = world(run, draw)
        run, effect = step(run, event)
        events.append(event)
        seen.add(run.phase)
        # A process that died here and came back knows the same and does the same.
        assert fold(events) == run
        assert due(fold(events)) == effect
        assert isinstance(effect, Nothing) == (run.phase in ENDS)

    if run.phase is Phase.REFUSED:
        assert seen <= UNTOUCHED | {Phase.REFUSED}, "refused means that nothing was changed"
    if run.phase is Phase.FAILED:
        assert run.reason
        assert run.remedy
    if run.phase in (Phase.DONE, Phase.ROLLED_BACK) and run.findings:
        assert all(finding.verdict is not Verdict.FAILED for finding in run.findings)
    assert RunPreflight() == due(begin(began(kind)))
