"""Services and links as rows, from the engine's own window (pure)."""

from engine.stream.state import Health, LinkRow, ServiceRow
from engine.telemetry.samples import HealthAnswer
from engine.telemetry.series import Counts
from engine.telemetry.window import Window
from engine.topology import ServiceSpec, ServiceStatus

SPAN_MS = 6_000
"""Rates and shares are of this time: five readings and a little."""
WARN_SHARE = 0.02
WARN_LEAST = 2
"""One late request in six seconds is every fleet's everyday; it is no state of health."""
BROKEN_SHARE = 0.1
BROKEN_LEAST = 3
_PROBLEMS = {
    HealthAnswer.SILENT: (Health.BROKEN, "does not answer"),
    HealthAnswer.REFUSED: (Health.BROKEN, "refuses connections"),
    HealthAnswer.UNWELL: (Health.WARN, "says it is not well"),
}


def link_rows(window: Window, now_ms: int) -> dict[str, LinkRow]:
    """Every link of the manifest."""
    rows = {}
    for (caller, callee), series in window.links.items():
        counts = series.counts(now_ms - SPAN_MS, now_ms)
        rows[f"{caller}>{callee}"] = LinkRow(
            caller, callee, _rate(counts), _failing(counts), 0.0, _mean_ms(counts)
        )
    return rows


def service_rows(window: Window, now_ms: int) -> dict[str, ServiceRow]:
    """Every service of the manifest."""
    return {spec.name: _service_row(spec, window, now_ms) for spec in window.manifest.service}


def _service_row(spec: ServiceSpec, window: Window, now_ms: int) -> ServiceRow:
    status = window.status(spec.name)
    into = [
        series.counts(now_ms - SPAN_MS, now_ms)
        for (_, callee), series in window.links.items()
        if callee == spec.name
    ]
    together = _sum(into)
    health, note = _health(spec.name, status, window, now_ms)
    if health is Health.OK:
        health = _by_share(max(together.failures, together.late), together.attempts)
    run = status.generation if status is not None else None
    return ServiceRow(
        name=spec.name,
        health=health,
        release=run.release if run is not None else spec.release,
        pid=run.pid if run is not None else 0,
        rate=round(sum(map(_rate, into)), 1),
        errors=_failing(together),
        p95_ms=0.0,
        note=note,
        mean_ms=_mean_ms(together),
    )


def _health(
    name: str, status: ServiceStatus | None, window: Window, now_ms: int
) -> tuple[Health, str]:
    """What the orchestrator and the service itself say, before requests are counted."""
    if status is None or window.is_stale(now_ms):
        return Health.UNKNOWN, ""
    if not status.alive:
        return Health.BROKEN, f"exited: {status.exit}" if status.exit else "is gone"
    answers = window.answers(name, now_ms - SPAN_MS, now_ms)[-2:]
    # One bad answer may be the machine's; two in a row are the service's.
    if len(answers) == 2 and answers[0] is answers[1] and answers[0] in _PROBLEMS:
        return _PROBLEMS[answers[0]]
    return Health.OK, ""


def _by_share(bad: int, attempts: int) -> Health:
    """How bad it is that ``bad`` of ``attempts`` failed or were late."""
    if bad >= max(BROKEN_LEAST, attempts * BROKEN_SHARE):
        return Health.BROKEN
    return Health.WARN if bad >= max(WARN_LEAST, attempts * WARN_SHARE) else Health.OK


def _sum(parts: list[Counts]) -> Counts:
    return Counts(
        span_ms=max((part.span_ms for part in parts), default=0),
        requests=sum(part.requests for part in parts),
        errors=sum(part.errors for part in parts),
        late=sum(part.late for part in parts),
        busy_ms=sum(part.busy_ms for part in parts),
        connections=sum(part.connections for part in parts),
        connect_failures=sum(part.connect_failures for part in parts),
    )


def _rate(counts: Counts) -> float:
    calls = counts.requests or counts.connections + counts.connect_failures
    return round(calls * 1000 / counts.span_ms, 1) if counts.span_ms else 0.0


def _failing(counts: Counts) -> float:
    return round(min(1.0, counts.failures / counts.attempts), 3) if counts.attempts else 0.0


def _mean_ms(counts: Counts) -> float:
    return round(counts.busy_ms / counts.requests, 1) if counts.requests else 0.0
