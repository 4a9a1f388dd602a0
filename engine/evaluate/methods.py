"""The ways to sense, by name: the engine's own, and the baselines it is compared with."""

from collections.abc import Sequence

from engine.diagnosis.finding import find
from engine.evaluate.senses import Alarm, Answer, Forecast, Method, Question, Ranked
from engine.evaluate.watching import watch
from engine.telemetry.history import History
from engine.telemetry.recording import Recording, Told


class Unwatched:
    """Opens no incident and warns of nothing: for methods that only diagnose."""

    scores: Sequence[float] = ()

    def advance(self, now_s: float, points: Sequence[Told]) -> Sequence[Alarm | Forecast]:
        """Say nothing."""
        return ()


def unwatched(recording: Recording) -> Unwatched:
    """A watch that never speaks."""
    return Unwatched()


def own_diagnosis(history: History, question: Question) -> Answer:
    """The engine's diagnosis."""
    found = find(history, question.since_s, question.now_s, question.page, told=question.told)
    return Answer(
        tuple(Ranked(suspect.service, suspect.score) for suspect in found.ranking.suspects),
        found.confidence,
    )


OWN = Method("own", "the engine's own senses", watch, own_diagnosis)
METHODS = {method.name: method for method in (OWN,)}
