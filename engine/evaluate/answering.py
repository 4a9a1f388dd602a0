"""The engine's own diagnosis of a history, in the form of a result (pure)."""

from engine.diagnosis.culprit import blame
from engine.diagnosis.finding import find
from engine.diagnosis.onset import onset_s
from engine.evaluate.senses import Answer, Question, Ranked
from engine.telemetry.history import History


def own_diagnosis(history: History, question: Question) -> Answer:
    """The engine's diagnosis."""
    found = find(history, question.since_s, question.now_s, question.page, told=question.told)
    began_s = onset_s(history, found.ranking.suspects, question.page, found.stretch)
    return Answer(
        tuple(Ranked(suspect.service, suspect.score) for suspect in found.ranking.suspects),
        found.confidence,
        blame(history, found.ranking, question.page, began_s).ref,
    )
