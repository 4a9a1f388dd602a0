"""What a drill's runs say together: one line a run, and a table by experiment and responder (pure).

Times of runs that did not come to an end are not left out: they count at the cap, marked ``>``, so
a responder cannot look better by failing.
"""

from collections.abc import Iterable, Sequence
from statistics import median

from chaos.measure import RunRecord

HEADINGS = (
    "experiment",
    "responder",
    "runs",
    "recovered",
    "right cause",
    "detect − impact s",
    "recover s",
    "orders lost",
    "needless",
    "certificates",
)


def run_line(record: RunRecord) -> str:
    """One run in one line."""
    glyph, word = ("✓", "passed") if not record.failure else ("✖", "FAILED")
    swarm = f", against swarm {record.against_swarm}" if record.against_swarm else ""
    parts = [f"{glyph} {word}  {record.experiment} ({record.policy}{swarm}, seed {record.seed})"]
    parts.append(f"target {record.target or 'none'}")
    for name in ("impact", "detect", "diagnose", "decide", "act", "recover"):
        seconds = getattr(record, f"{name}_s")
        parts.append(f"{name} {_seconds(seconds)}")
    if record.prevented:
        parts.append("prevented: nobody noticed")
    if record.killed:
        parts.append(f"killed {len(record.killed)} agents")
        parts.append(f"noticed {_seconds(record.noticed_s)}, back {_seconds(record.back_s)}")
    if record.replaced:
        parts.append(f"replaced {', '.join(record.replaced)} in {_seconds(record.replace_s)}")
    if record.fault_budget is not None:
        parts.append(f"fault budget {record.fault_budget}")
    parts.append(f"orders {record.orders_acknowledged}, lost {record.orders_lost}")
    if record.failure:
        parts.append(record.failure)
    return " · ".join(parts)


def _seconds(value: float | None) -> str:
    return "–" if value is None else f"{value:.1f} s"


def table(records: Sequence[RunRecord], cap_s: float) -> str:
    """A Markdown table, one row for each experiment, responder and harm to the swarm."""
    groups: dict[tuple[str, str], list[RunRecord]] = {}
    for record in records:
        harm = f", {record.against_swarm}" if record.against_swarm else ""
        groups.setdefault((record.experiment, f"{record.policy}{harm}"), []).append(record)
    lines = ["| " + " | ".join(HEADINGS) + " |", "|" + " --- |" * len(HEADINGS)]
    for (experiment, responder), members in groups.items():
        lines.append("| " + " | ".join(_row(experiment, responder, members, cap_s)) + " |")
    return "\n".join(lines)


def _row(experiment: str, responder: str, runs: list[RunRecord], cap_s: float) -> list[str]:
    faulty = [run for run in runs if run.target is not None]
    return [
        experiment,
        responder,
        str(len(runs)),
        _share(run.recovered for run in faulty),
        _share(run.diagnosis_right is True for run in faulty if run.policy == "swarm"),
        _spread([_lag(run) for run in faulty], None),
        _spread([run.recover_s for run in faulty], cap_s),
        str(sum(run.orders_lost for run in runs)),
        str(sum(run.needless_actions for run in runs)),
        _share(bool(run.certificate_verified) for run in faulty if run.policy == "swarm"),
    ]


def _lag(run: RunRecord) -> float | None:
    if run.detect_s is None or run.impact_s is None:
        return None
    return run.detect_s - run.impact_s


def _share(answers: Iterable[bool]) -> str:
    given = list(answers)
    return f"{sum(given)} of {len(given)}" if given else "–"


def _spread(values: Sequence[float | None], cap_s: float | None) -> str:
    """Median with the range; a missing value counts at the cap where there is one."""
    missing = sum(value is None for value in values)
    known = [value for value in values if value is not None]
    if cap_s is not None:
        known += [cap_s] * missing
        missing_mark = ">" if missing * 2 > len(values) else ""
    else:
        missing_mark = ""
    if not known:
        return "–"
    top = ">" if cap_s is not None and missing else ""
    return f"{missing_mark}{median(known):.1f} ({min(known):.1f} to {top}{max(known):.1f})"
