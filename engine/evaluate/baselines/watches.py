"""Published ways to watch, as far as they are a few lines: what the engine's own is compared with."""

from collections import deque
from collections.abc import Sequence

import numpy as np

from engine.detection.incidents import Incidents
from engine.evaluate.baselines.events import spans_and_logs
from engine.evaluate.senses import Alarm, Forecast, Question
from engine.telemetry.history import History
from engine.telemetry.recording import Recording, Told
from engine.telemetry.records import Point

EWMA_WEIGHT = 0.01
LEAST_Z, LEAST_METRICS = 8.0, 2
"""The setting of the table in docs/detection.md: two metrics of a service beyond eight deviations."""
WARM_UP = 20
SPANS_LEAST_Z = 10.0
"""Tuned on Nezha Train-Ticket."""
SPANS_WARM_UP_S, SPANS_LOOK_EVERY_S, SPANS_STRETCH_S = 300.0, 30.0, 120.0
LINE_SAMPLES, HORIZON_SAMPLES = 90, 60
"""``predict_linear`` over so many samples, of a crossing within so many: tuned on the episodes."""


class _Average:
    """Exponentially weighted mean and mean absolute deviation of one signal."""

    def __init__(self) -> None:
        self.mean = self.spread = 0.0
        self.seen = 0

    def z(self, value: float) -> float:
        """Deviation of ``value`` in spreads, before it is learnt."""
        off = value - self.mean
        z = off / (1.4826 * self.spread + 0.02 * abs(self.mean) + 1e-9) if self.seen else 0.0
        rate = max(EWMA_WEIGHT, 1.0 / (self.seen + 1))
        self.mean += rate * off
        self.spread += rate * (abs(off) - self.spread)
        self.seen += 1
        return z


class EwmaZ:
    """Deviation from an exponentially weighted mean (Roberts 1959), two metrics of a service."""

    def __init__(
        self, recording: Recording, least_z: float = LEAST_Z, least_metrics: int = LEAST_METRICS
    ) -> None:
        self._least_z, self._least_metrics = least_z, least_metrics
        self._signals: dict[tuple[str, str], _Average] = {}
        self._incidents = Incidents((), recording.step_s)
        self._is_lone = len(recording.services) == 1
        self._scores: list[float] = []

    @property
    def scores(self) -> Sequence[float]:
        """The absolute deviation of each sample of a lone signal."""
        return self._scores if self._is_lone else ()

    def advance(self, now_s: float, points: Sequence[Told]) -> Sequence[Alarm | Forecast]:
        """An alarm where enough metrics of one service are off at once."""
        loud: dict[str, list[tuple[float, str]]] = {}
        for point in points:
            if not isinstance(point, Point):
                continue
            signal = self._signals.setdefault((point.service, point.metric), _Average())
            z = abs(signal.z(point.value))
            self._scores.append(z)
            self._is_lone = self._is_lone and len(self._signals) == 1
            if signal.seen > WARM_UP and z > self._least_z:
                loud.setdefault(point.service, []).append((z, point.metric))
        wanted = 1 if self._is_lone else self._least_metrics
        for service, found in loud.items():
            if len(found) >= wanted and self._incidents.opens(now_s, service):
                z, metric = max(found)
                return [Alarm(now_s, service, metric, z)]
        return ()


class SpansLogsZ:
    """Span times and error lines of the last two minutes against all before, twice a minute."""

    scores: Sequence[float] = ()

    def __init__(self, recording: Recording) -> None:
        self._history = History(recording.services, recording.calls)
        self._incidents = Incidents((), recording.step_s)
        self._looked_s = float("-inf")

    def advance(self, now_s: float, points: Sequence[Told]) -> Sequence[Alarm | Forecast]:
        """An alarm about the service that is furthest off, where that is far enough."""
        for point in points:
            if not isinstance(point, Point):
                self._history.add(point)
        began_s = self._history.spans_from_s
        if began_s is None or now_s - began_s < SPANS_WARM_UP_S:
            return ()
        if now_s - self._looked_s < SPANS_LOOK_EVERY_S:
            return ()
        self._looked_s = now_s
        question = Question(now_s - SPANS_STRETCH_S, now_s, told=True)
        first = next(iter(spans_and_logs(self._history, question).ranking), None)
        if first is None or first.score < SPANS_LEAST_Z:
            return ()
        if not self._incidents.opens(now_s, first.service):
            return ()
        return [Alarm(now_s, first.service, "spans and logs", first.score)]


class PredictLinear:
    """Prometheus' ``predict_linear``: least squares over the last samples, extrapolated."""

    scores: Sequence[float] = ()

    def __init__(self, recording: Recording) -> None:
        self._step_s = recording.step_s
        self._limits = {(limit.service, limit.metric): limit for limit in recording.limits}
        self._past: dict[tuple[str, str], deque[float]] = {}

    def advance(self, now_s: float, points: Sequence[Told]) -> Sequence[Alarm | Forecast]:
        """A warning for each line that reaches its limit within the horizon."""
        said = []
        for point in points:
            if not isinstance(point, Point):
                continue
            name = (point.service, point.metric)
            limit = self._limits.get(name)
            if limit is None:
                continue
            past = self._past.setdefault(name, deque(maxlen=LINE_SAMPLES))
            past.append(point.value)
            if len(past) < LINE_SAMPLES:
                continue
            places = np.arange(LINE_SAMPLES) - (LINE_SAMPLES - 1)
            slope, level = np.polyfit(places, np.asarray(past), 1)
            towards = slope if limit.above else -slope
            headroom = (limit.limit - level) * (1.0 if limit.above else -1.0)
            if towards > 0.0 < headroom <= towards * HORIZON_SAMPLES:
                eta_s = float(headroom / towards) * self._step_s
                said.append(Forecast(point.t, *name, eta_s))
        return said
