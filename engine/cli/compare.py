"""``main.py compare``: lines of results against the truth, own beside baselines, with intervals."""

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from engine.cli import CommandError
from engine.codec import Malformed
from engine.evaluate import lone, truth
from engine.evaluate.pairing import Gate, Lines, Pair, gates, table


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the command takes."""
    parser.add_argument(
        "folder", type=Path, metavar="FOLDER", help="recordings, with their truth beside them"
    )
    parser.add_argument(
        "--own", type=Path, required=True, metavar="FILE", help="results of main.py evaluate"
    )
    parser.add_argument(
        "--with",
        dest="baselines",
        type=Path,
        nargs="+",
        required=True,
        metavar="FILE",
        help="results of baselines (evaluate --method), each named by its file",
    )
    parser.add_argument(
        "--for",
        dest="purpose",
        choices=truth.MEASURES,
        default="cause",
        help="cause: who it was, told when; detection: end to end (cause)",
    )


def run(args: argparse.Namespace) -> int:
    """Print the table and the gates; 1 where a gate does not hold.

    Raises:
        CommandError: a file cannot be read, or there is nothing to compare.
    """
    try:
        cases = truth.read(args.folder)
        own = truth.read_lines(args.own)
        baselines = {path.stem: truth.read_lines(path) for path in args.baselines}
    except Malformed as error:
        raise CommandError(str(error)) from None
    answered = [case for case in cases if case.recording.id in own]
    if not answered:
        raise CommandError(f"{args.own}: no line is about a recording of {args.folder} with truth")
    if len(answered) < len(cases):
        left_out = len(cases) - len(answered)
        print(f"{left_out} recordings have no line in {args.own}: left out", file=sys.stderr)
    found: list[Gate] = []
    measures = truth.MEASURES[args.purpose]
    leading = next(measure for measure in measures if measure.leads)
    for measure in measures:
        # Who never speaks is never wrong: fewest false alarms alone make no best baseline.
        chosen_by = measure if measure.sign > 0 else leading
        rows = table(answered, measure, own, baselines, chosen_by)
        if rows:
            _print(measure, rows)
            found += gates(measure, rows)
    if args.purpose == "detection":
        _print_lone(answered, {"own": own} | baselines)
    return _tell(found)


def _tell(found: Sequence[Gate]) -> int:
    """Say which gates hold; 1 where one does not."""
    for gate in found:
        print(f"{'holds' if gate.holds else 'DOES NOT HOLD'}: {gate.words}")
    return int(not all(gate.holds for gate in found))


def _print(measure: truth.Measure, rows: Sequence[Pair]) -> None:
    more = "more" if measure.sign > 0 else "less"
    print(
        f"\n| {measure.name} ({more} is better) | n | own | best baseline | better by [95 %] | constant list | chance |"
    )
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for row in rows:
        interval = f"{row.difference:+.2f} [{row.low:+.2f}, {row.high:+.2f}]"
        print(
            f"| {row.group} | {row.n} | {row.own:.2f} | {row.baseline:.2f} {row.name}"
            f" | {interval} | {_figure(row.constant)} | {_figure(row.chance)} |"
        )
    print()


def _figure(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"


def _print_lone(cases: Sequence[truth.Case], methods: Mapping[str, Lines]) -> None:
    """False alarms a metric-day of lone series, at the same recalls."""
    rows = []
    for name, lines in methods.items():
        found = [lone.series_of(case, lines.get(case.recording.id)) for case in cases]
        series = [each for each in found if each is not None]
        if any(each.windows for each in series):
            rows.append((name, [_rate(series, recall) for recall in lone.RECALLS]))
    if not rows:
        return
    heads = " | ".join(f"recall {recall:.0%}" for recall in lone.RECALLS)
    print(f"\n| false alarms a metric-day, lone series | {heads} |")
    print("| --- |" + " --- |" * len(lone.RECALLS))
    for name, rates in rows:
        print(f"| {name} | " + " | ".join(f"{rate:.2f}" for rate in rates) + " |")
    print()


def _rate(series: Sequence[lone.Series], recall: float) -> float:
    threshold = lone.threshold_for(series, recall)
    counted = [lone.false_alarms(each, threshold) for each in series]
    days = sum(days for _, days in counted)
    return sum(count for count, _ in counted) / days if days else 0.0
