"""What happens in a deployment, in lines for people (pure)."""

from collections.abc import Sequence

from infra.deploy.journal import Progress
from infra.deploy.plan import Change, Level, Plan
from infra.deploy.run import Finding, Phase, Run, Verdict

__all__ = [
    "GLYPHS",
    "finding_line",
    "plan_lines",
    "progress_line",
    "run_line",
    "tally",
    "turn_line",
]

GLYPHS = {
    Verdict.OK: "●",
    Verdict.DEGRADED: "▲",
    Verdict.CONTROL_PLANE_ONLY: "◐",
    Verdict.NOT_CHECKED: "○",
    Verdict.FAILED: "✖",
}
LEVELS = {Level.DANGER: "✖ danger ", Level.WARNING: "▲ warning", Level.NOTE: "○ note   "}
_SIGNS = {"Add": "+", "Modify": "~", "Remove": "-", "Import": ">", "Dynamic": "?"}
SHORT = 12


def finding_line(finding: Finding) -> str:
    """One check, its verdict by glyph and word."""
    took = f"  {finding.latency_ms:.0f} ms" if finding.latency_ms else ""
    tries = f"  {finding.tries} tries" if finding.tries > 1 else ""
    verdict = f"{GLYPHS[finding.verdict]} {finding.verdict.value}"
    return f"  {verdict:<20} {finding.name:<12} {finding.evidence}{took}{tries}"


def tally(findings: Sequence[Finding]) -> str:
    """How many checks ended how, those that prove nothing by name."""
    counts = [
        f"{sum(finding.verdict is verdict for finding in findings)} {verdict.value}"
        for verdict in Verdict
        if any(finding.verdict is verdict for finding in findings)
    ]
    unproven = [
        finding.name for finding in findings if finding.verdict is Verdict.CONTROL_PLANE_ONLY
    ]
    named = f"; proves nothing here: {', '.join(unproven)}" if unproven else ""
    return f"{len(findings)} checks: {', '.join(counts)}{named}"


def progress_line(line: Progress) -> str:
    """One event of one resource."""
    mark = "✖ " if line.status.endswith("_FAILED") or "ROLLBACK" in line.status else ""
    count = f"{line.done}/{line.total}" if line.total else ""
    left = f"  about {line.left_s:.0f} s left" if line.left_s >= 1 else ""
    reason = f"  {line.reason}" if line.reason and mark else ""
    return f"  {line.stack:<20} {count:>6} {mark}{line.status} {line.resource}{left}{reason}"


def turn_line(before: Run, after: Run) -> str:
    """A run that went from one phase to the next."""
    said = f"run {after.number}: {before.phase.value} → {after.phase.value}"
    if after.phase is Phase.APPROVAL:
        return (
            f"{said}, plan {after.plan[:SHORT]}, {after.changes} changes, {after.dangers} dangers"
        )
    if after.reason and after.reason != before.reason:
        remedy = f"; {after.remedy}" if after.remedy else ""
        return f"{said}: {after.reason}{remedy}"
    return said


def run_line(run: Run, began: str) -> str:
    """A run in the list of runs."""
    mark = "●" if run.well else ("○" if not run.over else "✖")
    if run.phase is Phase.ROLLED_BACK and not run.well:
        mark = "▲"
    why = f"  {run.reason}" if run.reason else ""
    plan = f"  plan {run.plan[:SHORT]}" if run.plan else ""
    return (
        f"{run.number:>4}  {began}  {run.kind.value:<8} {mark} {run.phase.value:<11} "
        f"build {run.build}{plan}{why}"
    )


def plan_lines(plan: Plan, digest: str) -> list[str]:
    """The whole plan: what is changed, what is dangerous, what it costs, and its digest."""
    lines = [f"target   {plan.target}", f"assembly {plan.assembly[:SHORT]}"]
    if not plan.stacks:
        lines.append("nothing to change: what is deployed is what the assembly says")
    for stack in plan.stacks:
        lines.append(f"{stack.name}{' (new)' if stack.new else ''}")
        lines += [f"  {_change(change)}" for change in stack.changes]
    if plan.hazards:
        lines.append(f"hazards  {plan.at(Level.DANGER)} dangers, {plan.at(Level.WARNING)} warnings")
        for hazard in plan.hazards:
            where = ".".join(filter(None, (hazard.stack, hazard.resource)))
            lines.append(f"  {LEVELS[hazard.level]} {hazard.kind:<11} {where}  {hazard.why}")
    else:
        lines.append("hazards  none")
    cost = plan.cost
    lines.append(
        f"cost     {cost.after_usd:.0f} USD a month standing still at list price, now "
        f"{cost.before_usd:.0f}, budget {cost.budget_usd:.0f}; {len(cost.by_use)} kinds cost by use"
    )
    lines.append(f"plan     {digest}")
    return lines


def _change(change: Change) -> str:
    replaced = {"True": "  REPLACED", "Conditional": "  may be replaced"}.get(
        change.replacement, ""
    )
    properties = f"  ({', '.join(change.properties[:6])})" if change.properties else ""
    return f"{_SIGNS.get(change.action, '?')} {change.type} {change.logical}{properties}{replaced}"
