"""Recordings are read strictly: what is wrong is named by file and line, what is right comes in time."""

import gzip
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.codec import Malformed
from engine.telemetry.recording import find, known_at_s, read
from engine.telemetry.records import LogRecord, Point, Span
from tests.recordings import log, span, write_lines, write_recording

GOOD = [(0.0, "a", "cpu", 1.0), (60.0, "a", "cpu", 2.0)]


def test_points_come_in_the_order_in_which_they_could_be_known(tmp_path: Path) -> None:
    spans = [span(10, "a", "1", None, 55_000), span(20, "b", "2", "1", 1_000)]
    folder = write_recording(tmp_path / "r", GOOD, [log(30, "a", "hello")], spans)

    points = list(read(folder).points())

    assert [known_at_s(point) for point in points] == [0, 21, 30, 60, 65]
    assert [type(point) for point in points] == [Point, Span, LogRecord, Point, Span]


def test_a_header_is_read_whole(tmp_path: Path) -> None:
    folder = write_recording(
        tmp_path / "r",
        GOOD,
        alert={"t": 60, "service": "a", "metric": "cpu", "summary": "hot"},
        changes=[
            {"t": 9, "service": None, "kind": "commit", "ref": "f00", "summary": "x", "diff": None},
            {"t": 2, "service": "b", "kind": "deploy", "ref": "f00", "summary": "y", "files": []},
        ],
        limits=[{"service": "a", "metric": "cpu", "limit": 9, "direction": "below"}],
    )

    recording = read(folder)

    assert recording.page is not None
    assert (recording.page.at_s, recording.page.service) == (60, "a")
    assert [change.at_s for change in recording.changes] == [2, 9]
    assert not recording.limits[0].above
    assert recording.calls == (("a", "b"), ("b", "c"))


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ("x,a,cpu,1", "not a time"),
        ("1,a,cpu", "not a time"),
        ("1,a,cpu,1,2", "not a time"),
        ("1,a,cpu,nan", "a number that is none"),
        ("1,a,,1", "no name"),
        ("-1,a,cpu,1", "do not ascend"),
        ("nan,a,cpu,1", "a number that is none"),
        ("1,stranger,cpu,1", "'stranger' is not among"),
        ('1,a,"cpu,1', "unexpected end"),
    ],
)
def test_a_wrong_row_is_named_by_file_and_line(tmp_path: Path, row: str, why: str) -> None:
    folder = write_recording(tmp_path / "r")
    write_lines(folder / "metrics.csv.gz", ["t,service,metric,value", "0,a,cpu,1", row])

    with pytest.raises(Malformed, match=rf"metrics\.csv\.gz:3: .*{why}.*; "):
        list(read(folder).points())


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("logs", "{"),
        ("logs", '{"t": 1, "service": "a", "severity": "INFO"}'),
        ("logs", '{"t": 1, "service": "x", "severity": "INFO", "body": ""}'),
        ("spans", '{"t": 1, "service": "a", "name": "n", "trace_id": "t", "span_id": "s"}'),
        (
            "spans",
            '{"t": 1, "service": "a", "name": "n", "trace_id": "t", "span_id": "s", "duration_ms": -1}',
        ),
    ],
)
def test_a_wrong_record_is_named_by_file_and_line(tmp_path: Path, name: str, line: str) -> None:
    folder = write_recording(tmp_path / "r", GOOD)
    write_lines(folder / f"{name}.jsonl.gz", [line])

    with pytest.raises(Malformed, match=rf"{name}\.jsonl\.gz:1: "):
        list(read(folder).points())


def test_a_torn_file_is_named(tmp_path: Path) -> None:
    folder = write_recording(
        tmp_path / "r", GOOD * 1 + [(61.0, "a", f"m{i}", i) for i in range(99)]
    )
    packed = (folder / "metrics.csv.gz").read_bytes()
    (folder / "metrics.csv.gz").write_bytes(packed[: len(packed) // 2])

    with pytest.raises(Malformed, match=r"metrics\.csv\.gz: .*pack the file again"):
        list(read(folder).points())


@pytest.mark.parametrize(
    "header",
    [
        {"step_s": 0},
        {"end": -1},
        {"services": []},
        {"services": ["a", "a"]},
        {"calls": [["a", "x"]]},
        {"start": "now"},
        {"alert": {"t": 1e300, "service": "a"}},
        {"limits": [{"service": "a", "metric": "m", "limit": 1, "direction": "up"}]},
    ],
)
def test_a_wrong_header_is_named(tmp_path: Path, header: dict[str, Any]) -> None:
    folder = write_recording(tmp_path / "r", GOOD, **header)

    with pytest.raises(Malformed, match=r"recording\.json: "):
        read(folder)


def test_a_folder_without_recordings_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Malformed, match="no recording"):
        find(tmp_path)
    with pytest.raises(Malformed, match="no such folder"):
        find(tmp_path / "nothing")


pieces = st.one_of(st.binary(max_size=200), st.text(max_size=200).map(str.encode))


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(pieces, pieces, pieces, pieces, st.booleans())
def test_any_bytes_are_a_recording_or_one_complaint(
    tmp_path: Path, header: bytes, metrics: bytes, logs: bytes, spans: bytes, packed: bool
) -> None:
    folder = write_recording(tmp_path / "r", GOOD)
    pack = gzip.compress if packed else bytes
    (folder / "metrics.csv.gz").write_bytes(pack(b"t,service,metric,value\n" + metrics))
    (folder / "logs.jsonl.gz").write_bytes(pack(logs))
    (folder / "spans.jsonl.gz").write_bytes(pack(spans))

    for broken in (False, True):
        if broken:
            (folder / "recording.json").write_bytes(header)
        complaint, services = read_all(folder)
        assert services <= {"a", "b", "c"}
        assert complaint is None or (str(folder) in complaint and ";" in complaint)


def read_all(folder: Path) -> tuple[str | None, set[str]]:
    """The complaint about a recording, if there is one, and else whom its points are about."""
    try:
        return None, {point.service for point in read(folder).points()}
    except Malformed as error:
        return str(error), set()
