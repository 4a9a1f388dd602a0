"""The engine's own watch over a recording: strange signals, and signals on their way to a limit."""

from collections.abc import Sequence

from engine.evaluate.senses import Alarm, Forecast
from engine.senses.runway import Runway
from engine.senses.strangeness import Excursions, Strangeness
from engine.telemetry.recording import Recording, Told
from engine.telemetry.records import Point

ALARM_DIGITS = 2.5
"""Of a lone signal: strange once in some hundred samples by all three judges at once."""


class LoneSignal:
    """Every sample judged by its own signal's past alone, where there is one signal only."""

    def __init__(self) -> None:
        self._strangeness, self._excursions = Strangeness(), Excursions()
        self._is_above = False
        self.scores: list[float] = []

    def take(self, point: Point) -> Alarm | None:
        """Judge one sample; an alarm when an excursion goes over the threshold."""
        score = self._excursions.new(self._strangeness.score(point.value))
        self.scores.append(score)
        if score < ALARM_DIGITS:
            return None
        return Alarm(point.t, point.service, point.metric, score)


class Watch:
    """Detection and prediction over one recording."""

    def __init__(self, recording: Recording) -> None:
        self._lone = LoneSignal()
        self._name: tuple[str, str] | None = None
        self._is_lone = len(recording.services) == 1 and not recording.limits
        self._runways = {
            (limit.service, limit.metric): Runway(limit.limit, is_above=limit.above)
            for limit in recording.limits
        }

    @property
    def scores(self) -> Sequence[float]:
        """One for each sample of a lone signal; empty when there are several."""
        return self._lone.scores if self._is_lone else ()

    def advance(self, now_s: float, points: Sequence[Told]) -> Sequence[Alarm | Forecast]:
        """What these points are reason to say."""
        said: list[Alarm | Forecast] = []
        for point in points:
            if isinstance(point, Point):
                said += self._take(point)
        return said

    def _take(self, point: Point) -> list[Alarm | Forecast]:
        name = (point.service, point.metric)
        runway = self._runways.get(name)
        crossing = runway.step(point.t, point.value) if runway else None
        if crossing is not None:
            return [Forecast(point.t, *name, crossing.left_s)]
        if self._name is None:
            self._name = name
        self._is_lone = self._is_lone and name == self._name
        alarm = self._lone.take(point) if self._is_lone else None
        return [alarm] if alarm is not None else []


def watch(recording: Recording) -> Watch:
    """A watch that has seen nothing yet."""
    return Watch(recording)
