"""A replay shows the senses every point once, in order, and nothing before its time."""

from collections.abc import Sequence
from pathlib import Path

from engine.evaluate.replay import play
from engine.evaluate.senses import Alarm, Answer, Forecast, Method, Question, Ranked
from engine.telemetry.history import History
from engine.telemetry.recording import Told, known_at_s, read
from engine.telemetry.records import Point
from tests.recordings import span, write_recording

SAMPLES = [(60.0 * minute, "a", "cpu", float(minute)) for minute in range(30)]


class Witness:
    """Opens an incident at one sample and remembers what it was shown, and when."""

    def __init__(self, alarm_s: float | None) -> None:
        self.seen: list[tuple[float, Told]] = []
        self.scores: list[float] = []
        self._alarm_s = alarm_s

    def advance(self, now_s: float, points: Sequence[Told]) -> Sequence[Alarm | Forecast]:
        self.seen += [(now_s, point) for point in points]
        self.scores += [point.value for point in points if isinstance(point, Point)]
        due = [p for p in points if known_at_s(p) == self._alarm_s]
        return [Alarm(now_s, "a", "cpu", 1.0) for _ in due]


def last_seen(history: History, question: Question) -> Answer:
    """Answers with when the newest sample that diagnosis could see was taken."""
    series = history.series["a", "cpu"]
    return Answer((Ranked("a", series.times_s[-1]),), question.since_s)


def method(witness: Witness) -> Method:
    return Method("witness", "", lambda recording: witness, last_seen)


def test_no_point_is_shown_before_its_time_and_each_is_shown_once(tmp_path: Path) -> None:
    spans = [span(t, "b", str(t), None, 7_000) for t in range(0, 1_000, 13)]
    recording = read(write_recording(tmp_path / "r", SAMPLES, spans=spans))
    witness = Witness(None)

    line = play(recording, method(witness))

    assert [point for _, point in witness.seen] == list(recording.points())
    assert all(known_at_s(point) <= now_s < known_at_s(point) + 5 for now_s, point in witness.seen)
    assert (line.alarms, line.ranking, line.diagnose_cpu_ms) == ([], [], None)
    assert line.scores == [value for *_, value in SAMPLES]


def test_diagnosis_sees_what_followed_the_alarm_for_a_while_and_no_more(tmp_path: Path) -> None:
    recording = read(write_recording(tmp_path / "r", SAMPLES))

    line = play(recording, method(Witness(600.0)))

    assert [alarm["t"] for alarm in line.alarms] == [600.0]
    assert line.ranking == [{"service": "a", "score": 900.0}]
    assert line.confidence == 600.0


def test_a_page_or_a_told_onset_takes_the_alarms_place(tmp_path: Path) -> None:
    alert = {"t": 300, "service": "a", "metric": "cpu"}
    recording = read(write_recording(tmp_path / "r", SAMPLES, alert=alert))

    assert play(recording, method(Witness(900.0))).confidence == 300
    assert play(recording, method(Witness(900.0)), told_s=240).confidence == 240


def test_an_incident_late_in_a_recording_is_diagnosed_at_its_end(tmp_path: Path) -> None:
    recording = read(write_recording(tmp_path / "r", SAMPLES, end=1_740))

    line = play(recording, method(Witness(1_740.0)))

    assert line.ranking == [{"service": "a", "score": 1_740.0}]
