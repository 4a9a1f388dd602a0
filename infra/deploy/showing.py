"""What a screen shows of an environment: one row, made from its journals."""

from collections.abc import Sequence
from datetime import UTC, datetime

import msgspec

from engine.codec import Malformed
from engine.stream.state import DeployRow, Health
from infra.deploy.journal import Line, Progress, RunFolder, Shelf
from infra.deploy.plan import Level, Plan
from infra.deploy.report import HealthReport, read_report
from infra.deploy.run import Finding, Phase, Run, Verdict

__all__ = ["refused_row", "row_of"]

SHOWN_RUNS = 12
SHOWN_HAZARDS = 40
EMULATED = "local"
"""Costs nothing."""
_OF_VERDICT = {
    Verdict.OK: Health.OK,
    Verdict.DEGRADED: Health.WARN,
    Verdict.FAILED: Health.BROKEN,
    Verdict.CONTROL_PLANE_ONLY: Health.UNKNOWN,
    Verdict.NOT_CHECKED: Health.UNKNOWN,
}
_OF_LEVEL = {Level.DANGER: Health.BROKEN, Level.WARNING: Health.WARN, Level.NOTE: Health.UNKNOWN}


def row_of(shelf: Shelf, target: str, *, busy: bool, said: str = "") -> DeployRow:
    """The environment of ``shelf`` as it stands; ``said``: the last words of who works on it.

    Raises:
        Malformed: a file of it cannot be read; names the file.
    """
    report = read_report(shelf)
    newest = shelf.newest()
    lines = newest.lines() if newest is not None and newest.events.exists() else []
    run = newest.run() if newest is not None and lines else Run()
    waits = run.phase is Phase.APPROVAL
    good = shelf.good()
    returned = run.phase is Phase.ROLLED_BACK and run.good
    return DeployRow(
        environment=shelf.environment,
        target=target,
        health=_health(report),
        phase=run.phase.value if lines else "",
        busy=busy,
        run=run.number,
        build=shelf.folder(run.good).run().build if returned else run.build,
        began_ms=lines[0].at_ms if lines else 0,
        good=good,
        plan=run.plan if waits else "",
        needs_name=run.needs_name,
        reason="; ".join(filter(None, (run.reason, run.remedy))),
        said=said,
        checked_ms=report.at_ms if report is not None else 0,
        drift=_drift(report),
        hazards=_hazards(newest) if newest is not None else (),
        stacks=_stacks(lines),
        checks=_checks(report.findings) if report is not None else (),
        history=_history(shelf),
        back=shelf.before(good, 0) if good else 0,
    )


def refused_row(name: str, why: str) -> DeployRow:
    """An environment that cannot be deployed to, and why."""
    return DeployRow(
        environment=name,
        target=why,
        health=Health.UNKNOWN,
        phase="",
        busy=False,
        run=0,
        build="",
        began_ms=0,
        good=0,
        plan="",
        needs_name=False,
        reason="",
        said="",
        checked_ms=0,
        drift="",
    )


def _health(report: HealthReport | None) -> Health:
    """The worst verdict; what proves nothing counts for nothing."""
    if report is None:
        return Health.UNKNOWN
    verdicts = {finding.verdict for finding in report.findings}
    for verdict in (Verdict.FAILED, Verdict.DEGRADED, Verdict.OK):
        if verdict in verdicts:
            return _OF_VERDICT[verdict]
    return Health.UNKNOWN


def _drift(report: HealthReport | None) -> str:
    if report is None or report.drifted is None:
        return "not looked at"
    return ", ".join(report.drifted) or "none"


def _hazards(folder: RunFolder) -> tuple[str, ...]:
    try:
        plan = msgspec.json.decode(folder.plan.read_bytes(), type=Plan)
    except FileNotFoundError:
        return ()
    except (OSError, msgspec.DecodeError) as error:
        raise Malformed(f"{folder.plan}: {error}") from None
    changed = f"{Health.UNKNOWN.value} {plan.changes} changes in {len(plan.stacks)} stacks"
    cost = plan.cost
    standing = f"; standing still it would cost {cost.after_usd:.0f} USD a month in an account"
    if plan.environment != EMULATED:
        standing = f"; standing still it costs {cost.after_usd:.0f} USD a month, budget {cost.budget_usd:.0f}"
    shown = [
        f"{_OF_LEVEL[hazard.level].value} {hazard.kind} "
        f"{'.'.join(filter(None, (hazard.stack, hazard.resource)))}: {hazard.why}"
        for hazard in plan.hazards[:SHOWN_HAZARDS]
    ]
    more = len(plan.hazards) - len(shown)
    return (changed + standing, *shown, *([f"warn and {more} more"] if more else []))


def _stacks(lines: Sequence[Line]) -> tuple[str, ...]:
    """The last word on each stack, in the order in which they began."""
    last: dict[str, Progress] = {}
    for line in lines:
        if isinstance(line.what, Progress):
            last[line.what.stack] = line.what
    return tuple(_stack(progress) for progress in last.values())


def _stack(line: Progress) -> str:
    bad = line.status.endswith("_FAILED") or "ROLLBACK" in line.status
    done = line.resource == line.stack and line.status.endswith("_COMPLETE")
    word = Health.BROKEN if bad else Health.OK if done else Health.WARN
    count = f" {line.done}/{line.total}" if line.total else ""
    left = f", about {line.left_s:.0f} s left" if line.left_s >= 1 else ""
    what = "" if line.resource == line.stack else f" {line.resource}"
    return f"{word.value} {line.stack}{count} {line.status}{what}{left}"


def _checks(findings: Sequence[Finding]) -> tuple[str, ...]:
    """Each check; what proves nothing says so in its words."""
    return tuple(
        f"{_OF_VERDICT[finding.verdict].value} {finding.name}: "
        + (f"{finding.verdict.value}, " if finding.verdict is not Verdict.OK else "")
        + finding.evidence
        + (f", {finding.latency_ms:.0f} ms" if finding.latency_ms else "")
        for finding in findings
    )


def _history(shelf: Shelf) -> tuple[str, ...]:
    told = []
    for place, (folder, run) in enumerate(shelf.runs()):
        if place == SHOWN_RUNS:
            break
        at_ms = folder.lines()[0].at_ms
        when = datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%m-%d %H:%MZ")
        word = Health.OK if run.well else Health.WARN if not run.over else Health.BROKEN
        told.append(
            f"{word.value} run {run.number} {when} {run.kind.value}: {run.phase.value}, "
            f"build {run.build}"
        )
    return tuple(told)
