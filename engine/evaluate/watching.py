"""The engine's own watch over a recording: what is strange, and what is on its way to a limit."""

from collections.abc import Iterator, Sequence

from engine.detection.crowd import Crowd
from engine.detection.gathering import Gathering
from engine.detection.incidents import Incidents
from engine.detection.outcry import Outcry
from engine.detection.requests import Requests
from engine.detection.rows import Rows
from engine.evaluate.answering import own_diagnosis
from engine.evaluate.fleet import FleetWatch
from engine.evaluate.promises import BURNING, Promises
from engine.evaluate.senses import Alarm, Answer, Forecast, Question
from engine.senses.runway import Runway
from engine.senses.strangeness import Excursions, Strangeness
from engine.telemetry.history import History
from engine.telemetry.rates import Rates
from engine.telemetry.recording import Recording, Told
from engine.telemetry.records import LogRecord, Point, Span
from engine.telemetry.retelling import is_of_fleet

LONE_DIGITS = 2.5
"""Of a lone signal: the mean improbability, in digits, of its three judgements."""
CROWD_NATS = 7.0
"""Of the metrics of a service, three steps at the least. Passed 0.005 times a service-day on the
pasts of another system's recordings, as 6 nats are; 5 nats 0.02 times (``docs/detection.md``)."""
LOOK_EVERY_S = 5.0


class LoneSignal:
    """Every sample judged by its own signal's past alone, where there is one signal only."""

    def __init__(self) -> None:
        self._strangeness, self._excursions = Strangeness(), Excursions()
        self.scores: list[float] = []

    def take(self, point: Point) -> Alarm | None:
        """Judge one sample; an alarm when a new excursion goes over the threshold."""
        score = self._excursions.new(self._strangeness.score(point.value))
        self.scores.append(score)
        if score < LONE_DIGITS:
            return None
        return Alarm(point.t, point.service, point.metric, score)


class System:
    """The metrics, spans and logs of many services, correlated into incidents."""

    def __init__(self, recording: Recording) -> None:
        self._step_s = recording.step_s
        self._services = frozenset(recording.services)
        self._crowd = Crowd(recording.services, recording.calls)
        self._rows = Rows()
        self._requests, self._outcry = Requests(self._rows), Outcry(self._rows)
        self._incidents = Incidents(recording.calls, recording.step_s)
        self._rates, self._gathering = Rates(), Gathering(recording.step_s)
        self._promises = Promises(recording.objective) if recording.objective else None
        self._looked_s = float("-inf")

    def take(self, point: Told) -> None:
        """Take one point in."""
        if isinstance(point, Span):
            self._requests.add(point)
            if self._promises is not None:
                self._promises.add(point)
        elif isinstance(point, LogRecord):
            self._outcry.add(point)
        else:
            rated = self._rates.of(point)
            if rated is not None:
                self._gathering.add(rated.t, (rated.service, rated.metric), rated.value)

    def look(self, now_s: float) -> list[Alarm]:
        """The incidents that what has come in opens."""
        opened = [alarm for alarm in self._off(now_s) if self._opens(alarm)]
        if now_s - self._looked_s >= LOOK_EVERY_S:
            self._looked_s = now_s
            burning = self._promises.paging() if self._promises is not None else []
            for service, burn in burning:
                alarm = Alarm(now_s, service, BURNING, burn)
                if self._opens(alarm):
                    opened.append(alarm)
            for row, nats, since_s in self._rows.broken(now_s):
                alarm = Alarm(now_s, row.service, row.signal, nats, since_s)
                # Spans and lines may name anybody; incidents are about those who are watched.
                if row.service in self._services and self._opens(alarm):
                    opened.append(alarm)
        return opened

    def _off(self, now_s: float) -> Iterator[Alarm]:
        """Services whose metrics are off, as rows of samples come to be whole."""
        for row_s, row in self._gathering.done():
            for found in self._crowd.step(row):
                if found.nats >= CROWD_NATS:
                    # A sample speaks of the step before it: on average trouble began in its middle.
                    since_s = row_s - (found.steps - 0.5) * self._step_s
                    yield Alarm(now_s, found.service, found.metric, found.nats, since_s)

    def _opens(self, alarm: Alarm) -> bool:
        return self._incidents.opens(alarm.at_s, alarm.service)


class Watch:
    """Detection and prediction over one recording."""

    def __init__(self, recording: Recording) -> None:
        # One service with one signal has no like to be compared with: it is its own only measure.
        self._lone = LoneSignal() if len(recording.services) == 1 else None
        self._name: tuple[str, str] | None = None
        self._system = System(recording)
        self._recording = recording
        self._fleet: FleetWatch | None = None
        """The live brains, where our own recorder cut this from a live fleet."""
        self._runways = {
            (limit.service, limit.metric): Runway(limit.limit, is_above=limit.above)
            for limit in recording.limits
        }

    @property
    def scores(self) -> Sequence[float]:
        """One for each sample of a lone signal; empty when there are several."""
        return self._lone.scores if self._lone else ()

    def advance(self, now_s: float, points: Sequence[Told]) -> Sequence[Alarm | Forecast]:
        """What these points are reason to say."""
        said: list[Alarm | Forecast] = []
        for point in points:
            if isinstance(point, Point):
                said += self._of_one(point)
                if (
                    self._fleet is None
                    and point.metric[:5] == "link_"
                    and is_of_fleet(point.metric)
                ):
                    self._fleet, self._lone = FleetWatch(self._recording), None
            if self._fleet is not None:
                said += self._fleet.take(point)
            elif self._lone is None:
                self._system.take(point)
        if self._fleet is not None or self._lone is not None:
            return said
        return [*said, *self._system.look(now_s)]

    def diagnose(self, history: History, question: Question) -> Answer:
        """What broke: as the live brains said when they knew, else by the whole history."""
        told = self._fleet.answer if self._fleet is not None else None
        return told or own_diagnosis(history, question)

    def _of_one(self, point: Point) -> list[Alarm | Forecast]:
        name = (point.service, point.metric)
        runway = self._runways.get(name)
        crossing = runway.step(point.t, point.value) if runway else None
        said: list[Alarm | Forecast] = []
        if crossing is not None:
            said.append(Forecast(point.t, *name, crossing.left_s))
        self._name = self._name or name
        if name != self._name:
            self._lone = None
        alarm = self._lone.take(point) if self._lone else None
        return [*said, alarm] if alarm is not None else said


def watch(recording: Recording) -> Watch:
    """A watch that has seen nothing yet."""
    return Watch(recording)
