"""``main.py evaluate`` writes one line for each recording, all or nothing, and never opens a truth."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.recordings import write_recording

REPOSITORY = Path(__file__).resolve().parents[3]
SAMPLES = [(60.0 * minute, "a", "cpu", 1.0) for minute in range(10)]


def evaluate(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "main.py", "evaluate", *map(str, arguments)],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def sets(tmp_path: Path) -> Path:
    for name in ("one/one-1", "one/one-2", "two/two-1"):
        write_recording(tmp_path / "sets" / name, SAMPLES)
    # A folder stands where a truth file would: whoever opened it would fail.
    (tmp_path / "sets/one/truth/one-1.json").mkdir(parents=True)
    return tmp_path / "sets"


def test_every_recording_gets_a_line_with_every_key(sets: Path, tmp_path: Path) -> None:
    answer = evaluate(sets, "--out", tmp_path / "out.jsonl")

    lines = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert answer.returncode == 0, answer.stderr
    assert answer.stdout == ""
    assert [line["recording"] for line in lines] == ["one-1", "one-2", "two-1"]
    wanted = {"alarms", "ranking", "confidence", "culprit_ref", "diagnose_cpu_ms"}
    assert all(wanted | {"recording", "detect_cpu_us_per_point"} <= set(line) for line in lines)


def test_one_unreadable_recording_costs_no_other_its_line(sets: Path, tmp_path: Path) -> None:
    (sets / "one/one-2/metrics.csv.gz").write_bytes(b"nonsense")

    answer = evaluate(sets, "--out", tmp_path / "out.jsonl")

    assert answer.returncode == 1
    assert "one-2/metrics.csv.gz" in answer.stderr
    assert len((tmp_path / "out.jsonl").read_text().splitlines()) == 2


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["nowhere", "--out", "x"], "no such folder"),
        ([".", "--out", "no/such/folder/x"], "name a file in a folder that is there"),
        ([".", "--out", "x", "--method", "magic"], "invalid choice: 'magic'"),
        ([".", "--out", "x", "--onsets", "nowhere.json"], "nowhere.json: cannot be read"),
        ([".", "--out", "x", "--jobs", "0"], "1 or more"),
        ([".", "--out", "x", "--objective", "1000/5"], "write PERMILLE/MS, such as 990/1000"),
    ],
)
def test_a_question_without_sense_is_one_line(arguments: list[str], why: str) -> None:
    answer = evaluate(*arguments)

    assert answer.returncode != 0
    assert why in answer.stderr
    assert len(answer.stderr.splitlines()) == 1


def test_onsets_that_are_none_are_refused(sets: Path, tmp_path: Path) -> None:
    (tmp_path / "onsets.json").write_text('{"one-1": "noon"}')

    answer = evaluate(sets, "--out", tmp_path / "x", "--onsets", tmp_path / "onsets.json")

    assert answer.returncode == 1
    assert "onsets.json" in answer.stderr
    assert not (tmp_path / "x").exists()


def test_interrupted_it_leaves_nothing_behind(tmp_path: Path) -> None:
    samples = [(60.0 * minute, "a", "cpu", 1.0) for minute in range(400)]
    for number in range(60):
        write_recording(tmp_path / f"sets/r{number:02}", samples, end=40_000)
    command = [sys.executable, "main.py", "evaluate", tmp_path / "sets", "--out", tmp_path / "out"]
    running = subprocess.Popen(
        [*map(str, command), "--jobs", "1"], cwd=REPOSITORY, stderr=subprocess.PIPE, text=True
    )
    assert running.stderr is not None
    assert running.stderr.readline().startswith("10 of 60")

    running.send_signal(signal.SIGINT)

    assert running.wait(60) == 130
    assert "Traceback" not in running.stderr.read()
    running.stderr.close()
    assert [path.name for path in tmp_path.iterdir()] == ["sets"]
