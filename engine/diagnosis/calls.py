"""How much each service is in trouble, and how much of it its own callees explain (pure).

For calls that somebody counts one by one. A request that fails downstream fails upstream too, so
failures are accounted like money: of what came in failed, what failed on the calls a service made
itself is explained by its callees; the rest is its own. Time is accounted the same way. A link that
carries no requests of its own (a database's) shows refused connections but not failed statements,
so what looks like a caller's own trouble may still be its database's.

A suspect earns the trouble of every service that a fault of it would explain: its own part in full,
its direct and indirect callers' by the part that the calls on the way to it account for. So the
deepest service whose failures no call of its own explains wins, and a database wins when several of
its callers fail together while none has another reason (the ordering of "deepest anomalous"
methods, e.g. MicroRCA, NOMS 2020, as a naive-Bayes score).
"""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

from engine.diagnosis.evidence import Ground, Reason
from engine.senses.bayes import log_bayes_factor
from engine.telemetry.series import Counts, LinkSeries

Links = Mapping[tuple[str, str], LinkSeries]
"""By caller and callee."""

RECENT_MS = 10_500
TEMPERED = 0.5
"""Of what a Bayes factor says: witnesses of one fault are not independent."""
MOST_WEIGHT = 12.0
"""One service's failures move the odds by at most this, before they are tempered."""
MOST_EARNED = 16.0
"""The best suspect earns at most this; the others in proportion."""
PER_WEIGHT = 0.5
"""Of the ground's weight in a ranking, which bounds every single reason."""
OVER_MS = 4_500
ONSET_GAP_MS = 4_500
ONSET_REACH_MS = 90_000
LEAST_BAD = 3
HIDDEN_SHARE = 0.8
"""So much of a caller's own trouble may be that of a callee whose failures no link counts."""
UNHARMED = -1.5
"""Such a callee is cleared this much by each caller that does well."""
LEAST_ATTEMPTS = 10
LEAST_WEIGHT = 0.05


class Trouble(NamedTuple):
    """One service, as the calls into it and out of it show it."""

    service: str
    ground: Ground
    """``FAILURES`` or ``TIME``, whichever is worse."""
    weight: float
    """Natural-log odds, tempered, that calls into it fail, or are late, beyond habit."""
    late_weight: float
    """The weight of lateness alone."""
    caller: str
    """Who sees most of it."""
    attempts: int
    callee_shares: dict[str, float]
    """Part of the trouble that the calls to each callee would explain."""
    onset_ms: int | None
    """When it began, as far as the counts show."""
    unanswered: int
    """Callers whose bytes get no bytes back."""

    @property
    def own_share(self) -> float:
        """Part of the trouble that no call it made explains."""
        return max(0.0, 1.0 - sum(self.callee_shares.values()))


class Earned(NamedTuple):
    """What one service's trouble says for or against a suspect."""

    suspect: str
    weight: float
    trouble: Trouble


class Graph(NamedTuple):
    """Who is called by whom."""

    reached_by: Mapping[str, frozenset[str]]
    """All that reach a service, directly or through others, itself included."""
    hidden: Mapping[str, frozenset[str]]
    """Callers of a service whose failed statements no link counts."""


def troubles(services: Sequence[str], links: Links, now_ms: int) -> dict[str, Trouble]:
    """Every service, in the order given."""
    return {service: _trouble(service, links, now_ms) for service in services}


def earned(seen: Mapping[str, Trouble], graph: Graph) -> list[Earned]:
    """What each service's trouble says of each suspect, where it says anything."""
    found = []
    for suspect in seen:
        hidden = graph.hidden.get(suspect, frozenset())
        for name, trouble in seen.items():
            weight = trouble.weight * _explained(suspect, trouble, graph)
            if name in hidden and trouble.weight <= 0 and trouble.attempts >= LEAST_ATTEMPTS:
                weight = UNHARMED
            if abs(weight) >= LEAST_WEIGHT:
                found.append(Earned(suspect, weight, trouble))
    return found


def call_reasons(found: Sequence[Earned]) -> list[Reason]:
    """One reason for each suspect: who is ahead goes by what is earned, how much by what is usual."""
    by_suspect: dict[str, list[Earned]] = defaultdict(list)
    for each in found:
        by_suspect[each.suspect].append(each)
    totals = {name: sum(each.weight for each in of) for name, of in by_suspect.items()}
    most = max(totals.values(), default=0.0)
    if most <= 0:
        return []
    part = min(1.0, MOST_EARNED / most)
    reasons = []
    for name, total in totals.items():
        strongest = max(by_suspect[name], key=lambda each: each.weight).trouble
        if total > 0:
            weight = PER_WEIGHT * part * total
            reasons.append(Reason(name, Ground.CALLS, weight, "calls", strongest.caller))
    return reasons


