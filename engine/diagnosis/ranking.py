"""From reasons to a ranking: who is the cause, how sure that is, and who was ruled out (pure).

One fault at a time is assumed. Reasons of one service on different grounds come from different
instruments and are added; on one ground only the strongest counts, because witnesses of one fault
are not independent. "Nothing is wrong" is a candidate like the services, with the odds that have
to be earned before anything stands out.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from engine.diagnosis.deviation import Stretch
from engine.diagnosis.evidence import Ground, Reason
from engine.diagnosis.families import Measure, family
from engine.diagnosis.lines import line_reasons
from engine.diagnosis.metrics import metric_evidence
from engine.diagnosis.spans import span_evidence
from engine.senses.bayes import softmax
from engine.telemetry.context import Page
from engine.telemetry.history import History

GROUND_WEIGHT = {
    Ground.TIME: 1.0,
    Ground.WAY: 1.0,
    Ground.FAILURES: 1.0,
    Ground.LINES: 1.0,
    Ground.MISSING: 0.7,
    Ground.RESOURCE: 0.5,
    Ground.SILENT: 1.0,
    # Every witness of it is in the account: it may outweigh two grounds of another kind.
    Ground.CALLS: 2.0,
    Ground.GONE: 1.0,
    Ground.ALERT: 1.0,
    Ground.RUNNING_OUT: 1.0,
    Ground.CHANGE: 1.0,
}
MOST_OF_GROUND = 8.0
NOTHING = 3.0
TEMPERATURE = 1.0
OFF_PATH = 0.3
"""A service that the paged one does not depend on, even indirectly, is suspected so much less."""
OTHER_GROUND = 0.3
"""Lost time says so much about a page for failures, and failures about one for lost time."""
TOLD = 0.5
"""What a service suffers weighs so much where something below it stands out by ``TOLD_SHARE``."""
TOLD_SHARE = 0.6
_PAGED = frozenset({Ground.TIME, Ground.FAILURES, Ground.MISSING})
"""Grounds that a page may be about."""
_SUFFERED = frozenset({Ground.FAILURES, Ground.LINES})
"""What a service shows because of what it depends on."""
_HURTS = frozenset({Ground.TIME, Ground.FAILURES, Ground.LINES, Ground.CALLS, Ground.GONE})
"""What keeps a caller from its other calls: a callee that merely is asked less does not."""


class Suspect(NamedTuple):
    """A service, how probable it is that it is the cause, and why."""

    service: str
    score: float
    probability: float
    reasons: tuple[Reason, ...]
    """Strongest first, as they were weighed."""

    @property
    def suffered(self) -> float:
        """How much it shows of what others may have done to it."""
        return sum(reason.weight for reason in self.reasons if reason.ground in _SUFFERED)


class Ranking(NamedTuple):
    """Every service for which anything speaks, best first."""

    suspects: tuple[Suspect, ...]
    nothing: float
    """Probability that none of them is."""


def _ground_of(page: Page | None) -> Ground | None:
    """What a page is about, as far as its metric's name says."""
    measure = family(page.metric).measure if page is not None else None
    if measure is Measure.LATENCY:
        return Ground.TIME
    if measure in (Measure.FAILURES, Measure.AVAILABILITY):
        return Ground.FAILURES
    return None


def topology(history: History) -> dict[str, frozenset[str]]:
    """Whom each service calls: as the manifest says, and as spans show."""
    below: dict[str, set[str]] = defaultdict(set)
    for caller, callee in (*history.known_calls, *history.traces.gaps):
        below[caller].add(callee)
    return {caller: frozenset(called) for caller, called in below.items()}


def dependencies(callees: Mapping[str, frozenset[str]], root: str) -> frozenset[str]:
    """The service and all that it reaches."""
    found, frontier = {root}, [root]
    while frontier:
        for callee in callees.get(frontier.pop(), frozenset()) - found:
            found.add(callee)
            frontier.append(callee)
    return frozenset(found)


def gather(
    history: History, callees: Mapping[str, frozenset[str]], stretch: Stretch, paged: str = ""
) -> list[Reason]:
    """Everything that speaks for any service, over all kinds of telemetry."""
    spans = span_evidence(history.traces, callees, stretch.from_s, stretch.to_s)
    metrics = metric_evidence(history, callees, stretch, spans.losses, paged)
    lines = line_reasons(history, callees, stretch.from_s, stretch.to_s)
    return [*spans.reasons, *metrics.reasons, *lines]


def _discount_told(
    weighed: Mapping[str, dict[Ground, Reason]], callees: Mapping[str, frozenset[str]]
) -> None:
    """Weigh what a service suffers less where something that it depends on suffers as much."""
    scores = {name: sum(r.weight for r in by.values()) for name, by in weighed.items()}
    hurts = {
        name: sum(reason.weight for ground, reason in by.items() if ground in _HURTS)
        for name, by in weighed.items()
    }
    for name, by in weighed.items():
        below = dependencies(callees, name) - {name}
        told: set[Ground] = set()
        if max((scores.get(each, 0.0) for each in below), default=0.0) >= TOLD_SHARE * scores[name]:
            told |= _SUFFERED
        if max((hurts.get(each, 0.0) for each in below), default=0.0) >= TOLD_SHARE * scores[name]:
            told.add(Ground.MISSING)
        for ground in told & by.keys():
            by[ground] = by[ground]._replace(weight=TOLD * by[ground].weight)


def ranked(
    services: Sequence[str],
    reasons: Sequence[Reason],
    callees: Mapping[str, frozenset[str]],
    page: Page | None,
) -> Ranking:
    """The services by how much speaks for them; telemetry that names others suspects nobody."""
    there = frozenset(services)
    on_path = dependencies(callees, page.service) if page is not None and callees else there
    asked = _ground_of(page)
    weighed: dict[str, dict[Ground, Reason]] = defaultdict(dict)
    for reason in reasons:
        if reason.service not in there:
            continue
        part = GROUND_WEIGHT[reason.ground] * (1.0 if reason.service in on_path else OFF_PATH)
        if asked is not None and reason.ground in _PAGED and reason.ground is not asked:
            part *= OTHER_GROUND
        reason = reason._replace(weight=min(MOST_OF_GROUND, reason.weight) * part)
        known = weighed[reason.service].get(reason.ground)
        if known is None or reason.weight > known.weight:
            weighed[reason.service][reason.ground] = reason
    if not weighed:
        return Ranking((), 1.0)
    _discount_told(weighed, callees)
    scores = {name: sum(r.weight for r in by.values()) for name, by in weighed.items()}
    odds = [NOTHING / TEMPERATURE, *(score / TEMPERATURE for score in scores.values())]
    nothing, *shares = softmax(odds)
    suspects = [
        Suspect(
            name,
            scores[name],
            share,
            tuple(sorted(weighed[name].values(), key=lambda r: -r.weight)),
        )
        for name, share in zip(scores, shares, strict=True)
    ]
    suspects.sort(key=lambda suspect: -suspect.score)
    return Ranking(tuple(suspects), nothing)
