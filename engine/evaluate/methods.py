"""The ways to sense, by name: the engine's own, and the baselines it is compared with."""

from collections.abc import Sequence
from functools import partial

from engine.evaluate.answering import own_diagnosis
from engine.evaluate.baselines import events, metrics, watches
from engine.evaluate.council import Council
from engine.evaluate.senses import (
    Alarm,
    Diagnose,
    Forecast,
    Method,
)
from engine.evaluate.watching import watch
from engine.telemetry.recording import Recording, Told


class Unwatched:
    """Opens no incident and warns of nothing: for methods that only diagnose."""

    scores: Sequence[float] = ()

    def advance(self, now_s: float, points: Sequence[Told]) -> Sequence[Alarm | Forecast]:
        """Say nothing."""
        return ()


def unwatched(recording: Recording) -> Unwatched:
    """A watch that never speaks."""
    return Unwatched()


OWN = Method("own", "the engine's own senses", watch, own_diagnosis)


def _baseline(name: str, summary: str, diagnose: Diagnose) -> Method:
    """A method that only diagnoses."""
    return Method(name, summary, unwatched, diagnose)


_BASELINES = (
    _baseline("chance", "every service alike", events.constant),
    _baseline("n-sigma", "largest deviation in standard deviations", metrics.n_sigma),
    _baseline("baro-two-sided", "BARO's robust scorer, both ways", metrics.baro),
    _baseline("robust-floor", "robust deviation with a relative floor", metrics.robust_floor),
    _baseline("anomaly-traversal", "deepest anomalous along the call graph", metrics.traversal),
    _baseline(
        "ranked-correlation",
        "anomalous services by correlation with what was paged",
        metrics.ranked_correlation,
    ),
    _baseline("spans-logs", "span times and error lines against before", events.spans_and_logs),
    _baseline("spans-warnings", "the same, where warnings count half", events.spans_and_warnings),
    _baseline("alert-service", "names whoever was paged", events.alert_service),
    _baseline("latest-deploy", "blames the last deployment", events.latest_deploy),
    _baseline("keywords", "blames the change that shares most words", events.keywords),
    _baseline("always-none", "blames no change", events.never),
)
_COUNCIL = (
    Method(
        "council",
        "five agents with degraded windows of their own, merged",
        Council,
        own_diagnosis,
    ),
    Method(
        "council-traitor",
        "the same, one of them lying as well as one can",
        partial(Council, traitors=1),
        own_diagnosis,
    ),
)
_WATCHES = (
    Method("ewma-z", "deviation from a moving average", watches.EwmaZ, metrics.robust_floor),
    Method(
        "ewma-z-160-2",
        "the same, over 160: tuned on Nezha Online-Boutique",
        partial(watches.EwmaZ, least_z=160.0),
        metrics.robust_floor,
    ),
    Method(
        "ewma-z-20-4",
        "the same, four metrics over 20: tuned on Nezha Train-Ticket",
        partial(watches.EwmaZ, least_z=20.0, least_metrics=4),
        metrics.robust_floor,
    ),
    Method(
        "spans-logs-z",
        "span times and error lines, tuned on Nezha Train-Ticket",
        watches.SpansLogsZ,
        events.spans_and_logs,
    ),
    Method("predict-linear", "a straight line to the limit", watches.PredictLinear, events.never),
)
METHODS = {method.name: method for method in (OWN, *_BASELINES, *_WATCHES, *_COUNCIL)}
