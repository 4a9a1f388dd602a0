"""What a deployment would change, as values with one digest (pure).

The digest is over what a person reads, not over what CloudFormation calls it: the same assembly
against the same stacks gives the same digest on another machine and on another day, which is what
lets a workflow approve in one job and apply in the next.
"""

from enum import StrEnum
from typing import Any

import msgspec

from engine.codec import digest_of

__all__ = ["Change", "Cost", "Hazard", "Level", "Plan", "StackPlan", "changes_of", "digest"]


class Level(StrEnum):
    """How bad a hazard is."""

    DANGER = "danger"
    """Data may be lost."""
    WARNING = "warning"
    NOTE = "note"


class Hazard(msgspec.Struct, frozen=True):
    """One thing that a person should see before he says yes."""

    level: Level
    kind: str
    """replacement, deletion, permission, cost, protection, stuck."""
    stack: str
    resource: str
    why: str


class Change(msgspec.Struct, frozen=True):
    """One resource that would be changed."""

    logical: str
    type: str
    action: str
    """Add, Modify, Remove, Import or Dynamic."""
    replacement: str = ""
    """True, False or Conditional for a Modify."""
    policy: str = ""
    """What becomes of the old one: Delete, Retain, Snapshot, ReplaceAndDelete, ..."""
    properties: tuple[str, ...] = ()
    """The properties that differ, sorted."""


class StackPlan(msgspec.Struct, frozen=True):
    """What would be done to one stack."""

    name: str
    new: bool
    changes: tuple[Change, ...]


class Cost(msgspec.Struct, frozen=True):
    """What stands still and costs all the same, in US dollars a month at list price."""

    before_usd: float
    after_usd: float
    budget_usd: float
    by_use: tuple[str, ...]
    """Kinds of resources that cost by use, or whose price is not known here."""


class Plan(msgspec.Struct, frozen=True):
    """Everything that an approval is about."""

    environment: str
    target: str
    assembly: str
    stacks: tuple[StackPlan, ...]
    """In the order of their dependencies; those without a change are left out."""
    hazards: tuple[Hazard, ...]
    cost: Cost

    @property
    def changes(self) -> int:
        """How many resources would be changed."""
        return sum(len(stack.changes) for stack in self.stacks)

    def at(self, level: Level) -> int:
        """How many hazards are of one level."""
        return sum(hazard.level is level for hazard in self.hazards)


def digest(plan: Plan) -> str:
    """What an approval names, in hexadecimal; the same before and after the plan lay on disk."""
    # An integer where a float belongs is written as one, and read back as a float.
    kept = msgspec.json.decode(msgspec.json.encode(plan), type=Plan)
    return digest_of("deploy plan", msgspec.json.encode(kept, order="deterministic")).hex()


def changes_of(described: list[dict[str, Any]]) -> tuple[Change, ...]:
    """The changes of one ``DescribeChangeSet`` (all its pages), sorted by their logical ids."""
    found = []
    for entry in described:
        change = entry.get("ResourceChange")
        if not change:
            continue
        found.append(
            Change(
                logical=change["LogicalResourceId"],
                type=change["ResourceType"],
                action=change["Action"],
                replacement=change.get("Replacement", ""),
                policy=change.get("PolicyAction", ""),
                properties=tuple(
                    sorted({_property(detail) for detail in change.get("Details", ())})
                ),
            )
        )
    return tuple(sorted(found, key=lambda change: change.logical))


def _property(detail: dict[str, Any]) -> str:
    target = detail.get("Target", {})
    name = target.get("Name") or target.get("Attribute") or "?"
    return str(name)
