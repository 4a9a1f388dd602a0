"""The senses on published incidents, where those recordings are; elsewhere this is skipped, and says so."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from engine.evaluate.methods import METHODS
from engine.evaluate.replay import Line, play
from engine.telemetry.recording import read

RECORDINGS = Path(__file__).resolve().parents[3] / "../shared/recordings"
pytestmark = pytest.mark.skipif(
    not RECORDINGS.is_dir(), reason="the folder ../shared/recordings is not here: not measured"
)
LEAST_RIGHT = 0.65
LEAST_CHANGES_RIGHT = 0.6
MOST_DECOYS = 1
LEAST_NOTICED = 0.6
MOST_FALSE = 6
"""Of 36 recordings, in which something unlabelled was wrong before."""


def played(name: str, method: str) -> Iterator[tuple[dict[str, Any], Line]]:
    """Truth and answer of each fault of a set; its beginning is told where no page says it."""
    for path in sorted((RECORDINGS / name / "truth").glob("*.json")):
        truth = json.loads(path.read_text())
        if not truth["fault"]:
            continue
        recording = read(RECORDINGS / name / path.stem)
        told_s = None if recording.page else truth["start"]
        yield truth, play(recording, METHODS[method], told_s)


def right(name: str, method: str) -> float:
    """Share of faults of which the first of the ranking is the cause."""
    hits: list[bool] = [
        bool(line.ranking) and line.ranking[0]["service"] == truth["service"]
        for truth, line in played(name, method)
    ]
    return float(sum(hits)) / len(hits)


def test_metrics_alone_find_the_cause_more_often_than_the_best_baseline() -> None:
    own = right("nezha-ob", "own")

    assert own >= LEAST_RIGHT
    assert own > right("nezha-ob", "robust-floor")


def test_the_change_to_blame_is_found_and_decoys_are_left_alone() -> None:
    answers = [
        (line.culprit_ref, truth["culprit_ref"], truth["decoys"])
        for truth, line in played("rootcausebench", "own")
    ]

    assert sum(said == true for said, true, _ in answers) >= LEAST_CHANGES_RIGHT * len(answers)
    assert sum(said in decoys for said, _, decoys in answers) <= MOST_DECOYS


def test_from_metrics_alone_faults_are_noticed_and_quiet_is_left_quiet() -> None:
    noticed, faults, false, loud = 0, 0, 0, 0
    for path in sorted((RECORDINGS / "nezha-ob" / "truth").glob("*.json")):
        truth = json.loads(path.read_text())
        line = play(read(RECORDINGS / "nezha-ob" / path.stem), METHODS["own"])
        begin_s = truth["start"] if truth["fault"] else float("inf")
        at_s = [float(alarm["t"]) for alarm in line.alarms]
        faults += truth["fault"]
        noticed += any(begin_s <= t <= begin_s + 300.0 for t in at_s)
        false += any(t < begin_s for t in at_s)
        loud += bool(at_s) and not truth["fault"]

    assert noticed >= LEAST_NOTICED * faults
    assert false <= MOST_FALSE
    assert loud <= 1
