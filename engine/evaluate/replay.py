"""Plays one recording to the senses, point by point, and writes down what they say.

The virtual clock stands at the newest point that could be known; nothing later is in memory yet.
Diagnosis is asked once for the first incident, when it has had time to show itself.
"""

import time
from collections.abc import Iterator, Sequence

import msgspec

from engine.evaluate.senses import (
    Alarm,
    Answer,
    DiagnosingWatch,
    Forecast,
    Method,
    Question,
    Watch,
)
from engine.telemetry.history import History
from engine.telemetry.recording import Recording, Told, known_at_s
from engine.telemetry.records import Point

BATCH_S = 5.0
"""Points of so many seconds come in together, as a scrape or an export brings them."""
SETTLE_S = 300.0
SETTLE_STEPS = 5
"""Diagnosis is asked this long after an incident opened, whichever is longer, or at the end."""


class Line(msgspec.Struct, omit_defaults=False):
    """One line of results; see the description of the format for each field."""

    recording: str
    alarms: list[dict[str, str | float]]
    ranking: list[dict[str, str | float]]
    confidence: float
    culprit_ref: str | None
    detect_cpu_us_per_point: float
    diagnose_cpu_ms: float | None
    scores: list[float] | msgspec.UnsetType = msgspec.UNSET
    warnings: list[dict[str, str | float]] | msgspec.UnsetType = msgspec.UNSET


def play(recording: Recording, method: Method, told_s: float | None = None) -> Line:
    """What ``method`` makes of ``recording``; ``told_s`` is when its fault began, where told.

    Raises:
        engine.codec.Malformed: a file of the recording is damaged.
    """
    replay = _Replay(recording, method, told_s)
    for now_s, points in batches(recording.points()):
        replay.take(now_s, points)
    replay.end()
    return replay.line()


def batches(points: Iterator[Told]) -> Iterator[tuple[float, list[Told]]]:
    """The records by the time they came in: (newest time, points); times ascend strictly."""
    batch: list[Told] = []
    place, newest_s = None, 0.0
    for point in points:
        at_s = known_at_s(point)
        if place is not None and at_s // BATCH_S != place:
            yield newest_s, batch
            batch = []
        place, newest_s = at_s // BATCH_S, at_s
        batch.append(point)
    if batch:
        yield newest_s, batch


class _Replay:
    """The state of one replay."""

    def __init__(self, recording: Recording, method: Method, told_s: float | None) -> None:
        self._recording = recording
        self._history = History(recording.services, recording.calls, recording.changes)
        self._watch: Watch = method.watch(recording)
        own = self._watch
        self._diagnose = own.diagnose if isinstance(own, DiagnosingWatch) else method.diagnose
        self._told_s = told_s
        self._alarms: list[Alarm] = []
        self._forecasts: list[Forecast] = []
        self._answer: Answer | None = None
        self._noticed_s = float("-inf")
        self._points = self._samples = 0
        self._detect_ns = self._diagnose_ns = 0

    def take(self, now_s: float, points: Sequence[Told]) -> None:
        """Give one batch to the senses."""
        due_s = self._due_s()
        if due_s is not None and now_s > due_s:
            self._ask(max(due_s, self._noticed_s))
        began_ns = time.process_time_ns()
        for point in points:
            self._history.add(point)
        self._heard(self._watch.advance(now_s, points))
        self._detect_ns += time.process_time_ns() - began_ns
        self._points += len(points)
        self._samples += sum(type(point) is Point for point in points)

    def _heard(self, said: Sequence[Alarm | Forecast]) -> None:
        for word in said:
            if isinstance(word, Alarm):
                if not self._alarms:
                    self._noticed_s = word.at_s
                self._alarms.append(word)
            else:
                self._forecasts.append(word)

    def _began_s(self) -> float | None:
        """When the incident that is to be diagnosed began, as far as anybody knows."""
        if self._told_s is not None:
            return self._told_s
        if self._recording.page is not None:
            return self._recording.page.at_s
        if not self._alarms:
            return None
        first = self._alarms[0]
        return first.at_s if first.since_s is None else first.since_s

    def _is_told(self) -> bool:
        """Whether that is the beginning, not the time when somebody noticed."""
        if self._told_s is not None:
            return True
        return self._recording.page is None and self._alarms[0].since_s is not None

    def _due_s(self) -> float | None:
        began_s = self._began_s()
        if began_s is None or self._answer is not None:
            return None
        return began_s + max(SETTLE_S, SETTLE_STEPS * self._recording.step_s)

    def _ask(self, now_s: float) -> None:
        began_s = self._began_s()
        assert began_s is not None
        page = self._recording.page
        question = Question(began_s, now_s, self._is_told(), page, tuple(self._alarms))
        began_ns = time.process_time_ns()
        self._answer = self._diagnose(self._history, question)
        self._diagnose_ns = time.process_time_ns() - began_ns

    def end(self) -> None:
        """The recording is over: whatever has not been asked is asked now."""
        end_s = self._recording.end_s
        self._heard(self._watch.advance(end_s, ()))
        if self._began_s() is not None and self._answer is None:
            self._ask(end_s)

    def line(self) -> Line:
        """What was said, in the form of the results."""
        answer = self._answer or Answer()
        scores = list(self._watch.scores)
        assert len(scores) in (0, self._samples), "one score for each sample"
        return Line(
            recording=self._recording.id,
            alarms=[
                {"t": a.at_s, "service": a.service, "metric": a.metric, "score": a.score}
                for a in self._alarms
            ],
            ranking=[{"service": r.service, "score": r.score} for r in answer.ranking],
            confidence=answer.confidence,
            culprit_ref=answer.culprit_ref,
            detect_cpu_us_per_point=self._detect_ns / 1_000 / max(1, self._points),
            diagnose_cpu_ms=self._diagnose_ns / 1e6 if self._answer is not None else None,
            scores=scores if scores and self._has_one_series() else msgspec.UNSET,
            warnings=[
                {"t": f.at_s, "service": f.service, "metric": f.metric, "eta_s": f.eta_s}
                for f in self._forecasts
            ]
            if self._recording.limits
            else msgspec.UNSET,
        )

    def _has_one_series(self) -> bool:
        return self._history.series_count == 1
