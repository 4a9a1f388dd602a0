"""How much each service is in trouble, and how much of it its own callees explain (pure).

A request that fails downstream fails upstream too. Failures are therefore accounted like money:
of what came in failed, what failed on the calls a service made itself is explained by its callees;
the rest is its own. Time is accounted the same way. A TCP link shows refused connections but not
failed statements, so what looks like a caller's own trouble may still be its database's.
"""

import msgspec

from engine.agents.prediction import forecasts
from engine.senses.bayes import log_bayes_factor
from engine.telemetry.samples import HealthAnswer
from engine.telemetry.series import Counts, LinkSeries
from engine.telemetry.window import Window
from engine.topology import Manifest
from engine.vocabulary import ServiceName, SignalKind

RECENT_MS = 10_500
MOST_WEIGHT = 12.0
"""One service's failures move the odds by at most this: requests are no independent witnesses."""
ALERT_WEIGHT = 9.0
"""Of an alert in another system: enough to stand out alone, less than what was seen here."""
OVER_MS = 4_500
ONSET_GAP_MS = 4_500
ONSET_REACH_MS = 90_000
CHANGE_REACH_MS = 120_000


class Trouble(msgspec.Struct, frozen=True):
    """One service, as the calls into it and out of it, its health and its status show it."""

    service: ServiceName
    weight: float = 0.0
    """Natural-log odds that calls into it fail, or are late, beyond habit."""
    kind: SignalKind = SignalKind.ERRORS
    """Which of the two."""
    late_weight: float = 0.0
    """The weight of lateness alone."""
    caller: str = ""
    """Who sees most of it."""
    attempts: int = 0
    own_share: float = 1.0
    """Part of the trouble that no call it made explains."""
    callee_shares: dict[ServiceName, float] = {}
    """Part of the trouble that the calls to each callee would explain."""
    gone: int = 0
    """How many times in a row its status said gone."""
    refused: int = 0
    """Health questions refused in a row."""
    silent: int = 0
    """Health questions without an answer in a row."""
    unwell: int = 0
    """Health questions answered with a failure in a row."""
    unanswered: int = 0
    """Callers whose bytes get no bytes back."""
    alerts: int = 0
    """Alerts of other systems that fire about it."""
    running_out: SignalKind | None = None
    """What of it is on its way to its limit, soonest first."""
    onset_ms: int | None = None
    """When its trouble began, as far as the window shows."""
    changed_ms: int | None = None
    """When its last release change went live, if that is not long ago."""


def troubles(window: Window, manifest: Manifest, now_ms: int) -> dict[ServiceName, Trouble]:
    """Every service of the manifest, in its order."""
    return {spec.name: _trouble(window, spec.name, now_ms) for spec in manifest.service}


def _trouble(window: Window, service: ServiceName, now_ms: int) -> Trouble:
    into = {caller: at for (caller, callee), at in window.links.items() if callee == service}
    errors, worst = _weight(into, SignalKind.ERRORS, now_ms)
    late, latest = _weight(into, SignalKind.LATENCY, now_ms)
    kind, weight, caller = SignalKind.ERRORS, errors, worst
    if late > errors:
        kind, weight, caller = SignalKind.LATENCY, late, latest
    shares = _callee_shares(window, service, into, kind, now_ms)
    firing = window.alerts(service)
    if firing:
        weight = max(weight, ALERT_WEIGHT)
    gone, gone_ms = window.dead_for(service, now_ms)
    ahead = next((f for f in forecasts(window, now_ms) if f.signal.service == service), None)
    onset_ms = _onset(into, kind, now_ms) if weight > 0 else None
    if firing and (onset_ms is None or firing[0].at_ms < onset_ms):
        onset_ms = firing[0].at_ms
    if gone and (onset_ms is None or now_ms - gone_ms < onset_ms):
        onset_ms = now_ms - gone_ms
    if ahead is not None and onset_ms is None:
        onset_ms = ahead.began_ms
    return Trouble(
        service=service,
        weight=weight,
        kind=kind,
        late_weight=late,
        caller=caller,
        attempts=sum(_recent(at, now_ms).attempts for at in into.values()),
        own_share=max(0.0, 1.0 - sum(shares.values())),
        callee_shares=shares,
        gone=gone,
        refused=_run(window, service, HealthAnswer.REFUSED, now_ms),
        silent=_run(window, service, HealthAnswer.SILENT, now_ms),
        unwell=_run(window, service, HealthAnswer.UNWELL, now_ms),
        unanswered=sum(is_unanswered(at, now_ms) for at in into.values()),
        alerts=min(len(firing), 4),
        running_out=ahead.signal.kind if ahead is not None else None,
        onset_ms=onset_ms,
        changed_ms=changed_ms(window, service, now_ms),
    )


