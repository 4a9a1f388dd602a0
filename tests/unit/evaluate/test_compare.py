"""Results against the truth: what counts as right, paired intervals, gates, and the command."""

import json
from pathlib import Path

import numpy as np
import pytest

from engine.codec import Malformed
from engine.evaluate import lone, truth
from engine.evaluate.pairing import POOLED, Pair, gates, table
from engine.evaluate.truth import Case, Named, Said, Sounded
from main import main
from tests.recordings import write_recording

FAULTS, CALM = 12, 4
START_S = 1_800.0


def written(folder: Path) -> list[Case]:
    """Two sets of faults of ``b``, and recordings in which nothing happens."""
    for name in ("one", "two"):
        (folder / name / "truth").mkdir(parents=True)
        for place in range(FAULTS + CALM):
            key = f"{name}-{place}"
            write_recording(folder / name / key)
            is_fault = place < FAULTS
            told: dict[str, object] = {"fault": is_fault, "kind": "odd" if place % 2 else "even"}
            told |= {"start": START_S, "service": "b"} if is_fault else {}
            (folder / name / "truth" / f"{key}.json").write_text(json.dumps(told))
    return truth.read(folder)


def lines(cases: list[Case], first: str, alarm_s: float | None) -> dict[str, Said]:
    """Every fault is answered so; in calm recordings nothing is said."""
    said = {}
    for case in cases:
        ranking = (Named(first, 2.0), Named("c", 1.0)) if case.truth.fault else ()
        alarms = (Sounded(alarm_s),) if alarm_s is not None and case.truth.fault else ()
        said[case.recording.id] = Said(case.recording.id, alarms, ranking)
    return said


def measured(name: str, purpose: str, said: dict[str, Said], cases: list[Case]) -> list[Pair]:
    (measure,) = [each for each in truth.MEASURES[purpose] if each.name == name]
    return table(cases, measure, said, {"other": lines(cases, "a", START_S - 900.0)}, measure)


def test_equal_scores_count_with_their_expected_rank() -> None:
    ranking = [Named("a", 1.0), Named("b", 1.0), Named("c", 0.5)]

    assert truth.shares_of(ranking, "b") == [0.5, 1.0, 1.0, 1.0, 1.0]
    assert truth.shares_of(ranking, "c")[:3] == [0.0, 0.0, 1.0]
    assert truth.shares_of(ranking, "stranger") == [0.0] * 5


def test_who_is_always_right_is_better_by_all_in_every_group(tmp_path: Path) -> None:
    cases = written(tmp_path)
    rows = measured("AC@1", "cause", lines(cases, "b", None), cases)

    assert [row.group for row in rows] == [
        "one", "one / even", "one / odd", "two", "two / even", "two / odd", POOLED,
    ]  # fmt: skip
    assert {(row.own, row.baseline, row.low, row.high) for row in rows} == {(1.0, 0.0, 1.0, 1.0)}
    assert all(row.chance == pytest.approx(1 / 3) for row in rows)
    # All other faults of a set are of ``b`` as well: a constant list is always right here.
    assert all(row.constant == 1.0 for row in rows)
    (measure, *_) = truth.MEASURES["cause"]
    assert [gate.holds for gate in gates(measure, rows)] == [True, True]


def test_an_interval_of_equals_holds_nothing(tmp_path: Path) -> None:
    cases = written(tmp_path)
    rows = measured("AC@1", "cause", lines(cases, "a", None), cases)

    assert {(row.difference, row.low, row.high) for row in rows} == {(0.0, 0.0, 0.0)}
    (measure, *_) = truth.MEASURES["cause"]
    assert [gate.holds for gate in gates(measure, rows)] == [False, True]


def test_alarms_count_once_they_are_in_time_and_against_one_when_they_are_not(
    tmp_path: Path,
) -> None:
    cases = written(tmp_path)
    said = lines(cases, "b", START_S + 200.0)

    assert measured("detected", "detection", said, cases)[-1].own == 1.0
    assert measured("event F1", "detection", said, cases)[-1].own == 1.0
    false = measured("false a service-day", "detection", said, cases)[-1]
    assert false.own == 0.0
    assert false.baseline > 5.0
    assert false.low > 0.0
    assert measured("left quiet", "detection", said, cases)[-1].own == 1.0


def test_false_alarms_of_a_lone_series_are_counted_at_the_same_recall() -> None:
    scores = np.zeros(1_000)
    scores[500], scores[800], scores[[300, 302, 900]] = 3.0, 2.0, 2.5
    series = lone.Series(300.0, scores, ((490, 510), (790, 810)))

    assert lone.threshold_for([series], 0.5) == 3.0
    assert lone.threshold_for([series], 1.0) == 2.0
    assert lone.false_alarms(series, 3.0)[0] == 0
    count, days = lone.false_alarms(series, 2.0)
    assert count == 3
    assert days == pytest.approx((1_000 - 150 - 42) * 300.0 / 86_400)


def store(path: Path, said: dict[str, Said]) -> Path:
    rows = [
        {
            "recording": name,
            "ranking": [{"service": r.service, "score": r.score} for r in s.ranking],
        }
        for name, s in said.items()
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_the_command_prints_the_table_and_fails_where_a_gate_does(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cases = written(tmp_path)
    right = store(tmp_path / "right.jsonl", lines(cases, "b", None))
    wrong = store(tmp_path / "wrong.jsonl", lines(cases, "a", None))

    assert main(["compare", str(tmp_path), "--own", str(right), "--with", str(wrong)]) == 0
    told = capsys.readouterr().out
    assert "| all sets | 24 | 1.00 | 0.00 wrong | +1.00 [+1.00, +1.00] | 1.00 | 0.33 |" in told
    assert "holds: AC@1: better, all sets" in told
    assert main(["compare", str(tmp_path), "--own", str(wrong), "--with", str(right)]) == 1
    assert "DOES NOT HOLD: AC@1: in no set worse (but one, two)" in capsys.readouterr().out


@pytest.mark.parametrize("text", ["{", "[]", '{"recording": 3}'])
def test_results_that_are_none_get_one_clear_error(tmp_path: Path, text: str) -> None:
    path = tmp_path / "bad.jsonl"
    path.write_text(text)

    with pytest.raises(Malformed, match=r"bad\.jsonl"):
        truth.read_lines(path)
