"""What one agent's window knows of each service beside its calls, as evidence for a diagnosis (pure)."""

from collections.abc import Mapping

from engine.agents.prediction import forecasts
from engine.diagnosis.calls import Trouble
from engine.diagnosis.facts import Fact
from engine.telemetry.samples import HealthAnswer
from engine.telemetry.window import Window
from engine.topology import Manifest
from engine.vocabulary import ServiceName

CHANGE_REACH_MS = 120_000
ANSWERS_MS = 10_000
LOUD = ("error", "critical")
LEAST_LINES = 2
MOST_ALERTS = 4


def facts_of(
    window: Window, manifest: Manifest, seen: Mapping[str, Trouble], now_ms: int
) -> dict[str, Fact]:
    """Every service of the manifest, in its order."""
    return {
        spec.name: _fact(window, spec.name, seen[spec.name], now_ms) for spec in manifest.service
    }


def _fact(window: Window, service: ServiceName, trouble: Trouble, now_ms: int) -> Fact:
    gone, gone_for_ms = window.dead_for(service, now_ms)
    firing = window.alerts(service)
    ahead = next((f for f in forecasts(window, now_ms) if f.signal.service == service), None)
    return Fact(
        service=service,
        gone=gone,
        gone_ms=now_ms - gone_for_ms if gone else None,
        refused=_run(window, service, HealthAnswer.REFUSED, now_ms),
        silent=_run(window, service, HealthAnswer.SILENT, now_ms),
        unwell=_run(window, service, HealthAnswer.UNWELL, now_ms),
        alerts=min(len(firing), MOST_ALERTS),
        alerted_ms=firing[0].at_ms if firing else None,
        running_out=ahead.signal.kind if ahead is not None else "",
        running_out_ms=ahead.began_ms if ahead is not None else None,
        changed_ms=changed_ms(window, service, now_ms),
        new_template=_new_template(window, service, trouble, now_ms),
    )


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
    for given in reversed(window.answers(service, now_ms - ANSWERS_MS, now_ms)):
        if given is not answer:
            break
        run += 1
    return run


def _new_template(window: Window, service: ServiceName, trouble: Trouble, now_ms: int) -> str:
    """The most frequent error template that the service's log did not hold before its trouble."""
    if trouble.onset_ms is None:
        return ""
    since_ms = trouble.onset_ms - 1_000
    before = {count.template for count in window.logs(service, 0, since_ms)}
    for count in window.logs(service, since_ms, now_ms):
        if count.level in LOUD and count.count >= LEAST_LINES and count.template not in before:
            return count.template
    return ""
