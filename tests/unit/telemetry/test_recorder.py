"""What was seen live can be cut from the tape and is read back as the same telemetry."""

from pathlib import Path

import pytest

from engine.cli.record import moment, seconds
from engine.codec import Malformed
from engine.telemetry import recording
from engine.telemetry.recorder import cut
from engine.telemetry.records import LogRecord, Point, Span
from engine.telemetry.samples import HealthAnswer, HealthSeen, LinkSeen, LogSeen, Missed, StatusSeen
from engine.telemetry.tape import MAX_PER_SECOND, Tape, reach
from engine.telemetry.translation import records_of
from engine.topology import FleetStatus, ReleaseChange, ServiceStatus
from engine.vocabulary import ServiceName
from tests.shop_stream import SHOP

START = 1_700_000_000


@pytest.fixture
def tape(tmp_path: Path) -> Path:
    """Ten seconds of a shop in which payments gets another release in the sixth."""
    path = tmp_path / "tape.sqlite"
    tape = Tape(path)
    for second in range(10):
        at_ms = (START + second) * 1_000
        tape.see(LinkSeen(at_ms, "orders", "payments", requests=10 * second, errors=second))
        tape.see(HealthSeen(at_ms + 1, "payments", HealthAnswer.WELL))
        tape.see(LogSeen(at_ms + 2, "payments", "error", "no card for <number>", 2))
        tape.see(Missed(at_ms + 3, "links"))
        tape.see(LinkSeen(at_ms + 4, "orders", "not-ours", requests=1))
        changes = [ReleaseChange("1.0.0", 1)]
        if second >= 5:
            changes.append(ReleaseChange("1.1.0", (START + 5) * 1_000))
        status = ServiceStatus(
            ServiceName("payments"), alive=True, generation=None, changes=tuple(changes)
        )
        tape.see(StatusSeen(at_ms + 5, FleetStatus((status,))))
        span = Span(at_ms / 1e3, "orders", "POST /pay", "a" * 32, "b" * 16, "", 12.5, error=False)
        tape.take([span], at_ms + 6)
    tape.close()
    return path


def test_a_recording_is_what_was_seen(tape: Path, tmp_path: Path) -> None:
    found = cut(tape, SHOP, *reach(tape), tmp_path / "incident-7")
    read = recording.read(found.folder)
    assert (read.id, read.step_s) == ("incident-7", 1.0)
    assert ("orders", "payments") in read.calls
    told = list(read.points())
    requests = [
        p for p in told if isinstance(p, Point) and p.metric == 'link_requests{caller="orders"}'
    ]
    assert [(p.t - START, p.value) for p in requests] == [(s, 10.0 * s) for s in range(10)]
    assert sum(isinstance(r, LogRecord) for r in told) == 20
    (span, *rest) = [r for r in told if isinstance(r, Span)]
    assert (span.service, span.duration_ms, span.error, len(rest)) == ("orders", 12.5, False, 9)
    assert found.unknown == 10 * 8


def test_a_release_that_went_live_meanwhile_is_a_change(tape: Path, tmp_path: Path) -> None:
    (change,) = recording.read(cut(tape, SHOP, *reach(tape), tmp_path / "r").folder).changes
    assert (change.service, change.ref, change.at_s) == ("payments", "payments@1.1.0", START + 5)


def test_a_stretch_is_cut_to_its_seconds(tape: Path, tmp_path: Path) -> None:
    read = recording.read(cut(tape, SHOP, START + 3, START + 4, tmp_path / "r").folder)
    assert START + 3 <= read.start_s < read.end_s < START + 5
    assert read.changes == ()


def test_the_same_stretch_is_the_same_bytes(tape: Path, tmp_path: Path) -> None:
    one = cut(tape, SHOP, *reach(tape), tmp_path / "a", identity="x").folder
    two = cut(tape, SHOP, *reach(tape), tmp_path / "b", identity="x").folder
    for path in one.iterdir():
        assert path.read_bytes() == (two / path.name).read_bytes()


def test_nothing_is_written_over_and_nothing_is_left_half(tape: Path, tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    with pytest.raises(Malformed, match="exists already"):
        cut(tape, SHOP, *reach(tape), tmp_path / "there")
    with pytest.raises(Malformed, match="holds no metrics"):
        cut(tape, SHOP, 1.0, 2.0, tmp_path / "empty")
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_dir()) == ["there"]


def test_a_damaged_tape_is_begun_anew_and_says_so_to_a_reader(tmp_path: Path) -> None:
    path = tmp_path / "tape.sqlite"
    path.write_bytes(b"no tape" * 999)
    with pytest.raises(Malformed, match="no tape of an engine"):
        reach(path)
    tape = Tape(path)
    tape.see(HealthSeen(START * 1_000, "payments", HealthAnswer.WELL))
    tape.close()
    assert reach(path) == (START, START)


def test_a_second_that_says_too_much_is_bounded_and_counted(tmp_path: Path) -> None:
    tape = Tape(tmp_path / "tape.sqlite")
    flood = [Point(float(START), "payments", "m", 1.0)] * (MAX_PER_SECOND + 7)
    tape.take(flood, START * 1_000)
    assert tape.dropped == 7
    tape.close()


def test_a_gap_is_no_record_and_a_flood_of_one_line_is_bounded() -> None:
    assert records_of(Missed(1, "links")) == []
    assert len(records_of(LogSeen(1, "a", "info", "same", 10_000))) == 20


def test_times_and_spans_are_read_as_people_write_them() -> None:
    assert (seconds("90s"), seconds("10m"), seconds("1.5h")) == (90.0, 600.0, 5_400.0)
    assert moment("2023-11-14T22:13:20Z") == moment("1700000000") == START
