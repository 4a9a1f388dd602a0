"""What a CloudFormation stack's status means, and the way out of those that are stuck (pure).

Source: AWS CloudFormation User Guide, "Stack status codes" and "Continue rolling back an update".
"""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import NamedTuple

__all__ = ["Judgement", "StackFact", "Way", "judge", "moves", "removable", "startable", "way_out"]

ROLLED_BACK = frozenset(
    {"UPDATE_ROLLBACK_COMPLETE", "ROLLBACK_COMPLETE", "IMPORT_ROLLBACK_COMPLETE"}
)


class Way(StrEnum):
    """What has to be done before a stack can be changed."""

    NONE = "nothing"
    WAIT = "wait until it has settled"
    DELETE = "delete what a failed first creation left, and create it anew"
    CONTINUE = "continue its rollback"
    DELETE_AGAIN = "delete it again"


class StackFact(NamedTuple):
    """What the cloud says of one stack."""

    name: str
    status: str
    """Empty: there is no such stack."""
    reason: str = ""
    pending: bool = False
    """Whether the change set of the plan is still there, not carried out."""


def way_out(status: str) -> Way:
    """What has to be done before a stack of this status can be changed."""
    if status == "REVIEW_IN_PROGRESS" or not status:
        return Way.NONE
    if status.endswith("_IN_PROGRESS"):
        return Way.WAIT
    if status in ("ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "CREATE_FAILED"):
        return Way.DELETE
    if status == "UPDATE_ROLLBACK_FAILED":
        return Way.CONTINUE
    if status == "DELETE_FAILED":
        return Way.DELETE_AGAIN
    # UPDATE_FAILED is left by --disable-rollback, which we never use; an update mends it.
    return Way.NONE


class Judgement(StrEnum):
    """How far the stacks of a plan are."""

    APPLIED = "applied"
    MOVING = "moving"
    PENDING = "pending"
    FAILED = "failed"


def judge(facts: Sequence[StackFact]) -> tuple[Judgement, str]:
    """How far the stacks of a plan are, and why they failed.

    A change set that was carried out is gone, so its absence is what tells "done" from "not begun".
    """
    if any(moves(fact) for fact in facts):
        return Judgement.MOVING, ""
    if failed := [fact for fact in facts if _failed(fact)]:
        return Judgement.FAILED, "; ".join(
            f"{fact.name} is in {fact.status}: {fact.reason or 'no reason was given'}"
            for fact in failed
        )
    missing = [fact.name for fact in facts if not fact.status and not fact.pending]
    if missing:
        return (
            Judgement.FAILED,
            f"{', '.join(missing)}: neither the stack nor its change set exists",
        )
    if any(fact.pending for fact in facts):
        return Judgement.PENDING, ""
    return Judgement.APPLIED, ""


def startable(facts: Sequence[StackFact], needs: Mapping[str, Sequence[str]]) -> list[str]:
    """The stacks whose change sets can be carried out now; none any more once one has failed.

    Args:
        facts: the stacks of the plan.
        needs: for each of them, the stacks that it stands on, those outside the plan too.
    """
    if any(_failed(fact) for fact in facts):
        return []
    unfinished = {fact.name for fact in facts if fact.pending or moves(fact)}
    return [
        fact.name
        for fact in facts
        if fact.pending and not moves(fact) and not unfinished & set(needs.get(fact.name, ()))
    ]


def removable(facts: Sequence[StackFact], needs: Mapping[str, Sequence[str]]) -> list[str]:
    """The stacks that nothing stands on any more, and that are not on their way out.

    Args:
        facts: all stacks that are to go.
        needs: for each of them, the stacks that it stands on.
    """
    there = [fact for fact in facts if fact.status]
    carrying = {need for fact in there for need in needs.get(fact.name, ())}
    return [fact.name for fact in there if fact.name not in carrying and not moves(fact)]


def moves(fact: StackFact) -> bool:
    """Whether CloudFormation is at work on it."""
    return fact.status.endswith("_IN_PROGRESS") and fact.status != "REVIEW_IN_PROGRESS"


def _failed(fact: StackFact) -> bool:
    return not fact.pending and (fact.status in ROLLED_BACK or fact.status.endswith("_FAILED"))
