"""The trace is bounded and proves nothing: it may be lost, and never stops the engine."""

import sqlite3
from pathlib import Path

import pytest

from engine import trace
from engine.trace import MAX_NUMBER, MAX_WORDS, Trace
from engine.vocabulary import AgentId, AuthorId, TraceEvent

SENDER, RECEIVER = AgentId(AuthorId("detection-1")), AgentId(AuthorId("diagnosis-1"))


def event(number: int, refused: str = "") -> TraceEvent:
    return TraceEvent(SENDER, RECEIVER, "prepare", 0, number, b"digest-8", 1, 2, refused)


def test_events_are_read_back_in_order_also_after_a_restart(tmp_path: Path) -> None:
    first = Trace(tmp_path / "trace.sqlite")
    first.add([event(1), event(2)])
    first.close()
    second = Trace(tmp_path / "trace.sqlite")
    second.add([event(3)])

    assert second.read(2, 10) == [event(2), event(3)]
    assert second.read(1, 1) == [event(1)]
    assert list(second.recent) == [event(3)]
    second.close()


def test_the_oldest_are_forgotten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trace, "MAX_KEPT", 10)
    kept = Trace(tmp_path / "trace.sqlite")
    for number in range(25):
        kept.add([event(number)])

    assert kept.read(0, 100) == [event(number) for number in range(15, 25)]
    kept.close()


def test_what_screens_get_is_bounded(tmp_path: Path) -> None:
    kept = Trace(tmp_path / "trace.sqlite")
    kept.add([event(number) for number in range(trace.MAX_RECENT + 5)])

    assert len(kept.recent) == trace.MAX_RECENT
    assert kept.recent[0] == event(5)
    kept.close()


def test_whatever_an_agent_says_fits_a_row(tmp_path: Path) -> None:
    kept = Trace(tmp_path / "trace.sqlite")
    long = AgentId(AuthorId("x" * 10_000))
    kept.add([TraceEvent(long, RECEIVER, "k" * 999, 1 << 63, 5, b"d" * 99, 1 << 64, 2, "r" * 999)])

    (row,) = kept.read(0, 10)
    assert (len(row.sender), len(row.kind), len(row.refused)) == (MAX_WORDS,) * 3
    assert (row.view, row.sent_ns) == (MAX_NUMBER, MAX_NUMBER)
    assert kept.dropped == 0
    kept.close()


@pytest.mark.parametrize("content", [b"this is no database" * 100, b"\0" * 4096])
def test_a_damaged_file_is_begun_anew(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "trace.sqlite"
    path.write_bytes(content)
    (tmp_path / "trace.sqlite-wal").write_bytes(b"left over" * 50)

    kept = Trace(path)
    kept.add([event(1)])

    assert kept.read(0, 10) == [event(1)]
    kept.close()


def test_what_cannot_be_written_is_counted_and_the_next_is_written(tmp_path: Path) -> None:
    kept = Trace(tmp_path / "trace.sqlite")
    other = sqlite3.connect(tmp_path / "trace.sqlite", isolation_level=None)
    kept._db.execute("PRAGMA busy_timeout=10")
    other.execute("BEGIN IMMEDIATE")

    kept.add([event(1), event(2)])
    other.execute("ROLLBACK")
    other.close()
    kept.add([event(3)])

    assert kept.dropped == 2
    assert kept.read(0, 10) == [event(3)]
    assert list(kept.recent) == [event(1), event(2), event(3)]
    kept.close()
