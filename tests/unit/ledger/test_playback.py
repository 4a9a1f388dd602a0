"""A run again from its ledger: what the fold says, with messages and sightings beside it."""

import asyncio
import shutil
import sqlite3
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from controlroom.plain import tell
from controlroom.replaying import Replayed
from engine.codec import Malformed
from engine.paths import SIGHTINGS, TRACE
from engine.playback import read_recording
from engine.sightings import MAX_KEPT, Sightings, read_sightings
from engine.stream.state import Health, ScreenState
from engine.trace import Trace
from engine.vocabulary import TraceEvent
from tests import story
from tests.court import DETECTION, DIAGNOSIS, PREDICTION, Court, restart
from tests.unit.ledger.notary import Notary

SECOND = 1_000_000_000


def a_run(folder: Path) -> Path:
    """The ledger of an incident that was mended, alone in its folder."""
    court = Court()
    court.run_to_acted(restart())
    court.recover()
    return Notary(court, folder).database()


def seen(*states: ScreenState) -> list[tuple[int, ScreenState]]:
    return [(second * SECOND, state) for second, state in enumerate(states, 1)]


def keep(path: Path, states: list[tuple[int, ScreenState]]) -> None:
    sightings = Sightings(path)
    for at_ns, state in states:
        sightings.see(state, at_ns)
    sightings.close()


def messages() -> list[TraceEvent]:
    return [
        TraceEvent(DETECTION, DIAGNOSIS, "status", 3, 7, b"12345678", SECOND - 5, SECOND),
        TraceEvent(PREDICTION, DIAGNOSIS, "commit", 3, 7, b"12345678", 0, SECOND, "of an old view"),
    ]


def test_a_recording_ends_where_the_ledger_does(tmp_path: Path) -> None:
    recording = read_recording(a_run(tmp_path))

    last = recording.frames[-1].state
    assert last.incident is not None
    assert last.incident.status == "recovered"
    assert last.swarm is not None
    assert last.swarm.executed == len(last.ledger) == len(recording.frames)
    assert [len(frame.state.timeline) for frame in recording.frames] == sorted(
        len(frame.state.timeline) for frame in recording.frames
    )


def test_what_does_not_lie_beside_the_ledger_is_said(tmp_path: Path) -> None:
    recording = read_recording(a_run(tmp_path))

    assert [line.partition(" does not lie")[0] for line in recording.missing] == [
        f"replay: {TRACE}",
        f"replay: {SIGHTINGS}",
    ]
    assert set(recording.missing) <= set(recording.frames[0].state.notices)


def test_messages_come_from_the_trace_and_tell_who_spoke(tmp_path: Path) -> None:
    ledger = a_run(tmp_path)
    trace = Trace(tmp_path / TRACE)
    trace.add(messages())
    trace.close()

    recording = read_recording(ledger)

    assert list(recording.messages) == messages()
    assert len(recording.missing) == 1


def test_sightings_show_the_fleet_and_the_fold_shows_the_incident(tmp_path: Path) -> None:
    ledger = a_run(tmp_path)
    frames = story.story()
    keep(tmp_path / SIGHTINGS, seen(frames[0], frames[1]))

    recording = read_recording(ledger)

    assert recording.missing[0].startswith(f"replay: {TRACE}")
    first, last = recording.frames[-2].state, recording.frames[-1].state
    assert first.services == frames[0].services
    assert last.services["payments"].health is Health.BROKEN
    assert last.links == frames[1].links
    assert last.incident is not None
    assert last.incident.status == "recovered"
    assert last.slo is not None
    assert last.slo.history == (1000, frames[1].slo.history[-1] if frames[1].slo else 0)
    assert last.agents["detection-1"].vote == "accept"


def test_sightings_are_one_a_second_and_bounded(tmp_path: Path) -> None:
    path = tmp_path / SIGHTINGS
    state = ScreenState(at_ms=1)
    keep(path, [(tenth * SECOND // 10, state) for tenth in range(100)])
    assert len(list(read_sightings(path))) == 10

    keep(path, [(second * SECOND, state) for second in range(MAX_KEPT + 50)])
    assert len(list(read_sightings(path))) == MAX_KEPT


def test_sightings_hold_what_no_log_tells(tmp_path: Path) -> None:
    whole = story.story()[-1]
    keep(tmp_path / SIGHTINGS, seen(whole))

    ((at_ns, found),) = read_sightings(tmp_path / SIGHTINGS)

    assert at_ns == SECOND
    assert whole.slo is not None
    assert found == replace(
        whole,
        incident=None,
        timeline=(),
        ledger=(),
        slo=replace(whole.slo, history=whole.slo.history[-1:]),
    )


@pytest.mark.parametrize("name", [TRACE, SIGHTINGS, "ledger.sqlite", "policy.toml"])
def test_a_damaged_file_gets_one_line_that_names_it(tmp_path: Path, name: str) -> None:
    ledger = a_run(tmp_path)
    (tmp_path / name).write_bytes(b"SQLite format 3\0 and nothing more")

    with pytest.raises(Malformed, match=name) as caught:
        read_recording(ledger)

    assert "\n" not in str(caught.value)


def test_a_ledger_without_its_policy_says_where_to_copy_it_from(tmp_path: Path) -> None:
    ledger = a_run(tmp_path)
    (tmp_path / "fleet.toml").unlink()

    with pytest.raises(Malformed, match=r"fleet\.toml beside it; copy them"):
        read_recording(ledger)


def test_a_policy_that_the_genesis_does_not_pin_is_said_and_shown_all_the_same(
    tmp_path: Path,
) -> None:
    ledger = a_run(tmp_path)
    policy = tmp_path / "policy.toml"
    policy.write_text(policy.read_text().replace("recover_ms = 30000", "recover_ms = 31000"))

    recording = read_recording(ledger)

    assert "not those that the genesis pins" in recording.missing[0]


def test_a_tampered_ledger_is_not_shown(tmp_path: Path) -> None:
    ledger = a_run(tmp_path)
    with sqlite3.connect(ledger) as database:
        database.execute("UPDATE entries SET chain = x'00' WHERE sequence_number = 2")
    database.close()

    with pytest.raises(Malformed, match="entry 2 does not fit the chain"):
        read_recording(ledger)


# Each example writes a database: how long that takes is the machine's business.
@settings(deadline=None, max_examples=30)
@given(st.binary(max_size=400))
def test_no_bytes_make_a_sighting_fail_otherwise(
    tmp_path_factory: pytest.TempPathFactory, blob: bytes
) -> None:
    folder = tmp_path_factory.mktemp("fuzz")
    path = folder / SIGHTINGS
    keep(path, seen(ScreenState(at_ms=1)))
    with sqlite3.connect(path) as database:
        database.execute("UPDATE sightings SET state = ?", (blob,))
    database.close()
    said = SIGHTINGS
    try:
        list(read_sightings(path))
    except Malformed as error:
        said = str(error)
    shutil.rmtree(folder)

    assert SIGHTINGS in said


async def test_a_replay_is_told_whole_and_ends(tmp_path: Path) -> None:
    recording = read_recording(a_run(tmp_path))
    told: list[str] = []
    place = Replayed(recording, lambda: 0, at_once=True)

    async with asyncio.timeout(10):
        await tell(place, lambda: 0, told.append)

    assert any("recovered" in line for line in told)
    assert "closed" in told[-1]
