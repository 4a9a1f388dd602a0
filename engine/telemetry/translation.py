"""Observations of the demo fleet as records, so that a recording tells what the agents saw (pure)."""

from engine.telemetry.records import Kind, LogRecord, Point, Span
from engine.telemetry.samples import (
    AlertSeen,
    HealthAnswer,
    HealthSeen,
    LevelSeen,
    LinkSeen,
    LogSeen,
    Missed,
    Observation,
    ServiceSeen,
    StatusSeen,
)
from engine.topology import ServiceStatus

MOST_LINES = 20
"""A template that stood in a log more often than this in one look is written this often."""

USED_SHARE = "_used_share"
"""How the name of a metric ends whose limit is 1: all of what there is."""
_LINK_COUNTERS = (
    "requests",
    "errors",
    "late",
    "busy_ms",
    "connections",
    "connect_failures",
    "asked_bytes",
    "answered_bytes",
)

Told = Point | LogRecord | Span


def records_of(seen: Observation) -> list[Told]:
    """What ``seen`` says, as the records of a recording; nothing for a gap, which is one already.

    What a link's proxy counts belongs to the service that is called, with the caller in the
    metric's name; a log line is its template, so nothing that a user wrote gets into a recording.
    """
    match seen:
        case LinkSeen():
            at_s, label = seen.at_ms / 1_000, f'{{caller="{seen.caller}"}}'
            return [
                _count(at_s, seen.callee, f"link_{name}{label}", getattr(seen, name))
                for name in _LINK_COUNTERS
            ]
        case ServiceSeen():
            at_s = seen.at_ms / 1_000
            return [
                _count(at_s, seen.service, "requests", seen.requests),
                _count(at_s, seen.service, "errors", seen.errors),
                Point(at_s, seen.service, "uptime_s", at_s - seen.started_ms / 1_000),
            ]
        case HealthSeen():
            well = float(seen.answer is HealthAnswer.WELL)
            return [Point(seen.at_ms / 1_000, seen.service, "healthy", well)]
        case StatusSeen():
            at_s = seen.at_ms / 1_000
            found: list[Told] = [
                Point(at_s, it.name, "alive", float(it.alive)) for it in seen.status.services
            ]
            for status in seen.status.services:
                for level in levels_of(seen.at_ms, status):
                    found += records_of(level)
            return found
        case LevelSeen():
            return [Point(seen.at_ms / 1_000, seen.service, f"{seen.kind}{USED_SHARE}", seen.share)]
        case LogSeen():
            line = LogRecord(seen.at_ms / 1_000, seen.service, seen.level, seen.template)
            return [line] * min(seen.count, MOST_LINES)
        case AlertSeen():
            return [Point(seen.at_ms / 1_000, seen.service, "alert", float(seen.firing))]
        case Missed():
            return []


def levels_of(at_ms: int, status: ServiceStatus) -> list[LevelSeen]:
    """How much one service uses of each thing that its orchestrator bounds."""
    return [LevelSeen(at_ms, status.name, use.kind, use.used / use.limit) for use in status.uses]


def _count(at_s: float, service: str, metric: str, value: int) -> Point:
    return Point(at_s, service, metric, float(value), Kind.COUNTER)
