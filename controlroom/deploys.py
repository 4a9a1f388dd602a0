"""What may be ordered of an environment now, and what has to be asked before (pure)."""

from engine.stream.deploying import DeployVerb
from engine.stream.state import DeployRow, Health, ScreenState

__all__ = [
    "LOCAL",
    "ORDER",
    "asks_name",
    "asks_yes",
    "described",
    "meant",
    "not_asked",
    "proven",
    "row_of",
    "rows_of",
    "why_not",
    "why_void",
]

LOCAL = "local"
"""The environment that lives in an emulator: nothing in it is anybody's."""
ORDER = ("local", "dev", "staging", "prod")


def row_of(state: ScreenState, environment: str) -> DeployRow | None:
    """The row of one environment; None where the engine does not know it."""
    return state.deploys.get(environment)


def rows_of(state: ScreenState) -> list[DeployRow]:
    """Every environment, from the one nearest to hand to the one that matters most."""
    return sorted(
        state.deploys.values(),
        key=lambda row: (
            ORDER.index(row.environment) if row.environment in ORDER else len(ORDER),
            row.environment,
        ),
    )


def meant(row: DeployRow | None, verb: DeployVerb) -> DeployVerb:
    """Applying means approving where a plan waits for exactly that."""
    waits = row is not None and bool(row.plan)
    return DeployVerb.APPROVE if verb is DeployVerb.APPLY and waits else verb


def why_not(row: DeployRow | None, verb: DeployVerb) -> str:
    """Why ``verb`` cannot be ordered now; empty when it can."""
    if row is None:
        return "this engine cannot deploy"
    if row.busy and verb is not DeployVerb.HEALTH:
        return f"run {row.run} is under way"
    if verb is DeployVerb.APPROVE and not row.plan:
        return "no plan waits for approval"
    if verb in (DeployVerb.HEALTH, DeployVerb.ROLLBACK) and not row.good:
        return "nothing was ever good here"
    return ""


def not_asked(row: DeployRow | None) -> str:
    """What stands where the checks will: why there is no answer yet."""
    if row is not None and row.busy and row.phase == "health":
        return "being asked"
    return "not asked yet: h asks" if row is not None and row.good else "nothing is deployed"


def proven(row: DeployRow | None) -> str:
    """How many checks proved something, for the checks' title: what proves nothing is counted too."""
    if row is None or not row.checks:
        return ""
    nothing = sum(check.startswith(Health.UNKNOWN.value) for check in row.checks)
    return f": {len(row.checks) - nothing} of {len(row.checks)} prove something"


def asks_name(row: DeployRow, verb: DeployVerb) -> bool:
    """Whether whoever orders it has to type the environment's name."""
    if verb is DeployVerb.APPROVE:
        return row.needs_name
    return verb in (DeployVerb.DESTROY, DeployVerb.ROLLBACK) and row.environment != LOCAL


def asks_yes(verb: DeployVerb) -> bool:
    """Whether whoever orders it is asked once more, where no name has to be typed."""
    return verb in (DeployVerb.APPROVE, DeployVerb.ROLLBACK, DeployVerb.DESTROY)


def described(row: DeployRow, verb: DeployVerb) -> list[str]:
    """What an order is about, line by line."""
    lines = [f"target     {row.target}"]
    if verb is DeployVerb.APPROVE:
        lines += [f"run        {row.run}, build {row.build}", f"plan       {row.plan[:32]}"]
        lines += [f"           {hazard.partition(' ')[2]}" for hazard in row.hazards[:6]]
    if verb is DeployVerb.ROLLBACK:
        lines += [f"deployed   run {row.run}, build {row.build}", f"back to    run {row.back}"]
    if verb is DeployVerb.DESTROY:
        lines.append("everything in it is taken away, data too")
    return lines


def why_void(shown: DeployRow, verb: DeployVerb, live: ScreenState) -> str:
    """Why an order about what was ``shown`` must not leave any more; empty while it may."""
    row = row_of(live, shown.environment)
    if reason := why_not(row, verb):
        return reason
    if row is not None and (row.run, row.plan) != (shown.run, shown.plan):
        return f"run {row.run} has taken the place of run {shown.run}"
    return ""
