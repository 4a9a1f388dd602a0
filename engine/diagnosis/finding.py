"""The answer to "what broke?": a ranking with its confidence, or that nothing did (pure)."""

from collections.abc import Sequence
from math import exp, log
from typing import NamedTuple

import numpy as np

from engine.diagnosis.deviation import Stretch, cut
from engine.diagnosis.evidence import Reason
from engine.diagnosis.families import Measure, family
from engine.diagnosis.ranking import Ranking, Suspect, gather, ranked, topology
from engine.telemetry.context import Page
from engine.telemetry.history import History
from engine.telemetry.rates import rated

LEAD_STEPS = 2
"""Trouble that somebody noticed began up to so many samples before."""
LEAST_STRETCH_S = 300.0
CHANCE = 0.05
"""A paged value that habit exceeds as often as this may be chance: the level of the test."""
PLAIN = 2.0
"""Odds of the best suspect that make trouble plain, whatever the paged signal itself did."""
LEAST_SCORE = 0.05
RULED_OUT = 0.05
MOST_RULED_OUT = 8


class Finding(NamedTuple):
    """What diagnosis found."""

    ranking: Ranking
    confidence: float
    """Probability that the first of the ranking is the cause."""
    stretch: Stretch

    @property
    def conclusive(self) -> bool:
        """Whether anything is found at all."""
        return bool(self.ranking.suspects)

    @property
    def ruled_out(self) -> tuple[Suspect, ...]:
        """Services that look bad and are not the cause, worst looking first."""
        best = self.ranking.suspects[0].score if self.conclusive else 0.0
        looked = [s for s in self.ranking.suspects[1:] if s.score < RULED_OUT * best]
        return tuple(sorted(looked, key=lambda s: -s.suffered)[:MOST_RULED_OUT])


NOTHING_FOUND = Ranking((), 1.0)


def find(
    history: History,
    since_s: float,
    now_s: float,
    page: Page | None,
    *,
    told: bool,
    known: Sequence[Reason] = (),
) -> Finding:
    """What broke at about ``since_s``, as far as is known at ``now_s``.

    ``told`` says that ``since_s`` is when it began; else it is when somebody noticed. With a page
    the question is about the paged signal: unless that, or what it depends on, is off its habit,
    nothing is found. ``known`` are reasons from what no history holds: calls that are counted one
    by one (``engine.diagnosis.calls``) and facts about a live system (``engine.diagnosis.facts``).
    """
    lead_s = 0.0 if told else LEAD_STEPS * history.step_s
    stretch = Stretch(since_s - lead_s, now_s, page.at_s if page is not None else None)
    callees = topology(history)
    reasons = gather(history, callees, stretch, page.metric if page is not None else "")
    reasons += known
    ranking = ranked(history.services, reasons, callees, page)
    suspects = tuple(s for s in ranking.suspects if s.score >= LEAST_SCORE)
    if not suspects or (page is not None and not _is_real(history, page, stretch, suspects[0])):
        return Finding(NOTHING_FOUND, 0.0, stretch)
    ranking = ranking._replace(suspects=suspects)
    return Finding(ranking, confidence([s.score for s in suspects]), stretch)


def _is_real(history: History, page: Page, stretch: Stretch, best: Suspect) -> bool:
    """Whether the paged signal is off its habit by more than chance, or trouble is plain anyway."""
    if best.score >= PLAIN:
        return True
    series = history.series.get((page.service, page.metric))
    if series is None:
        return False
    paged = cut(rated(page.metric, series), *stretch)
    if paged.focus < 0 or not len(paged.before):
        return False
    off = paged.before - np.median(paged.before)
    now = paged.within[paged.focus] - np.median(paged.before)
    measure = family(page.metric).measure
    if measure in (Measure.LATENCY, Measure.FAILURES):
        as_far = np.count_nonzero(off >= now)
    elif measure is Measure.AVAILABILITY:
        as_far = np.count_nonzero(off <= now)
    else:
        as_far = np.count_nonzero(np.abs(off) >= abs(now))
    return bool((1 + as_far) / (1 + len(off)) <= CHANCE)


LEAD_WEIGHT = 1.6
STRENGTH_WEIGHT = 0.5
DOUBT = -0.6
"""Log odds of being right as a function of the lead over the second and of the best score: three
numbers set by hand; how they hold is measured in ``docs/senses.md``."""


def confidence(scores: Sequence[float]) -> float:
    """Probability that the first is the cause; ``scores`` are the ranking's, best first."""
    first, second = scores[0], scores[1] if len(scores) > 1 else LEAST_SCORE
    lead = log(first / max(second, LEAST_SCORE))
    odds = DOUBT + LEAD_WEIGHT * lead + STRENGTH_WEIGHT * log(1.0 + first)
    return 1.0 / (1.0 + exp(-odds))
