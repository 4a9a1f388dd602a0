"""Detection: is something off its habit, who suffers, and is it over (pure).

Shares of failed and of late requests are judged as all counted things are (``engine.senses.shares``):
failures must show in two scrapes, lateness in three and without the worst two. A health question
must fail three times, and not everybody's at once; gone means twice gone. What is on its way to a
limit (``engine.senses.outlook``) is off its habit too, though it hurts nobody yet. Nothing is said
during the first seconds, nor from a stale window, but what another system's alert says. Errors and
lateness are one-sided (fewer is good news); traffic is watched for falling silent, which is how a
hang looks before the first time-out.
"""

from collections.abc import Sequence

from engine.agents.judgement import Judgement
from engine.agents.prediction import forecasts
from engine.senses.bayes import log_bayes_factor
from engine.senses.shares import SPANS_MS, Guard, Off, Tally, off, silence, surely_greater
from engine.telemetry.samples import HealthAnswer
from engine.telemetry.series import Counts, LinkSeries
from engine.telemetry.window import Link, Window
from engine.topology import Manifest
from engine.vocabulary import (
    MAX_ITEMS,
    Anomaly,
    Evidence,
    Plan,
    ServiceName,
    Signal,
    SignalKind,
    Verdict,
)

WARM_UP_MS = 8_000
"""A fleet that starts, or an agent that does, is not judged before this."""
REPORTED_PERMILLE = 500
ALARM_PERMILLE = 950
ALERT_PERMILLE = 970
"""Somebody else's alert pages by itself, and is believed less than what we see ourselves."""
SILENCE_SPAN_MS = 5_500
SETTLED_SPAN_MS = 4_500
LEAST_RECOVERY_MS = 3_000
LEAST_REQUESTS = 10
_DEAD_PERMILLE = (0, 600, 960, 990)
_ILL_PERMILLE = (0, 300, 700, 960, 990)


_GUARDS = {
    SignalKind.ERRORS: Guard(least_steps=2, worst_left_out=0),
    # A stall makes all that is under way late at once, and may fall on both sides of a scrape.
    SignalKind.LATENCY: Guard(least_steps=3, worst_left_out=2),
}


def anomalies(window: Window, manifest: Manifest, now_ms: int) -> tuple[Anomaly, ...]:
    """What is off its habit now, likeliest first; alerts alone while the window cannot say."""
    found = _of_alerts(window, manifest)
    if _can_say(window, now_ms):
        for link, series in window.links.items():
            found += _of_link(window, link, series, now_ms)
        found += _of_liveness(window, manifest, now_ms)
        found += [forecast.anomaly for forecast in forecasts(window, now_ms)]
    found.sort(key=lambda anomaly: -anomaly.likelihood_permille)
    return tuple(found[:MAX_ITEMS])


def alarmed(found: Sequence[Anomaly], manifest: Manifest) -> str | None:
    """What an incident would be about: the promise to users that suffers, else a service."""
    loud = [anomaly for anomaly in found if anomaly.likelihood_permille >= ALARM_PERMILLE]
    if not loud:
        return None
    # Once anything is loud, customers who have begun to suffer name the incident.
    if any(_is_outside(anomaly.signal.caller, manifest) for anomaly in found):
        return manifest.objective.subject
    # Gone beats failing: of two signals of one fault, liveness names its place.
    loud.sort(key=lambda a: (a.signal.kind is not SignalKind.LIVENESS, -a.likelihood_permille))
    return loud[0].signal.service


def recovered(window: Window, manifest: Manifest, since_ms: int, now_ms: int) -> bool:
    """Whether everything is back to habit in a window that begins after ``since_ms``."""
    from_ms = max(since_ms, now_ms - SETTLED_SPAN_MS)
    if window.is_stale(now_ms) or now_ms - since_ms < LEAST_RECOVERY_MS:
        return False
    for spec in manifest.service:
        alive = window.alive_since(spec.name, from_ms, now_ms)
        answers = window.answers(spec.name, from_ms, now_ms)
        if len(alive) < 2 or not all(alive) or any(a is not HealthAnswer.WELL for a in answers):
            return False
        if window.alerts(spec.name):
            return False
    for (caller, _), series in window.links.items():
        counts = series.counts(from_ms, now_ms)
        outside = _is_outside(caller, manifest)
        if outside and (counts.requests < LEAST_REQUESTS or counts.span_ms < 2_500):
            return False
        usual = series.habit.per_second * counts.span_ms / 1_000
        if series.carries_requests and usual > 6 and not counts.attempts:
            return False
        if not _is_settled(series, counts):
            return False
    return True


