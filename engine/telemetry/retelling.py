"""Records of a live fleet as observations again: the way back from ``translation`` (pure).

A recording that our own recorder cut holds what the agents saw, as points and lines. Told again as
observations, it goes into a window, and the same brains that judged it live judge it in a replay.
Runs and releases are not in a recording's points; the releases come from its changes.
"""

import re
from collections.abc import Sequence
from math import isfinite

from engine.telemetry.context import Change
from engine.telemetry.records import LogRecord, Point, Span
from engine.telemetry.samples import (
    AlertSeen,
    HealthAnswer,
    HealthSeen,
    LinkSeen,
    LogSeen,
    Observation,
    StatusSeen,
)
from engine.telemetry.translation import USED_SHARE
from engine.topology import FleetStatus, ReleaseChange, ServiceStatus, Use
from engine.vocabulary import ServiceName, SignalKind

MAX_LINKS = 4_096
MAX_COUNT = float(1 << 53)
SHARES = 1_000_000
"""A used share is told again as so many parts of so many."""
_LINK = re.compile(r'link_([a-z_]{1,40})\{caller="([^"{}]{1,200})"\}\Z')
_COUNTERS = LinkSeen.__struct_fields__[3:]
"""In the order in which a reading takes them."""
_KINDS = frozenset(str(kind) for kind in SignalKind if kind.is_bounded)


def is_of_fleet(metric: str) -> bool:
    """Whether a metric is one that only our own recorder writes: a link's counter."""
    return metric.startswith("link_") and _LINK.match(metric) is not None


class Retelling:
    """Puts the points of one moment together; feed it records in order."""

    def __init__(self, changes: Sequence[Change]) -> None:
        self._links: dict[tuple[str, str], tuple[int, dict[str, int]]] = {}
        """By caller and callee, what has been told of the reading under way, and of when it is."""
        self._alive: dict[str, bool] = {}
        self._uses: dict[str, dict[SignalKind, Use]] = {}
        self._status_ms: int | None = None
        self._changes = sorted(changes, key=lambda change: change.at_s)
        self.dropped = 0
        """Points of links beyond ``MAX_LINKS``."""

    def take(self, record: Point | LogRecord | Span) -> list[Observation]:
        """What is complete now that ``record`` has come."""
        if isinstance(record, Span):
            return []
        at_ms = round(record.t * 1_000)
        if isinstance(record, LogRecord):
            return [LogSeen(at_ms, record.service, record.severity, record.body, 1)]
        found = self._status(at_ms)
        link = _LINK.match(record.metric)
        if link is not None and link[1] in _COUNTERS:
            return [*found, *self._count(at_ms, (link[2], record.service), link[1], record.value)]
        kind = record.metric.removesuffix(USED_SHARE)
        if record.metric == "healthy":
            answer = HealthAnswer.WELL if record.value else HealthAnswer.SILENT
            found.append(HealthSeen(at_ms, record.service, answer))
        elif record.metric == "alert":
            found.append(AlertSeen(at_ms, record.service, "recorded", record.value > 0))
        elif record.metric == "alive":
            self._alive[record.service] = record.value > 0
            self._status_ms = at_ms
        elif kind in _KINDS and kind != record.metric and 0 <= record.value <= SHARES:
            use = Use(SignalKind(kind), round(record.value * SHARES), SHARES)
            self._uses.setdefault(record.service, {})[use.kind] = use
            self._status_ms = at_ms
        return found

    def _count(
        self, at_ms: int, link: tuple[str, str], counter: str, value: float
    ) -> list[Observation]:
        """The link's last reading, when this point begins another one."""
        told_ms, counters = self._links.get(link, (at_ms, {}))
        found: list[Observation] = []
        if told_ms != at_ms:
            found.append(_reading(told_ms, link, counters))
            counters = {}
        if link not in self._links and len(self._links) >= MAX_LINKS:
            self.dropped += 1
            return []
        counters[counter] = round(min(max(value, 0.0), MAX_COUNT)) if isfinite(value) else 0
        self._links[link] = (at_ms, counters)
        return found

    def _status(self, at_ms: int) -> list[Observation]:
        """The fleet's last status, when a point of another moment has come."""
        told_ms = self._status_ms
        if told_ms is None or told_ms == at_ms:
            return []
        self._status_ms = None
        services = tuple(
            ServiceStatus(
                ServiceName(name),
                alive=alive,
                generation=None,
                changes=self._releases(name, told_ms),
                uses=tuple(self._uses.get(name, {}).values()),
            )
            for name, alive in self._alive.items()
        )
        return [StatusSeen(told_ms, FleetStatus(services))]

    def _releases(self, service: str, now_ms: int) -> tuple[ReleaseChange, ...]:
        """What went live, after what ran when the recording began."""
        made = [
            ReleaseChange(change.ref, round(change.at_s * 1_000))
            for change in self._changes
            if change.service == service and change.at_s * 1_000 <= now_ms
        ]
        return (ReleaseChange("before", 0), *made)


def _reading(at_ms: int, link: tuple[str, str], counters: dict[str, int]) -> LinkSeen:
    caller, callee = link
    return LinkSeen(at_ms, caller, callee, *(counters.get(name, 0) for name in _COUNTERS))
