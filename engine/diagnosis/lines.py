"""What logs say: templates that are new, louder, or gone (pure).

A template that never stood in a service's log and now does, above all an error, is the most direct
word there is of what broke; a caller that complains of its callee says the same words later and
about somebody else. So lines are credited to a service in full only where no callee of it has
something new to say.
"""

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from math import log1p, sqrt

from engine.diagnosis.evidence import Ground, Reason, surprise
from engine.telemetry.bins import BIN_S
from engine.telemetry.history import History, LogKey

LOUD_WEIGHT = (0.25, 0.6, 1.0)
"""What a line of no, some and much loudness weighs."""
MOST_NOVEL = 6.0
MOST_LOUDER = 2.5
"""What a template that was always there says at most by coming more often."""
OVERDISPERSION = 4.0
"""Lines come in bursts: so many times the variance of independent ones."""
LEAST_LINES = 2
ONSET_ERROR_S = 30.0
"""By so much may the time at which trouble is said to have begun be late."""
LEAST_BEFORE_S = 120.0
"""Logs that began less than this before the stretch cannot say what is new."""
MENTION = 0.8
"""What a line says of another service that it names, against what it says of its own."""
TOLD_BY_CALLEE = 0.4
VANISHED_WEIGHT = 0.5
LEAST_VANISHED = 6.0


def line_reasons(
    history: History, callees: Mapping[str, frozenset[str]], from_s: float, to_s: float
) -> list[Reason]:
    """Reasons out of the log lines of ``from_s..to_s``."""
    began_s = history.logs_from_s
    first_s = from_s // BIN_S * BIN_S
    if began_s is None or first_s - began_s < LEAST_BEFORE_S:
        return []
    share = (to_s - first_s) / (first_s - began_s)
    best: dict[str, Reason] = {}
    for key, counted in history.logs.items():
        before = sum(each.count for each in counted.between(float("-inf"), first_s))
        within = sum(each.count for each in counted.between(first_s, to_s))
        just_before = sum(each.count for each in counted.between(first_s - ONSET_ERROR_S, first_s))
        if before == just_before:
            # First heard when trouble may have begun already: as new as what comes in it.
            before, within = 0, within + before
        weight = _weight(key, before * share, within)
        if weight > 0 and (key.service not in best or weight > best[key.service].weight):
            text = history.templates.text(key.template)
            best[key.service] = Reason(key.service, Ground.LINES, weight, text, "", key.template)
    told = [_credited(reason, best, callees) for reason in best.values()]
    return [*told, *_mentions(history.services, told)]


def _weight(key: LogKey, expected: float, came: float) -> float:
    """How much a template that was expected so often and came so often says."""
    if expected == 0:
        # Once may be chance of what was not yet seen; the log says "new" louder the more often.
        novel = min(MOST_NOVEL, 2.0 * log1p(came)) if came >= LEAST_LINES else 0.0
        return LOUD_WEIGHT[key.loudness] * novel
    off = (came - expected) / sqrt(OVERDISPERSION * expected + 1.0)
    if off >= 0:
        return min(MOST_LOUDER, LOUD_WEIGHT[key.loudness] * surprise(max(0.0, off - 1.5)))
    if key.loudness == 0 and came == 0 and expected >= LEAST_VANISHED:
        return min(MOST_NOVEL, VANISHED_WEIGHT * surprise(max(0.0, -off - 1.5)))
    return 0.0


def _mentions(services: Sequence[str], told: Sequence[Reason]) -> list[Reason]:
    """What loud lines say of another service that they name; a name is matched, never obeyed."""
    known = frozenset(services)
    found = []
    for reason in told:
        named = known.intersection(_WORD.findall(reason.signal)) - {reason.service}
        if len(named) == 1:
            (other,) = named
            weight = MENTION * reason.weight
            found.append(reason._replace(service=other, weight=weight, witness=reason.service))
    return found


_WORD = re.compile(r"[\w.-]*\w")


def _credited(
    reason: Reason, best: Mapping[str, Reason], callees: Mapping[str, frozenset[str]]
) -> Reason:
    below = defaultdict(float, {name: each.weight for name, each in best.items()})
    deepest = max((below[callee] for callee in callees.get(reason.service, ())), default=0.0)
    if deepest >= reason.weight / 2:
        return reason._replace(weight=TOLD_BY_CALLEE * reason.weight)
    return reason