def _recent(series: LinkSeries, now_ms: int) -> Counts:
    return series.counts(now_ms - RECENT_MS, now_ms)


def _bad(counts: Counts, kind: SignalKind) -> int:
    return counts.failures if kind is SignalKind.ERRORS else counts.late


def _weight(into: dict[str, LinkSeries], kind: SignalKind, now_ms: int) -> tuple[float, str]:
    """The strongest of the calls into a service, and who makes it."""
    best, worst = 0.0, ""
    for caller, series in into.items():
        counts, habit = _recent(series, now_ms), series.habit
        usual = habit.error_share if kind is SignalKind.ERRORS else habit.late_share
        bad = _bad(counts, kind)
        factor = log_bayes_factor(bad, counts.attempts, usual, habit.requests)
        if bad >= 3 and factor > best and not _is_over(series, kind, now_ms):
            best, worst = min(MOST_WEIGHT, factor), caller
    return best, worst


def _is_over(series: LinkSeries, kind: SignalKind, now_ms: int) -> bool:
    """Whether the calls of the last seconds were all good: what was, is not what is."""
    counts = series.counts(now_ms - OVER_MS, now_ms)
    return counts.attempts >= 5 and not _bad(counts, kind)


def is_unanswered(series: LinkSeries, now_ms: int) -> bool:
    """Whether bytes go to the callee and none come back: alive to the kernel, and to nobody else."""
    counts = series.counts(now_ms - OVER_MS, now_ms)
    return counts.asked_bytes > 0 and not counts.answered_bytes and counts.span_ms >= 1_500


def _callee_shares(
    window: Window,
    service: ServiceName,
    into: dict[str, LinkSeries],
    kind: SignalKind,
    now_ms: int,
) -> dict[ServiceName, float]:
    """Which part of what fails (or lasts) on the way in, fails (or lasts) on each way out."""
    incoming = sum(_amount(series, kind, now_ms) for series in into.values())
    if incoming <= 0:
        return {}
    shares = {}
    for (caller, callee), series in window.links.items():
        if caller == service:
            share = min(1.0, _amount(series, kind, now_ms) / incoming)
            if share > 0:
                shares[callee] = share
    return shares


def _amount(series: LinkSeries, kind: SignalKind, now_ms: int) -> float:
    """Failures, or milliseconds beyond habit (late requests where time is not told)."""
    counts = _recent(series, now_ms)
    if kind is SignalKind.ERRORS:
        return counts.failures
    usual = series.habit.mean_ms
    if counts.busy_ms and usual is not None:
        return max(0.0, counts.busy_ms - usual * counts.requests)
    return 1_000.0 * counts.late


def _onset(into: dict[str, LinkSeries], kind: SignalKind, now_ms: int) -> int | None:
    """Beginning of the newest unbroken run of bad scrapes."""
    begins = sorted(
        (step.begin_ms, step.end_ms)
        for series in into.values()
        for step in series.steps(now_ms - ONSET_REACH_MS, now_ms)
        if _bad(step.counts, kind) * 20 >= step.counts.attempts > 0 and _bad(step.counts, kind)
    )
    onset_ms = None
    for begin_ms, end_ms in reversed(begins):
        if onset_ms is not None and onset_ms - end_ms > ONSET_GAP_MS:
            break
        onset_ms = begin_ms if onset_ms is None else min(onset_ms, begin_ms)
    return onset_ms


def changed_ms(window: Window, service: ServiceName, now_ms: int) -> int | None:
    """When the newest release change went live; None when there was none of late."""
    status = window.status(service)
    if status is None or len(status.changes) < 2:
        return None
    since_ms = status.changes[-1].live_since_ms
    return since_ms if since_ms > now_ms - CHANGE_REACH_MS else None


def _run(window: Window, service: ServiceName, answer: HealthAnswer, now_ms: int) -> int:
    """How many times in a row, up to now, a health question got exactly this answer."""
    run = 0
    for given in reversed(window.answers(service, now_ms - 10_000, now_ms)):
        if given is not answer:
            break
        run += 1
    return run
