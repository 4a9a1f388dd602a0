"""What only a live system tells: whether a run is there, answers, was replaced, runs out (pure).

The orchestrator's word, health questions, other systems' alerts and this system's own forecasts are
typed evidence about one service each. What changed last is evidence where trouble of its own began
after the change, and nothing elsewhere: a harmless release beside the fault earns nothing.
"""

from collections.abc import Mapping
from typing import NamedTuple

from engine.diagnosis.calls import Trouble
from engine.diagnosis.evidence import Ground, Reason

ONSET_SLACK_MS = 3_000
LATEST_ONSET_MS = 60_000
"""A release whose failures begin later than this after it went live is not blamed for its change."""
GONE = (0.0, 2.0, 5.0)
"""By how many times in a row the status said so; the last for all more."""
NOT_ANSWERING = 1.5
MOST_NOT_ANSWERING = 4.5
UNWELL = 0.5
MOST_UNWELL = 1.0
ALERTED = 5.0
"""Of an alert in another system: enough to stand out alone, less than what was seen here."""
MORE_ALERTS = 0.25
CHANGED = 1.0
RUNNING_OUT = 6.0
"""Of a forecast: nothing that hurts yet outweighs it, and what hurts shows on every caller too."""
NEW_LINE = 0.25
"""Of an error that is new, while the log was not followed for long enough to say more."""
LEAST_WEIGHT = 0.05


class Fact(NamedTuple):
    """What is known of one service beside its calls."""

    service: str
    gone: int = 0
    """How many times in a row its status said gone."""
    gone_ms: int | None = None
    """Since when."""
    refused: int = 0
    """Health questions refused in a row."""
    silent: int = 0
    """Health questions without an answer in a row."""
    unwell: int = 0
    """Health questions answered with a failure in a row."""
    alerts: int = 0
    """Alerts of other systems that fire about it."""
    alerted_ms: int | None = None
    """When the first of them began."""
    running_out: str = ""
    """What of it is on its way to its limit; empty for nothing."""
    running_out_ms: int | None = None
    """Since when."""
    changed_ms: int | None = None
    """When its last release change went live, if that is not long ago."""
    new_template: str = ""
    """Of an error that its log did not hold before its trouble began."""


def onset_ms(trouble: Trouble, fact: Fact) -> int | None:
    """When a service's trouble began, by its calls or by what else is known of it."""
    began = [trouble.onset_ms, fact.gone_ms, fact.alerted_ms]
    known = [at_ms for at_ms in began if at_ms is not None]
    if not known and fact.running_out_ms is not None:
        return fact.running_out_ms
    return min(known, default=None)


def follows_change(trouble: Trouble, fact: Fact) -> bool:
    """Whether the service's trouble began after its last release went live, and soon."""
    began_ms = onset_ms(trouble, fact)
    if fact.changed_ms is None or began_ms is None:
        return False
    return -ONSET_SLACK_MS <= began_ms - fact.changed_ms <= LATEST_ONSET_MS


def fact_reasons(facts: Mapping[str, Fact], seen: Mapping[str, Trouble]) -> list[Reason]:
    """What the facts of each service say of that very service."""
    found = []
    for service, fact in facts.items():
        weights = {
            Ground.GONE: _liveness(fact, seen[service]),
            Ground.ALERT: (ALERTED + MORE_ALERTS * fact.alerts) if fact.alerts else 0.0,
            Ground.RUNNING_OUT: RUNNING_OUT if fact.running_out else 0.0,
            Ground.CHANGE: _change(fact, seen[service]),
            Ground.LINES: NEW_LINE * seen[service].own_share if fact.new_template else 0.0,
        }
        signals = {Ground.RUNNING_OUT: fact.running_out, Ground.LINES: fact.new_template}
        found += [
            Reason(service, ground, weight, signals.get(ground, str(ground)))
            for ground, weight in weights.items()
            if weight >= LEAST_WEIGHT
        ]
    return found


def _liveness(fact: Fact, trouble: Trouble) -> float:
    not_answering = max(fact.refused, fact.silent, trouble.unanswered)
    ill = min(MOST_NOT_ANSWERING, NOT_ANSWERING * not_answering)
    ill += min(MOST_UNWELL, UNWELL * fact.unwell)
    return max(GONE[min(fact.gone, len(GONE) - 1)], ill)


def _change(fact: Fact, trouble: Trouble) -> float:
    if not follows_change(trouble, fact):
        return 0.0
    return CHANGED * (1.0 if fact.gone or fact.running_out else trouble.own_share)
