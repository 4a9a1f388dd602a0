"""Prediction: what is on its way to a limit, and does trouble heal by itself (pure).

What will be used up, and when, is said by the runways of this agent's own window
(``engine.senses.outlook``), the same that a recording's limits are watched with. A forecast is told
to the council at once; it is a reason to act only when the limit is near enough that nobody could
be called in time.
"""

import msgspec

from engine.agents.judgement import Judgement
from engine.senses.outlook import Foreseen
from engine.telemetry.series import LinkSeries
from engine.telemetry.window import Window
from engine.topology import Manifest
from engine.vocabulary import (
    Anomaly,
    Evidence,
    FaultKind,
    Plan,
    ServiceName,
    Signal,
    SignalKind,
    Verdict,
)

HORIZON_MS = 600_000
"""A limit that is reached sooner is acted on; a later one is for people, who have been warned."""
FORESEEN_PERMILLE = 900
"""How likely a forecast comes true: the precision that ``docs/detection.md`` measured."""
LEAST_BAD = 3
NOW_MS = 4_500
BEFORE_MS = 13_500
LEAST_TIME_LEFT_MS = 1_000


class Forecast(msgspec.Struct, frozen=True):
    """A limit that will be crossed, if it goes on like this; in Unix milliseconds."""

    signal: Signal
    began_ms: int
    """Since when it has been on its way."""
    crosses_at_ms: int
    earliest_ms: int
    latest_ms: int
    anomaly: Anomaly
    """The same as something that is off its habit now."""


def forecasts(window: Window, now_ms: int) -> tuple[Forecast, ...]:
    """The crossings to be expected, soonest first; empty while all is level."""
    if window.is_stale(now_ms):
        return ()
    return tuple(map(_forecast, window.outlook.standing(now_ms / 1_000)))


def _forecast(foreseen: Foreseen) -> Forecast:
    signal = Signal(ServiceName(foreseen.service), SignalKind(foreseen.kind))
    observed, usual = (round(1_000 * share) for share in (foreseen.share, foreseen.usual_share))
    anomaly = Anomaly(signal, observed, usual, foreseen.samples, FORESEEN_PERMILLE)
    return Forecast(
        signal,
        began_ms=round(1_000 * foreseen.began_s),
        crosses_at_ms=round(1_000 * foreseen.crosses_s),
        earliest_ms=round(1_000 * foreseen.earliest_s),
        latest_ms=round(1_000 * foreseen.latest_s),
        anomaly=anomaly,
    )


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
    if plan.hypothesis.kind is FaultKind.LEAK:
        return _of_leak(window, plan.hypothesis.service, now_ms)
    heals = expects_recovery(window, manifest, plan.hypothesis.service, now_ms)
    if heals is None:
        return Judgement(Verdict.ABSTAIN, 0)
    if heals:
        return Judgement(Verdict.REJECT, 100, (Evidence(signal, -3_000),))
    gone = window.dead_for(plan.hypothesis.service, now_ms)[0] >= 2
    if gone:
        signal = Signal(plan.hypothesis.service, SignalKind.LIVENESS)
    return Judgement(Verdict.ACCEPT, 950 if gone else 800, (Evidence(signal, 3_000),))


def _of_leak(window: Window, service: ServiceName, now_ms: int) -> Judgement:
    """Whether this agent too foresees that ``service`` uses something up, and soon."""
    near = [
        forecast
        for forecast in forecasts(window, now_ms)
        if forecast.signal.service == service and forecast.crosses_at_ms - now_ms <= HORIZON_MS
    ]
    if not near:
        return Judgement(Verdict.ABSTAIN, 0)
    evidence = tuple(Evidence(forecast.signal, 5 * FORESEEN_PERMILLE) for forecast in near[:8])
    return Judgement(Verdict.ACCEPT, FORESEEN_PERMILLE, evidence)


def _before(now_ms: int) -> tuple[int, int]:
    return now_ms - BEFORE_MS, now_ms - NOW_MS


def _bad_share(series: LinkSeries, from_ms: int, to_ms: int) -> float | None:
    counts = series.counts(from_ms, to_ms)
    if counts.attempts < 3:
        return None
    bad = max(counts.failures, counts.late)
    # One or two bad requests are what a healthy link has too.
    return bad / counts.attempts if bad >= LEAST_BAD else 0.0
