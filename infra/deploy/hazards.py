"""What a person should see before he says yes to a plan (pure).

Replacement is judged from ``Replacement`` and from ``PolicyAction``: a conditional replacement is a
warning, because CloudFormation itself does not know (aws-cdk issue 30546).
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from infra.deploy.cost import standing_usd
from infra.deploy.permissions import broadened
from infra.deploy.plan import Change, Cost, Hazard, Level, StackPlan
from infra.deploy.stacks import Way, way_out

__all__ = ["cost_of", "hazards_of"]

HOLDS_DATA = (
    "AWS::DynamoDB::",
    "AWS::S3::Bucket",
    "AWS::KMS::Key",
    "AWS::EFS::FileSystem",
    "AWS::Kinesis::Stream",
    "AWS::SQS::Queue",
    "AWS::Logs::LogGroup",
    "AWS::OpenSearchServerless::Collection",
    "AWS::RDS::",
    "AWS::SecretsManager::Secret",
    "AWS::Cognito::UserPool",
)
"""Kinds by their name, or all kinds of a service whose name ends in colons."""
MAX_PERMISSIONS = 40
"""Shown for one stack; the rest is counted."""
ORDER = {level: place for place, level in enumerate(Level)}

Template = dict[str, Any]


def hazards_of(
    stacks: Sequence[StackPlan],
    templates: Mapping[str, tuple[Template, Template]],
    statuses: Mapping[str, str],
    cost: Cost,
) -> tuple[Hazard, ...]:
    """All hazards, the worst first.

    Args:
        stacks: what would be changed.
        templates: for each stack, what is deployed now (empty where nothing is) and what would be.
        statuses: each stack's status now.
        cost: what the standing resources cost.
    """
    found: list[Hazard] = []
    for stack in stacks:
        found += [hazard for change in stack.changes for hazard in _of_change(stack.name, change)]
        old, new = templates[stack.name]
        found += _of_permissions(stack, old, new)
    for name, status in statuses.items():
        way = way_out(status)
        if way is not Way.NONE:
            level = Level.DANGER if way in (Way.DELETE, Way.DELETE_AGAIN) else Level.WARNING
            found.append(Hazard(level, "stuck", name, "", f"{status}: will {way.value}"))
    found += _of_cost(cost)
    return tuple(
        sorted(found, key=lambda hazard: (ORDER[hazard.level], hazard.stack, hazard.resource))
    )


def cost_of(templates: Mapping[str, tuple[Template, Template]], budget_usd: float) -> Cost:
    """What all stacks cost standing still, before and after."""
    before = sum(standing_usd(old)[0] for old, _ in templates.values())
    after = sum(standing_usd(new)[0] for _, new in templates.values())
    by_use = set().union(*(standing_usd(new)[1] for _, new in templates.values()))
    return Cost(
        round(float(before), 2), round(float(after), 2), float(budget_usd), tuple(sorted(by_use))
    )


def _of_change(stack: str, change: Change) -> Iterator[Hazard]:
    holds_data = any(
        change.type == kind or (kind.endswith("::") and change.type.startswith(kind))
        for kind in HOLDS_DATA
    )
    retained = change.policy in ("Retain", "ReplaceAndRetain", "Snapshot", "ReplaceAndSnapshot")
    bad = Level.DANGER if holds_data and not retained else Level.WARNING
    what = f"{change.type} {change.logical}"
    if change.action == "Remove":
        fate = "is left without an owner" if retained else "is deleted"
        data = ", with the data in it" if bad is Level.DANGER else ""
        yield Hazard(bad, "deletion", stack, change.logical, f"{what} {fate}{data}")
    elif change.replacement == "True" or change.policy.startswith("ReplaceAnd"):
        data = "; the data in the old one is lost" if bad is Level.DANGER else ""
        why = f" because of {', '.join(change.properties)}" if change.properties else ""
        yield Hazard(bad, "replacement", stack, change.logical, f"{what} is replaced{why}{data}")
    elif change.replacement == "Conditional" and holds_data:
        yield Hazard(
            Level.WARNING,
            "replacement",
            stack,
            change.logical,
            f"{what} may be replaced: CloudFormation knows only when it does it",
        )


def _of_permissions(stack: StackPlan, old: Template, new: Template) -> list[Hazard]:
    gained = broadened(old, new)
    if stack.new or not old:
        # All of a new stack's permissions are new: one line says how many, the template which.
        if not gained:
            return []
        wide = sum(" on * " in f"{words} " for _, words in gained)
        why = f"permissions that the new stack gives: {len(gained)}, on every resource: {wide}"
        return [Hazard(Level.WARNING if wide else Level.NOTE, "permission", stack.name, "", why)]
    shown = [
        Hazard(Level.WARNING, "permission", stack.name, logical, words)
        for logical, words in gained[:MAX_PERMISSIONS]
    ]
    if len(gained) > MAX_PERMISSIONS:
        why = f"and {len(gained) - MAX_PERMISSIONS} permissions more"
        shown.append(Hazard(Level.WARNING, "permission", stack.name, "", why))
    return shown


def _of_cost(cost: Cost) -> Iterator[Hazard]:
    standing = f"{cost.after_usd:.0f} USD a month standing still"
    if cost.after_usd > cost.budget_usd:
        why = f"{standing}, over the budget of {cost.budget_usd:.0f}"
        yield Hazard(Level.WARNING, "cost", "", "", why)
    elif cost.after_usd > cost.before_usd:
        why = f"{standing}, {cost.after_usd - cost.before_usd:.0f} more than now"
        yield Hazard(Level.NOTE, "cost", "", "", why)
