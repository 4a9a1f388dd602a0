"""Root-cause baselines over metrics alone (pure).

``n_sigma``: largest deviation in standard deviations. ``baro``: the robust scorer of BARO (FSE
2024), here in both directions. ``robust_floor``: medians with a relative floor. ``traversal`` and
``ranked_correlation``: the two baselines of PetShop's own repository (CLeaR 2024), over services
whose metric of the paged name is anomalous. Equal scores stay equal: the scorer ranks them by
expectation, not by the order of a set.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from engine.diagnosis.deviation import Cut, Stretch, cut
from engine.diagnosis.families import Measure, family
from engine.diagnosis.ranking import dependencies, topology
from engine.evaluate.senses import Answer, Question, Ranked
from engine.telemetry.history import History

Floats = NDArray[np.float64]
Score = Callable[[Floats, Floats], float]
"""How strange the values within a stretch are after those before it."""

NOTICED_STEPS = 2
LEAST_BEFORE = 8
ANOMALOUS = 0.01
"""A value that habit reaches no more often is anomalous: the variant that did best here."""
UNSPREAD = 1e6
STRANGEST = 3
"""Metrics of a service whose mean is its score: the variant that did best here."""


def stretch_of(history: History, question: Question) -> Stretch:
    """The time that baselines look at: the same as the engine's own diagnosis."""
    lead_s = 0.0 if question.told else NOTICED_STEPS * history.step_s
    page = question.page
    return Stretch(question.since_s - lead_s, question.now_s, page.at_s if page else None)


def _sigmas(before: Floats, within: Floats) -> float:
    spread = float(before.std())
    return float((within - before.mean()).max()) / spread if spread > 0 else 0.0


def _interquartiles(before: Floats, within: Floats) -> float:
    low, middle, high = np.quantile(before, [0.25, 0.5, 0.75])
    spread = float(high - low)
    return abs(float(np.median(within) - middle)) / spread if spread > 0 else 0.0


def _robust(before: Floats, within: Floats) -> float:
    middle = float(np.median(before))
    spread = 1.4826 * float(np.median(np.abs(before - middle)))
    floor = max(spread, 0.05 * abs(middle), 1e-9)
    return abs(float(np.median(within)) - middle) / floor


def _largest(score: Score) -> Callable[[History, Question], Answer]:
    """Ranks services by their three strangest metrics (of the paged name, where one was paged)."""

    def diagnose(history: History, question: Question) -> Answer:
        stretch = stretch_of(history, question)
        paged = question.page.metric if question.page else None
        strange: dict[str, list[float]] = {}
        for (service, metric), series in history.series.items():
            if paged is not None and metric != paged:
                continue
            each = cut(series, *stretch)
            if len(each.before) >= LEAST_BEFORE and len(each.within):
                strange.setdefault(service, []).append(score(each.before, each.within))
        means = {name: float(np.mean(sorted(each)[-STRANGEST:])) for name, each in strange.items()}
        return _answer(means)

    return diagnose


n_sigma = _largest(_sigmas)
baro = _largest(_interquartiles)
robust_floor = _largest(_robust)


def _answer(scores: dict[str, float]) -> Answer:
    ordered = sorted(scores.items(), key=lambda pair: (-pair[1], pair[0]))
    return Answer(tuple(Ranked(name, score) for name, score in ordered), 0.5 if ordered else 0.0)


# --- with the call graph, or with correlation ------------------------------------------------------


def _anomalous(history: History, question: Question) -> tuple[dict[str, Cut], dict[str, float]]:
    """The paged metric of every service, and the deviation of those that are anomalous."""
    assert question.page is not None
    stretch = stretch_of(history, question)
    falls = family(question.page.metric).measure is Measure.AVAILABILITY
    cuts: dict[str, Cut] = {}
    strange: dict[str, float] = {}
    for (service, metric), series in history.series.items():
        if metric != question.page.metric:
            continue
        each = cut(series, *stretch)
        if len(each.before) < LEAST_BEFORE or not len(each.within):
            continue
        cuts[service] = each
        now = each.within[each.focus] if each.focus >= 0 else np.median(each.within)
        as_far = np.count_nonzero(each.before <= now if falls else each.before >= now)
        if (1 + as_far) / (1 + len(each.before)) <= ANOMALOUS:
            spread = float(each.before.std())
            off = abs(float(now) - float(each.before.mean()))
            strange[service] = off / spread if spread > 0 else off * UNSPREAD
    return cuts, strange


def traversal(history: History, question: Question) -> Answer:
    """The anomalous services that the paged one reaches over anomalous ones, and none below."""
    if question.page is None:
        return robust_floor(history, question)
    _, strange = _anomalous(history, question)
    callees = topology(history)
    root = question.page.service
    reached, frontier = set[str](), [root] if root in strange else []
    while frontier:
        service = frontier.pop()
        reached.add(service)
        below = callees.get(service, frozenset())
        frontier += [callee for callee in below if callee in strange and callee not in reached]
    ends = {s: strange[s] for s in reached if not callees.get(s, frozenset()) & strange.keys()}
    return _answer(ends)


def ranked_correlation(history: History, question: Question) -> Answer:
    """Anomalous services by how their metric correlates with the paged one."""
    if question.page is None:
        return robust_floor(history, question)
    cuts, strange = _anomalous(history, question)
    target = cuts.get(question.page.service)
    if target is None:
        return Answer()
    scores = {}
    within = dependencies(topology(history), question.page.service)
    for service in strange.keys() & within - {question.page.service}:
        scores[service] = abs(_correlation(cuts[service].within, target.within))
    return _answer(scores)


def _correlation(one: Floats, other: Floats) -> float:
    shared = min(len(one), len(other))
    if shared < 2:
        return 0.0
    a, b = one[-shared:], other[-shared:]
    if a.std() == 0 or b.std() == 0:
        return 0.0
    return float(np.corrcoef(a, b)[0, 1])
