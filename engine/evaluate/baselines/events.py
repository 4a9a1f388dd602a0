"""Baselines over spans and logs, and over what was changed (pure)."""

from collections import Counter, defaultdict
from collections.abc import Callable
from math import sqrt

import numpy as np
from msgspec.structs import replace

from engine.diagnosis.diffs import words_of
from engine.evaluate.baselines.metrics import robust_floor, stretch_of
from engine.evaluate.senses import Answer, Question, Ranked
from engine.telemetry.history import History

Diagnose = Callable[[History, Question], Answer]


WARNING_WEIGHT = 0.5
"""Of a line at the level of a warning, where errors count 1: the variant that did best here."""


def alert_service(history: History, question: Question) -> Answer:
    """Whoever was paged; nobody where nobody was."""
    if question.page is None:
        return Answer()
    return Answer((Ranked(question.page.service, 1.0),), 0.5)


def spans_and_logs(history: History, question: Question) -> Answer:
    """Services by the largest of: median own or edge time against before, error-line count against before."""
    return _by_spans_and_lines(history, question, (0.0, 0.0, 1.0))


def spans_and_warnings(history: History, question: Question) -> Answer:
    """The same, where lines at the level of a warning count too, but less."""
    return _by_spans_and_lines(history, question, (0.0, WARNING_WEIGHT, 1.0))


def _by_spans_and_lines(
    history: History, question: Question, weights: tuple[float, float, float]
) -> Answer:
    """``weights``: what a line counts, by its loudness."""
    stretch = stretch_of(history, question)
    scores: dict[str, float] = defaultdict(float)
    places = [
        *((edge.callee, binned) for edge, binned in history.traces.gaps.items()),
        *((operation.service, binned) for operation, binned in history.traces.work.items()),
    ]
    for service, binned in places:
        before = [v for b in binned.between(float("-inf"), stretch.from_s) for v in b.values]
        within = [v for b in binned.between(stretch.from_s, stretch.to_s) for v in b.values]
        if len(before) < 5 or len(within) < 3:
            continue
        middle = float(np.median(before))
        spread = max(
            1.4826 * float(np.median(np.abs(np.array(before) - middle))), 0.05 * middle, 0.1
        )
        scores[service] = max(scores[service], (float(np.quantile(within, 0.75)) - middle) / spread)
    began_s = history.logs_from_s or stretch.from_s
    part = (stretch.to_s - stretch.from_s) / max(1.0, stretch.from_s - began_s)
    for key, counted in history.logs.items():
        if not weights[key.loudness]:
            continue
        usual = part * sum(b.count for b in counted.between(float("-inf"), stretch.from_s))
        came = sum(b.count for b in counted.between(stretch.from_s, stretch.to_s))
        scores[key.service] = max(
            scores[key.service], weights[key.loudness] * (came - usual) / sqrt(usual + 1.0)
        )
    if not scores:
        return robust_floor(history, question)
    ordered = sorted(scores.items(), key=lambda pair: (-pair[1], pair[0]))
    return Answer(tuple(Ranked(name, score) for name, score in ordered), 0.5)


def constant(history: History, question: Question) -> Answer:
    """Every service alike: chance."""
    return Answer(
        tuple(Ranked(name, 1.0) for name in history.services), 1.0 / len(history.services)
    )


# --- changes ---------------------------------------------------------------------------------------


def _blaming(choose: Callable[[History, Question], str]) -> Diagnose:
    """A method that chooses a change and ranks services by robust deviation."""

    def diagnose(history: History, question: Question) -> Answer:
        ref = choose(history, question) if history.changes else None
        return replace(robust_floor(history, question), culprit_ref=ref)

    return diagnose


def _latest(history: History, question: Question) -> str:
    before = [c for c in history.changes if c.kind != "commit" and c.at_s <= question.since_s]
    return before[-1].ref if before else "none"


def _by_keywords(history: History, question: Question) -> str:
    """The change whose diff, files and summary share most words with the page and the error lines."""
    words: Counter[str] = Counter(words_of(question.page.summary if question.page else ""))
    for key in history.logs:
        if key.loudness == 2:
            words.update(words_of(history.templates.text(key.template)))
    best, most = "none", 0
    for change in history.changes:
        shared = len(
            set(words_of(f"{change.summary} {' '.join(change.files)} {change.diff}")) & words.keys()
        )
        if change.at_s <= question.since_s and shared > most:
            best, most = change.ref, shared
    return best


latest_deploy = _blaming(_latest)
keywords = _blaming(_by_keywords)
never = _blaming(lambda history, question: "none")