def worse(window: Window, manifest: Manifest, before_ms: int, since_ms: int, now_ms: int) -> bool:
    """Whether it is clearly worse since ``since_ms`` than in the ten seconds before ``before_ms``.

    Worse is a higher share of failed or late calls on a link, beyond doubt and chance, or a
    service that was there and has been gone since.
    """
    if window.is_stale(now_ms) or now_ms - since_ms < LEAST_RECOVERY_MS + 1_000:
        return False
    from_ms = max(since_ms, now_ms - 8_000)
    for series in window.links.values():
        before = series.counts(before_ms - 10_000, before_ms)
        after = series.counts(from_ms, now_ms)
        if min(before.attempts, after.attempts) < LEAST_REQUESTS:
            continue
        pairs = ((after.failures, before.failures), (after.late, before.late))
        if any(surely_greater(b, after.attempts, a, before.attempts, 0.1) for b, a in pairs):
            return True
    return any(_has_gone(window, spec.name, before_ms, now_ms) for spec in manifest.service)


def assess(window: Window, manifest: Manifest, plan: Plan, now_ms: int) -> Judgement:
    """Whether the anomaly is real in this window, and on the paths of what would be changed."""
    if not _can_say(window, now_ms):
        return Judgement(Verdict.ABSTAIN, 0)
    real = [a for a in anomalies(window, manifest, now_ms) if a.likelihood_permille >= 800]
    if not real:
        return Judgement(Verdict.REJECT, 50, _calm(window, manifest))
    targets = {action.service for action in plan.actions}
    paths = targets.union(*(manifest.callers_of(target) for target in targets))
    on_path = [anomaly for anomaly in real if anomaly.signal.service in paths]
    chosen = on_path or real
    sign = 1 if on_path else -1
    evidence = tuple(Evidence(a.signal, sign * 5 * a.likelihood_permille) for a in chosen[:8])
    if not on_path:
        return Judgement(Verdict.REJECT, 100, evidence)
    return Judgement(Verdict.ACCEPT, on_path[0].likelihood_permille, evidence)


# --- one signal each ---------------------------------------------------------------------------


