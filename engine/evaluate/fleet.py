"""A recording of a live fleet, judged by the brains that judge it live (pure).

What our own recorder cut goes back into a window (``engine.telemetry.retelling``), at which
detection and diagnosis look once a second as an agent does: so yesterday's incident is tomorrow's
test of the very code that met it.
"""

from engine.agents.detection import alarmed, anomalies
from engine.agents.diagnosis import rank
from engine.agents.mind import CONCLUSIVE_PERMILLE
from engine.evaluate.senses import Alarm, Answer, Ranked
from engine.telemetry.recording import Recording, Told
from engine.telemetry.retelling import Retelling
from engine.telemetry.window import Window
from engine.topology import OUTSIDE, CallSpec, Manifest, Objective, ServiceSpec
from engine.vocabulary import ServiceName

LOOK_EVERY_MS = 1_000
QUIET_MS = 30_000
"""An incident that was quiet for so long is over; what comes then is another one."""


class FleetWatch:
    """One agent's eyes on a recorded fleet."""

    def __init__(self, recording: Recording) -> None:
        self._recording = recording
        self._retelling = Retelling(recording.changes)
        self._manifest = _manifest_of(recording)
        self._window = Window(self._manifest)
        self._looked_ms = self._loud_ms = 0
        self._opened_ms: int | None = None
        self.answer: Answer | None = None
        """The diagnosis of the first incident, once it was conclusive."""

    def take(self, record: Told) -> list[Alarm]:
        """The incidents that this record opens, with all before it."""
        found = []
        for seen in self._retelling.take(record):
            self._window.add(seen)
        now_ms = round(record.t * 1_000)
        if now_ms - self._looked_ms >= LOOK_EVERY_MS:
            self._looked_ms = now_ms
            found = self._look(now_ms)
        return found

    def _look(self, now_ms: int) -> list[Alarm]:
        seen = anomalies(self._window, self._manifest, now_ms)
        if alarmed(seen, self._manifest) is not None:
            opens = self._opened_ms is None or now_ms - self._loud_ms > QUIET_MS
            self._loud_ms = now_ms
            if opens:
                self._opened_ms = self._opened_ms or now_ms
                worst = seen[0]
                score = worst.likelihood_permille / 1_000
                return [Alarm(now_ms / 1e3, worst.signal.service, worst.signal.kind, score)]
        if self._opened_ms is not None and self.answer is None:
            self._diagnose(now_ms, now_ms - self._opened_ms)
        return []

    def _diagnose(self, now_ms: int, waited_ms: int) -> None:
        """Answer when the ranking is as conclusive as the swarm wants it after so long."""
        hypotheses = rank(self._window, self._manifest, now_ms).hypotheses
        wanted = min(want for since_ms, want in CONCLUSIVE_PERMILLE if waited_ms >= since_ms)
        if not hypotheses or hypotheses[0].probability_permille < wanted:
            return
        scores: dict[str, float] = {}
        for hypothesis in hypotheses:
            known = scores.get(hypothesis.service, 0.0)
            scores[hypothesis.service] = known + hypothesis.probability_permille / 1_000
        ranking = [Ranked(name, score) for name, score in scores.items()]
        ranking.sort(key=lambda ranked: -ranked.score)
        self.answer = Answer(tuple(ranking), ranking[0].score, self._culprit(ranking[0].service))

    def _culprit(self, service: str) -> str | None:
        """The release that the suspect's trouble followed, if the status knows one."""
        status = self._window.status(service)
        if not self._recording.changes or status is None:
            return None
        return status.changes[-1].release if len(status.changes) > 1 else "none"


def _manifest_of(recording: Recording) -> Manifest:
    """The fleet as far as its recording says: whoever is called by nobody is called from outside."""
    called = {callee for _, callee in recording.calls}
    entries = [name for name in recording.services if name not in called]
    calls = [(OUTSIDE, name) for name in entries] + list(recording.calls)
    return Manifest(
        name="recorded",
        objective=Objective(OUTSIDE, 990, 1_000, 5_000),
        service=tuple(
            ServiceSpec(ServiceName(name), "http", "before") for name in recording.services
        ),
        call=tuple(CallSpec(caller, ServiceName(callee)) for caller, callee in calls),
    )
