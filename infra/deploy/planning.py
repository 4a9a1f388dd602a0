"""Makes the plan of a run: change sets prepared, read back, and judged."""

from collections.abc import Sequence
from pathlib import Path

from infra.deploy.assembly import stacks_of, template_of
from infra.deploy.cloud import Cloud
from infra.deploy.hazards import cost_of, hazards_of
from infra.deploy.plan import Cost, Plan, StackPlan
from infra.environments import Environment
from infra.target import banner

__all__ = ["change_set_name", "names_of", "read_plan", "way_back_name"]


def change_set_name(run: int) -> str:
    """What the change sets of run ``run`` are called."""
    return f"incident-commander-run-{run}"


def way_back_name(run: int) -> str:
    """What the change sets of its rollback are called."""
    return f"{change_set_name(run)}-back"


def read_plan(
    cloud: Cloud,
    environment: Environment,
    assembly: Path,
    digest: str,
    change_set: str,
    before: dict[str, str],
) -> Plan:
    """The plan that the prepared change sets make up.

    Args:
        cloud: the account.
        environment: what it is for.
        assembly: where the assembly lies.
        digest: the assembly's.
        change_set: what the change sets are called.
        before: each stack's status before anything was prepared.

    Raises:
        CloudFailed: a change set could not be made or read.
    """
    stacks = stacks_of(assembly)
    templates = {stack.name: (cloud.template(stack.name), template_of(stack)) for stack in stacks}
    plans = []
    for stack in stacks:
        changes = cloud.changes(stack.name, change_set)
        if changes:
            new = before.get(stack.name, "") in ("", "REVIEW_IN_PROGRESS")
            plans.append(StackPlan(stack.name, new, changes))
    for name, (old, new_template) in templates.items():
        if before.get(name, "") in ("", "REVIEW_IN_PROGRESS"):
            # A stack in review shows the template of its change set; nothing of it is there yet.
            templates[name] = ({}, new_template)
        else:
            templates[name] = (old, new_template)
    cost = cost_of(templates, environment.budget_usd_per_month)
    # An emulator costs nothing, whatever its stacks would cost elsewhere.
    charged = Cost(0.0, 0.0, cost.budget_usd, ()) if environment.emulated else cost
    hazards = hazards_of(plans, templates, before, charged)
    return Plan(environment.name, banner(environment), digest, tuple(plans), hazards, cost)


def names_of(stacks: Sequence[StackPlan]) -> tuple[str, ...]:
    """The names of the stacks that change, in order."""
    return tuple(stack.name for stack in stacks)