def _explained(suspect: str, trouble: Trouble, graph: Graph) -> float:
    """The part of a service's trouble that a fault of ``suspect`` accounts for."""
    if trouble.service == suspect:
        return trouble.own_share
    reached_by: Collection[str] = graph.reached_by.get(suspect, frozenset({suspect}))
    on_the_way = sum(s for callee, s in trouble.callee_shares.items() if callee in reached_by)
    if trouble.service in graph.hidden.get(suspect, frozenset()):
        on_the_way += HIDDEN_SHARE * trouble.own_share
    return min(1.0, on_the_way)


# --- one service's account -----------------------------------------------------------------------


def _trouble(service: str, links: Links, now_ms: int) -> Trouble:
    into = {caller: at for (caller, callee), at in links.items() if callee == service}
    failures, worst = _weight(into, Ground.FAILURES, now_ms)
    late, latest = _weight(into, Ground.TIME, now_ms)
    ground, weight, caller = Ground.FAILURES, failures, worst
    if late > failures:
        ground, weight, caller = Ground.TIME, late, latest
    return Trouble(
        service=service,
        ground=ground,
        weight=weight,
        late_weight=late,
        caller=caller,
        attempts=sum(_recent(at, now_ms).attempts for at in into.values()),
        callee_shares=_callee_shares(service, links, into, ground, now_ms),
        onset_ms=_onset(into, ground, now_ms) if weight > 0 else None,
        unanswered=sum(_is_unanswered(at, now_ms) for at in into.values()),
    )


def _recent(series: LinkSeries, now_ms: int) -> Counts:
    return series.counts(now_ms - RECENT_MS, now_ms)


def _bad(counts: Counts, ground: Ground) -> int:
    return counts.failures if ground is Ground.FAILURES else counts.late


def _weight(into: Mapping[str, LinkSeries], ground: Ground, now_ms: int) -> tuple[float, str]:
    """The strongest of the calls into a service, and who makes it."""
    best, worst = 0.0, ""
    for caller, series in into.items():
        counts, habit = _recent(series, now_ms), series.habit
        usual = habit.error_share if ground is Ground.FAILURES else habit.late_share
        bad = _bad(counts, ground)
        factor = log_bayes_factor(bad, counts.attempts, usual, habit.requests)
        if bad >= LEAST_BAD and factor > best and not _is_over(series, ground, now_ms):
            best, worst = min(MOST_WEIGHT, factor), caller
    return TEMPERED * best, worst


def _is_over(series: LinkSeries, ground: Ground, now_ms: int) -> bool:
    """Whether the calls of the last seconds were all good: what was, is not what is."""
    counts = series.counts(now_ms - OVER_MS, now_ms)
    return counts.attempts >= 5 and not _bad(counts, ground)


def _is_unanswered(series: LinkSeries, now_ms: int) -> bool:
    """Whether bytes go to the callee and none come back: alive to the kernel, and to nobody else."""
    counts = series.counts(now_ms - OVER_MS, now_ms)
    return counts.asked_bytes > 0 and not counts.answered_bytes and counts.span_ms >= 1_500


def _callee_shares(
    service: str, links: Links, into: Mapping[str, LinkSeries], ground: Ground, now_ms: int
) -> dict[str, float]:
    """Which part of what fails (or lasts) on the way in, fails (or lasts) on each way out."""
    incoming = sum(_amount(series, ground, now_ms) for series in into.values())
    if incoming <= 0:
        return {}
    shares = {}
    for (caller, callee), series in links.items():
        if caller == service:
            share = min(1.0, _amount(series, ground, now_ms) / incoming)
            if share > 0:
                shares[callee] = share
    return shares


def _amount(series: LinkSeries, ground: Ground, now_ms: int) -> float:
    """Failures, or milliseconds beyond habit (late requests where time is not told)."""
    counts = _recent(series, now_ms)
    if ground is Ground.FAILURES:
        return counts.failures
    usual = series.habit.mean_ms
    if counts.busy_ms and usual is not None:
        return max(0.0, counts.busy_ms - usual * counts.requests)
    return 1_000.0 * counts.late


def _onset(into: Mapping[str, LinkSeries], ground: Ground, now_ms: int) -> int | None:
    """Beginning of the newest unbroken run of bad counts."""
    begins = sorted(
        (step.begin_ms, step.end_ms)
        for series in into.values()
        for step in series.steps(now_ms - ONSET_REACH_MS, now_ms)
        if _bad(step.counts, ground) * 20 >= step.counts.attempts > 0 and _bad(step.counts, ground)
    )
    onset_ms = None
    for begin_ms, end_ms in reversed(begins):
        if onset_ms is not None and onset_ms - end_ms > ONSET_GAP_MS:
            break
        onset_ms = begin_ms if onset_ms is None else min(onset_ms, begin_ms)
    return onset_ms
