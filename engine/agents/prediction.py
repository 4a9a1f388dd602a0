"""Prediction: will a limit be crossed, when, and does it heal by itself (pure).

A straight line by least squares over the last 40 s, in bins of 5 s (as Prometheus'
``predict_linear``), with an interval from the slope's standard error. Modest and calm on purpose:
a forecast is made only for a clear slope over enough bins, of a signal that has not crossed yet,
within the next two minutes; otherwise nothing is said.
"""

import msgspec

from engine.agents.likelihood import Judgement
from engine.telemetry.series import Counts, LinkSeries
from engine.telemetry.window import Window
from engine.topology import Manifest
from engine.vocabulary import (
    MAX_ITEMS,
    Evidence,
    Plan,
    ServiceName,
    Signal,
    SignalKind,
    Verdict,
)

BIN_MS = 5_000
BINS = 8
LEAST_BINS = 6
LEAST_REQUESTS = 20
"""In a bin: with fewer, a share or a mean says too little."""
CLEAR_SLOPE = 5.0
"""A slope is one when it is this many standard errors from none."""
NEAREST_MS = 3_000
FURTHEST_MS = 120_000
ERROR_LIMIT_SHARE = 0.05
LEAST_BAD = 3
NOW_MS = 4_500
BEFORE_MS = 13_500
LEAST_TIME_LEFT_MS = 1_000


class Forecast(msgspec.Struct, frozen=True):
    """A limit that will be crossed, if it goes on like this."""

    signal: Signal
    crosses_at_ms: int
    earliest_ms: int
    latest_ms: int


class _Line(msgspec.Struct, frozen=True):
    value: float
    """Fitted, at the end of the data."""
    slope: float
    """A millisecond."""
    error: float
    """Standard error of the slope."""


def forecasts(window: Window, manifest: Manifest, now_ms: int) -> tuple[Forecast, ...]:
    """The crossings to be expected, soonest first; empty while all is level."""
    if window.is_stale(now_ms):
        return ()
    found = []
    # A share below the objective's own limit is no news; a clear rise to several times it is.
    broken_share = (1_000 - manifest.objective.availability_permille) / 1_000
    limits = {
        SignalKind.ERRORS: max(ERROR_LIMIT_SHARE, broken_share),
        SignalKind.LATENCY: float(manifest.objective.latency_ms),
    }
    for (caller, callee), series in window.links.items():
        for kind, limit in limits.items():
            line = _line(_binned(series, kind, now_ms))
            forecast = line and _crossing(Signal(callee, kind, caller), line, limit, now_ms)
            if forecast:
                found.append(forecast)
    found.sort(key=lambda forecast: forecast.crosses_at_ms)
    return tuple(found[:MAX_ITEMS])


def expects_recovery(
    window: Window, manifest: Manifest, service: ServiceName, now_ms: int
) -> bool | None:
    """Whether the trouble around ``service`` heals by itself; None when it cannot be told.

    A process that is gone does not come back by itself. Else the share of failed or late calls
    into the service and its callers over the last seconds is held against the seconds before.
    """
    if window.is_stale(now_ms) or manifest.spec(service) is None:
        return None
    if window.dead_for(service, now_ms)[0] >= 2:
        return False
    around = {service, *manifest.callers_of(service)}
    shares = [
        (_bad_share(series, now_ms - NOW_MS, now_ms), _bad_share(series, *_before(now_ms)))
        for (_, callee), series in window.links.items()
        if callee in around
    ]
    known = [(late, early) for late, early in shares if late is not None and early is not None]
    suffering = [(late, early) for late, early in known if max(late, early) >= 0.05]
    if not suffering:
        return None
    return all(late <= 0.2 * early for late, early in suffering)


def assess(window: Window, manifest: Manifest, plan: Plan, now_ms: int) -> Judgement:
    """Whether the action is needed, since it will not heal by itself, and still timely."""
    signal = Signal(plan.hypothesis.service, SignalKind.ERRORS)
    if plan.not_after_ms - now_ms < LEAST_TIME_LEFT_MS:
        return Judgement(Verdict.REJECT, 0, (Evidence(signal, -5_000),))
    heals = expects_recovery(window, manifest, plan.hypothesis.service, now_ms)
    if heals is None:
        return Judgement(Verdict.ABSTAIN, 0)
    if heals:
        return Judgement(Verdict.REJECT, 100, (Evidence(signal, -3_000),))
    gone = window.dead_for(plan.hypothesis.service, now_ms)[0] >= 2
    if gone:
        signal = Signal(plan.hypothesis.service, SignalKind.LIVENESS)
    return Judgement(Verdict.ACCEPT, 950 if gone else 800, (Evidence(signal, 3_000),))


def _before(now_ms: int) -> tuple[int, int]:
    return now_ms - BEFORE_MS, now_ms - NOW_MS


def _bad_share(series: LinkSeries, from_ms: int, to_ms: int) -> float | None:
    counts = series.counts(from_ms, to_ms)
    if counts.attempts < 3:
        return None
    bad = max(counts.failures, counts.late)
    # One or two bad requests are what a healthy link has too.
    return bad / counts.attempts if bad >= LEAST_BAD else 0.0


def _binned(series: LinkSeries, kind: SignalKind, now_ms: int) -> list[tuple[float, float]]:
    """Time and value of each bin that holds enough."""
    points = []
    for number in range(BINS, 0, -1):
        from_ms = now_ms - number * BIN_MS
        # Readings of both neighbouring bins' edges are needed: half a period of slack on each side.
        counts = series.counts(from_ms - 500, from_ms + BIN_MS + 500)
        value = _value(counts, kind)
        if value is not None:
            points.append((float(from_ms + BIN_MS // 2), value))
    return points


def _value(counts: Counts, kind: SignalKind) -> float | None:
    if counts.requests < LEAST_REQUESTS:
        return None
    if kind is SignalKind.ERRORS:
        return counts.errors / counts.requests
    return counts.busy_ms / counts.requests if counts.busy_ms else None


def _line(points: list[tuple[float, float]]) -> _Line | None:
    """The least-squares line through the points; None when they are too few."""
    n = len(points)
    if n < LEAST_BINS:
        return None
    mean_x = sum(x for x, _ in points) / n
    mean_y = sum(y for _, y in points) / n
    spread = sum((x - mean_x) ** 2 for x, _ in points)
    slope = sum((x - mean_x) * (y - mean_y) for x, y in points) / spread
    rest = sum((y - mean_y - slope * (x - mean_x)) ** 2 for x, y in points)
    # A perfect line still has the resolution of its readings as an error.
    error = (rest / (n - 2) / spread) ** 0.5 + 1e-12
    return _Line(mean_y + slope * (points[-1][0] - mean_x), slope, error)


def _crossing(signal: Signal, line: _Line, limit: float, now_ms: int) -> Forecast | None:
    """When the line reaches the limit; None when it does not, not clearly, or not soon."""
    if line.value >= limit or line.slope < CLEAR_SLOPE * line.error:
        return None
    ahead = (limit - line.value) / line.slope
    if not NEAREST_MS <= ahead <= FURTHEST_MS:
        return None
    earliest = (limit - line.value) / (line.slope + 2 * line.error)
    latest = (limit - line.value) / (line.slope - 2 * line.error)
    return Forecast(signal, now_ms + int(ahead), now_ms + int(earliest), now_ms + int(latest))