def _of_link(window: Window, link: Link, series: LinkSeries, now_ms: int) -> list[Anomaly]:
    caller, callee = link
    found = []
    for kind in _GUARDS:
        judged = _share_off(series, kind, now_ms)
        if judged.permille >= REPORTED_PERMILLE:
            observed = round(1_000 * judged.bad / judged.total)
            expected = round(1_000 * _usual(series, kind))
            signal = Signal(callee, kind, caller)
            found.append(Anomaly(signal, observed, expected, judged.total, judged.permille))
    silent = _silence_permille(window, link, series, now_ms)
    if silent >= REPORTED_PERMILLE:
        # Of the traffic that is habit, nothing is left.
        signal = Signal(callee, SignalKind.TRAFFIC, caller)
        found.append(Anomaly(signal, 0, 1_000, SILENCE_SPAN_MS // 1_000, silent))
    return found


def _bad(counts: Counts, kind: SignalKind) -> int:
    return counts.failures if kind is SignalKind.ERRORS else counts.late


def _usual(series: LinkSeries, kind: SignalKind) -> float:
    habit = series.habit
    return habit.error_share if kind is SignalKind.ERRORS else habit.late_share


def _share_off(series: LinkSeries, kind: SignalKind, now_ms: int) -> Off:
    """How likely the share of failed, or late, calls is off its habit now."""
    guard = _GUARDS[kind]
    # Nearly always too little is bad to be looked at step by step: that is what a look costs.
    if _bad(series.counts(now_ms - SPANS_MS[-1], now_ms), kind) < guard.least_steps:
        return Off()
    tallies = [
        Tally(step.begin_ms, step.end_ms, _bad(step.counts, kind), step.counts.attempts)
        for step in series.steps(now_ms - SPANS_MS[-1], now_ms)
    ]
    return off(tallies, _usual(series, kind), series.habit.requests, guard, now_ms)


def _silence_permille(window: Window, link: Link, series: LinkSeries, now_ms: int) -> int:
    """Probability that calls on ``link`` do not end any more although its caller still works.

    Only where requests are counted: connections are many while a store is down and none while a
    pool is content, so their silence says that all is well.
    """
    if not series.carries_requests:
        return 0
    counts = series.counts(now_ms - SILENCE_SPAN_MS, now_ms)
    usual = series.habit.per_second * counts.span_ms / 1_000
    if counts.span_ms < 3_500 or counts.attempts or series.habit.learnt_ms < 20_000:
        return 0
    into = [other for (_, callee), other in window.links.items() if callee == link[0]]
    arriving = sum(other.counts(now_ms - SILENCE_SPAN_MS, now_ms).attempts for other in into)
    expected = sum(other.habit.per_second for other in into) * counts.span_ms / 1_000
    if not into or arriving < 0.4 * expected or arriving < LEAST_REQUESTS:
        return 0
    return silence(usual)


def _of_liveness(window: Window, manifest: Manifest, now_ms: int) -> list[Anomaly]:
    found = []
    runs = {spec.name: _ill_run(window, spec.name, now_ms) for spec in manifest.service}
    for spec in manifest.service:
        gone, _ = window.dead_for(spec.name, now_ms)
        permille = _DEAD_PERMILLE[min(gone, len(_DEAD_PERMILLE) - 1)]
        others = [run for name, run in runs.items() if name != spec.name]
        # When most others do not answer us either, it is we who are slow.
        if sum(run > 0 for run in others) * 2 <= len(others):
            permille = max(permille, _ILL_PERMILLE[min(runs[spec.name], len(_ILL_PERMILLE) - 1)])
        if permille >= REPORTED_PERMILLE:
            signal = Signal(spec.name, SignalKind.LIVENESS)
            found.append(Anomaly(signal, 0, 1_000, max(gone, runs[spec.name]), permille))
    return found


def _of_alerts(window: Window, manifest: Manifest) -> list[Anomaly]:
    """Services about which another system's alert fires: its own judgement, taken as it is."""
    return [
        Anomaly(Signal(spec.name, SignalKind.ALERT), 0, 1_000, len(firing), ALERT_PERMILLE)
        for spec in manifest.service
        if (firing := window.alerts(spec.name))
    ]


def _ill_run(window: Window, service: ServiceName, now_ms: int) -> int:
    """How many health questions in a row, up to now, were not answered well."""
    run = 0
    for answer in reversed(window.answers(service, now_ms - 8_000, now_ms)):
        if answer is HealthAnswer.WELL:
            break
        run += 1
    return run


# --- comparisons -------------------------------------------------------------------------------


def _can_say(window: Window, now_ms: int) -> bool:
    """Whether this agent has seen enough, and still sees, to judge by itself."""
    return not window.is_stale(now_ms) and window.watched_ms(now_ms) >= WARM_UP_MS


def _is_outside(caller: str, manifest: Manifest) -> bool:
    """Whether ``caller`` is somebody to whom the fleet made a promise."""
    return bool(caller) and manifest.spec(caller) is None


def _is_settled(series: LinkSeries, counts: Counts) -> bool:
    """Whether failures and lateness are what habit explains at least as well as anything new."""
    habit = series.habit
    failed = log_bayes_factor(counts.failures, counts.attempts, habit.error_share, habit.requests)
    late = log_bayes_factor(counts.late, counts.attempts, habit.late_share, habit.requests)
    return max(failed, late) <= 1.0


def _has_gone(window: Window, service: ServiceName, before_ms: int, now_ms: int) -> bool:
    was = window.alive_since(service, before_ms - 10_000, before_ms)
    gone, for_ms = window.dead_for(service, now_ms)
    return bool(was) and all(was) and gone >= 3 and for_ms >= 2_000


def _calm(window: Window, manifest: Manifest) -> tuple[Evidence, ...]:
    """The user-visible links, as evidence that nothing is wrong with them."""
    return tuple(
        Evidence(Signal(callee, SignalKind.ERRORS, caller), -3_000)
        for (caller, callee) in window.links
        if _is_outside(caller, manifest)
    )[:8]
