"""What a replay asks of the senses, and what they may answer (pure): engine's own or a baseline's."""

from collections.abc import Callable, Sequence
from typing import Protocol, runtime_checkable

import msgspec

from engine.telemetry.context import Page
from engine.telemetry.history import History
from engine.telemetry.recording import Recording, Told


class Alarm(msgspec.Struct, frozen=True):
    """An incident was opened."""

    at_s: float
    service: str
    metric: str
    score: float
    since_s: float | None = None
    """When what it is about began, where that can be said better than by ``at_s``."""


class Forecast(msgspec.Struct, frozen=True):
    """A limit will be passed."""

    at_s: float
    service: str
    metric: str
    eta_s: float
    """Seconds from ``at_s`` on."""


class Watch(Protocol):
    """Detection and prediction: told of every point as it comes to be known, and of no later one."""

    def advance(self, now_s: float, points: Sequence[Told]) -> Sequence[Alarm | Forecast]:
        """Take in what became known up to ``now_s``; the incidents opened and warnings due now."""
        ...

    @property
    def scores(self) -> Sequence[float]:
        """One anomaly score for each sample so far, in order; empty where none are kept."""
        ...


class Question(msgspec.Struct, frozen=True):
    """What diagnosis is asked: what broke, given that something did at about ``since_s``."""

    since_s: float
    """When trouble began, as far as is known: told, or when the alarm went off."""
    now_s: float
    told: bool = False
    """Whether ``since_s`` is when it began, as told or as estimated; else it is when somebody noticed."""
    page: Page | None = None
    alarms: tuple[Alarm, ...] = ()


class Ranked(msgspec.Struct, frozen=True):
    """One service in a ranking."""

    service: str
    score: float


class Answer(msgspec.Struct, frozen=True):
    """What diagnosis says; an empty ranking is "no fault found"."""

    ranking: tuple[Ranked, ...] = ()
    confidence: float = 0.0
    """Probability that the first of the ranking is the cause."""
    culprit_ref: str | None = None
    """The change to blame; ``none`` where no change is; None for no answer."""


Diagnose = Callable[[History, Question], Answer]


@runtime_checkable
class DiagnosingWatch(Protocol):
    """A watch that keeps what it saw for itself, and diagnoses by that."""

    def diagnose(self, history: History, question: Question) -> Answer:
        """What broke."""
        ...


class Method(msgspec.Struct, frozen=True):
    """A way to sense: the engine's own, or a published baseline."""

    name: str
    summary: str
    watch: Callable[[Recording], Watch]
    diagnose: Diagnose
