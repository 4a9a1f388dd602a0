"""One reason for or against a service, in odds, with what it rests on (pure)."""

from enum import StrEnum
from math import log
from typing import NamedTuple


class Ground(StrEnum):
    """What kind of trouble a reason is about."""

    TIME = "time"
    """Answers come late, and none of its own calls explains it."""
    WAY = "way"
    """Calls to it or from it lose time on the way."""
    FAILURES = "failures"
    LINES = "lines"
    """Its log says something new, or louder."""
    MISSING = "missing"
    """It stopped making calls that it used to make."""
    RESOURCE = "resource"
    SILENT = "silent"
    """It says nothing any more."""
    CALLS = "calls"
    """Calls to it are counted one by one, and fail or come late for no reason below it."""
    GONE = "gone"
    """Its run is over, or does not answer: by the orchestrator's word, or asked by ourselves."""
    ALERT = "alert"
    """Another system's alert about it fires."""
    RUNNING_OUT = "running out"
    """It uses up something bounded."""
    CHANGE = "change"
    """Its trouble began when it was changed."""


class Reason(NamedTuple):
    """One piece of evidence for a service."""

    service: str
    ground: Ground
    weight: float
    """Natural-log odds, before grounds are weighed against each other."""
    signal: str
    """The metric, operation or template that shows it."""
    witness: str = ""
    """The other end of the edge where an edge shows it."""
    template: int = 0
    """Number of the log template, where it is one."""


def surprise(deviation: float) -> float:
    """Natural-log likelihood ratio of a deviation, for noise with heavy tails (Student's t, 2 degrees)."""
    return log(1.0 + deviation * deviation / 2.0)
