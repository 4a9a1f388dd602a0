"""What statuses mean, which stack may start, and how far a deployment is."""

import pytest

from infra.deploy.progress import ResourceEvent, StackProgress, left_s
from infra.deploy.stacks import Judgement, StackFact, Way, judge, removable, startable, way_out


@pytest.mark.parametrize(
    ("status", "way"),
    [
        ("", Way.NONE),
        ("CREATE_COMPLETE", Way.NONE),
        ("UPDATE_ROLLBACK_COMPLETE", Way.NONE),
        ("REVIEW_IN_PROGRESS", Way.NONE),
        ("UPDATE_IN_PROGRESS", Way.WAIT),
        ("UPDATE_ROLLBACK_IN_PROGRESS", Way.WAIT),
        ("ROLLBACK_COMPLETE", Way.DELETE),
        ("ROLLBACK_FAILED", Way.DELETE),
        ("UPDATE_ROLLBACK_FAILED", Way.CONTINUE),
        ("DELETE_FAILED", Way.DELETE_AGAIN),
    ],
)
def test_every_status_has_its_way_out(status: str, way: Way) -> None:
    assert way_out(status) is way


def test_a_stack_whose_change_set_is_gone_and_that_is_complete_was_applied() -> None:
    assert judge([StackFact("A", "UPDATE_COMPLETE")])[0] is Judgement.APPLIED


def test_a_change_set_that_waits_is_pending_whatever_was_before() -> None:
    before = StackFact("A", "UPDATE_ROLLBACK_COMPLETE", pending=True)

    assert judge([before])[0] is Judgement.PENDING


def test_a_stack_that_rolled_back_failed_once_nothing_moves_any_more() -> None:
    failed = StackFact("A", "UPDATE_ROLLBACK_COMPLETE", "the name is taken")

    assert judge([failed, StackFact("B", "UPDATE_IN_PROGRESS")])[0] is Judgement.MOVING
    judgement, why = judge([failed, StackFact("B", "CREATE_COMPLETE")])
    assert judgement is Judgement.FAILED
    assert "the name is taken" in why


def test_a_stack_that_vanished_failed() -> None:
    judgement, why = judge([StackFact("A", "")])

    assert judgement is Judgement.FAILED
    assert "neither" in why


def test_a_stack_starts_when_all_it_stands_on_are_there() -> None:
    a, b = StackFact("A", "", pending=True), StackFact("B", "", pending=True)
    needs = {"B": ["A", "elsewhere"]}

    assert startable([a, b], needs) == ["A"]
    assert startable([StackFact("A", "CREATE_IN_PROGRESS"), b], needs) == []
    assert startable([StackFact("A", "CREATE_COMPLETE"), b], needs) == ["B"]


def test_after_a_failure_nothing_starts() -> None:
    failed = StackFact("A", "ROLLBACK_COMPLETE")

    assert startable([failed, StackFact("B", "", pending=True)], {}) == []


def event(number: int, logical: str, status: str, kind: str = "AWS::SNS::Topic") -> ResourceEvent:
    return ResourceEvent(str(number), 100.0 + number, logical, kind, status, "why")


def test_progress_counts_each_planned_resource_once() -> None:
    stack = StackProgress("S", {"A": "AWS::SNS::Topic", "B": "AWS::SNS::Topic"})

    assert stack.take(event(1, "A", "CREATE_COMPLETE"))
    assert not stack.take(event(1, "A", "CREATE_COMPLETE"))
    assert stack.take(event(2, "A", "UPDATE_COMPLETE"))
    assert stack.take(event(3, "unplanned", "UPDATE_COMPLETE"))
    assert stack.take(event(4, "B", "CREATE_FAILED"))

    assert (len(stack.done), stack.total) == (1, 2)
    assert stack.failed == {"B": "why"}


def test_the_time_left_is_what_the_last_time_took_and_nothing_once_it_rests() -> None:
    stack = StackProgress("S", {"A": "AWS::SNS::Topic"}, expected_s=60.0)
    stack.take(event(0, "S", "UPDATE_IN_PROGRESS", "AWS::CloudFormation::Stack"))

    assert left_s(stack, 120.0) == pytest.approx(40.0)
    assert left_s(stack, 300.0) == 1.0
    stack.take(event(1, "S", "UPDATE_COMPLETE", "AWS::CloudFormation::Stack"))
    assert left_s(stack, 300.0) == 0.0


def test_without_a_last_time_the_pace_so_far_counts() -> None:
    stack = StackProgress("S", dict.fromkeys("ABCD", "AWS::SNS::Topic"))
    assert left_s(stack, 100.0) == 40.0

    stack.take(event(0, "A", "CREATE_IN_PROGRESS"))
    stack.take(event(20, "A", "CREATE_COMPLETE"))
    assert left_s(stack, 120.0) == pytest.approx(60.0)


def test_a_stack_goes_when_nothing_stands_on_it_any_more() -> None:
    a, b = StackFact("A", "CREATE_COMPLETE"), StackFact("B", "UPDATE_COMPLETE")
    c = StackFact("C", "DELETE_FAILED")
    needs = {"B": ["A", "elsewhere"], "C": ["A"]}

    assert removable([a, b, c], needs) == ["B", "C"]
    assert removable([a, StackFact("B", "DELETE_IN_PROGRESS"), StackFact("C", "")], needs) == []
    assert removable([a, StackFact("B", ""), StackFact("C", "")], needs) == ["A"]
