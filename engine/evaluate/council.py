"""Five agents instead of one perfect window: each sees the recording through eyes of its own (pure).

Each loses a fifth of the metric samples, sees all of them up to two samples late, and lacks one
kind of telemetry where there are several; its losses are its own, drawn from a seed. What they say
is merged (``engine.diagnosis.merging``). With a traitor, the first agent lies as well as one can
who knows the rule and what the others say: it names, of all services, the one that makes the
merged ranking worst.
"""

import random
from collections import deque
from collections.abc import Sequence

from engine.diagnosis.finding import confidence, find
from engine.diagnosis.merging import merged
from engine.evaluate.senses import Alarm, Answer, Forecast, Question, Ranked
from engine.telemetry.history import History
from engine.telemetry.recording import Recording, Told
from engine.telemetry.records import LogRecord, Point, Span

AGENTS = 5
TRAITORS = 1
LOST_SHARE = 0.2
MOST_LAG = 2


class Eyes:
    """One agent's own view of a recording."""

    def __init__(self, recording: Recording, place: int) -> None:
        self._history = History(recording.services, recording.calls, recording.changes)
        self._random = random.Random(f"{recording.id}/{place}")
        self._lag_s = self._random.randint(0, MOST_LAG) * recording.step_s
        self._blind_to = (None, LogRecord, Span, None, LogRecord)[place % AGENTS]
        self._late: deque[Told] = deque()

    def see(self, now_s: float, records: Sequence[Told]) -> None:
        """Take in what of ``records`` reaches this agent, when it reaches it."""
        for record in records:
            if isinstance(record, Point):
                if self._random.random() >= LOST_SHARE:
                    self._late.append(record)
            elif type(record) is not self._blind_to:
                self._history.add(record)
        while self._late and self._late[0].t <= now_s - self._lag_s:
            self._history.add(self._late.popleft())

    def opinion(self, question: Question) -> dict[str, float]:
        """What this agent's own diagnosis says."""
        found = find(
            self._history, question.since_s, question.now_s, question.page, told=question.told
        )
        return {suspect.service: suspect.score for suspect in found.ranking.suspects}


class Council:
    """Watches through five pairs of eyes, and diagnoses by merging what they say."""

    scores: Sequence[float] = ()

    def __init__(self, recording: Recording, traitors: int = 0) -> None:
        self._eyes = [Eyes(recording, place) for place in range(AGENTS)]
        self._traitors = traitors

    def advance(self, now_s: float, points: Sequence[Told]) -> Sequence[Alarm | Forecast]:
        """Let every agent look."""
        for eyes in self._eyes:
            eyes.see(now_s, points)
        return ()

    def diagnose(self, history: History, question: Question) -> Answer:
        """The merged ranking; the history of the perfect window is not looked at."""
        honest = [eyes.opinion(question) for eyes in self._eyes[self._traitors :]]
        opinions = honest
        if self._traitors:
            opinions = [*honest, worst_lie(honest, history.services, TRAITORS)]
        ranking = [
            Ranked(name, score) for name, score in merged(opinions, TRAITORS).items() if score > 0
        ]
        return Answer(
            tuple(ranking), confidence([each.score for each in ranking]) if ranking else 0.0
        )


def worst_lie(
    honest: Sequence[dict[str, float]], services: Sequence[str], f: int
) -> dict[str, float]:
    """The opinion that moves the merged ranking furthest from what the honest agents alone say.

    It names one service that is not their first, wherever that pushes their first down most, and
    keeps silent about the first itself.
    """
    first = next(iter(merged(honest, min(f, (len(honest) - 1) // 2))), "")
    lies = [{service: 1.0} for service in services if service != first]

    def margin(lie: dict[str, float]) -> float:
        scores = merged([*honest, lie], f)
        others = [score for name, score in scores.items() if name != first]
        return scores.get(first, 0.0) - max(others, default=0.0)

    return min(lies, key=margin, default={})
