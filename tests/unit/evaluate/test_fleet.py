"""A recording of the shop is judged by the brains that judged it live, with the same answers."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.agents.detection import alarmed, anomalies
from engine.agents.diagnosis import rank
from engine.evaluate import replay
from engine.evaluate.methods import OWN
from engine.telemetry import recording
from engine.telemetry.recorder import cut
from engine.telemetry.records import LogRecord, Point
from engine.telemetry.retelling import Retelling
from engine.telemetry.samples import HealthSeen, LinkSeen, Missed, StatusSeen
from engine.telemetry.tape import Tape, reach
from engine.telemetry.translation import records_of
from engine.telemetry.window import Window
from tests.shop_stream import SHOP, Harm, ShopStream


class Lived:
    """A stretch that was lived through, judged live and put on a tape."""

    def __init__(self, folder: Path, harm: str) -> None:
        stream, window = ShopStream(seed=5), Window(SHOP)
        tape = Tape(folder / "tape.sqlite")
        self.alarm_ms: int | None = None
        self.suspect = ""
        for second in range(58):
            if second == 50:
                _begin(stream, harm)
            stream.live(1)
            for seen in stream.observe():
                window.add(seen)
                tape.see(seen)
            stream.logged.clear()
            seen_now = anomalies(window, SHOP, stream.now_ms)
            if self.alarm_ms is None and alarmed(seen_now, SHOP) is not None:
                self.alarm_ms = stream.now_ms
        self.suspect = rank(window, SHOP, stream.now_ms).hypotheses[0].service
        tape.close()
        path = folder / "tape.sqlite"
        self.folder = cut(path, SHOP, *reach(path), folder=folder / "r").folder


def _begin(stream: ShopStream, harm: str) -> None:
    if harm == "killed":
        stream.kill("payments")
    elif harm == "badly released":
        stream.release("catalog", "1.1.0", Harm(error_share=0.5))
    else:
        stream.harm["cart"] = Harm(delay_ms=1_300)


@pytest.mark.parametrize("harm", ["killed", "badly released", "late"])
def test_a_replay_alarms_when_the_agents_did_and_blames_whom_they_blamed(
    tmp_path: Path, harm: str
) -> None:
    lived = Lived(tmp_path, harm)

    line = replay.play(recording.read(lived.folder), OWN)

    assert lived.alarm_ms is not None
    (alarm,) = line.alarms
    assert isinstance(alarm["t"], float)
    assert (
        abs(alarm["t"] * 1_000 - lived.alarm_ms) <= 2_500
    )  # A reading is complete when the next begins.
    assert line.ranking[0]["service"] == lived.suspect
    assert line.confidence > 0.5


def test_a_quiet_recording_of_the_shop_is_left_quiet(tmp_path: Path) -> None:
    stream, tape = ShopStream(seed=6), Tape(tmp_path / "tape.sqlite")
    for _ in range(90):
        stream.live(1)
        for seen in stream.observe():
            tape.see(seen)
        stream.logged.clear()
    tape.close()
    path = tmp_path / "tape.sqlite"

    line = replay.play(
        recording.read(cut(path, SHOP, *reach(path), folder=tmp_path / "r").folder), OWN
    )

    assert (line.alarms, line.ranking) == ([], [])


def test_what_was_told_is_what_was_seen() -> None:
    stream, retelling = ShopStream(seed=1), Retelling(())
    stream.live(3)
    seen = [*stream.observe(), Missed(stream.now_ms, "links")]
    stream.live(1)
    # What is complete shows only when the next moment begins.
    records = [record for each in (*seen, *stream.observe()) for record in records_of(each)]

    told = [each for record in records for each in retelling.take(record)]

    links = [each for each in seen if isinstance(each, LinkSeen)]
    assert [each for each in told if isinstance(each, LinkSeen)] == links
    assert [e for e in told if isinstance(e, HealthSeen)][:6] == [
        e for e in seen if isinstance(e, HealthSeen)
    ]
    (status,) = [each for each in told if isinstance(each, StatusSeen)]
    assert all(service.alive for service in status.status.services)
    assert {use.kind for service in status.status.services for use in service.uses} == {"files"}


metrics = st.one_of(
    st.sampled_from(
        [
            'link_requests{caller="orders"}',
            'link_errors{caller="customers"}',
            'link_nonsense{caller="orders"}',
            "link_requests{caller=",
            "healthy",
            "alive",
            "alert",
            "files_used_share",
            "liveness_used_share",
            "_used_share",
        ]
    ),
    st.text(max_size=30),
)
services = st.sampled_from([*(spec.name for spec in SHOP.service), "nobody", ""])
records = st.one_of(
    st.builds(Point, st.floats(0, 60), services, metrics, st.floats()),
    st.builds(LogRecord, st.floats(0, 60), services, st.text(max_size=9), st.text(max_size=40)),
)


@settings(max_examples=60, deadline=None)
@given(st.lists(records, max_size=60))
def test_no_record_breaks_a_retelling_or_the_window_that_hears_it(
    found: list[Point | LogRecord],
) -> None:
    retelling, window = Retelling(()), Window(SHOP)

    for record in sorted(found, key=lambda record: record.t):
        for seen in retelling.take(record):
            window.add(seen)

    assert rank(window, SHOP, 61_000).hypotheses == () or not window.is_stale(61_000)
