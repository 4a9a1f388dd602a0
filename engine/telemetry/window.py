"""One agent's window: what it has seen of the fleet over the last two minutes (pure).

Everything is matched against the manifest at this entrance: a link or service that the manifest
does not name is dropped and counted, so no label and no log line can ever name what an action
acts on. A window never grows beyond its rings. Its own freshness is part of it: a brain that
looks at a stale window must abstain.
"""

from collections import deque
from typing import TYPE_CHECKING, TypeVar, assert_never

import msgspec

from engine.senses.outlook import Outlook
from engine.telemetry.history import History
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
from engine.telemetry.series import LinkSeries
from engine.telemetry.translation import levels_of, records_of
from engine.topology import Manifest, ServiceStatus
from engine.vocabulary import ServiceName

if TYPE_CHECKING:
    from collections.abc import Sized

STALE_MS = 4_000
"""A source not heard for this long says nothing about now (four scrapes)."""
MAX_ANSWERS = 128
MAX_LOG_ROWS = 512
"""Per service: rows of (second, level, template)."""
MAX_MISSES = 512
MAX_ALERTS = 32
"""Different alerts about one service that may fire at once."""
Link = tuple[str, ServiceName]
Seen = TypeVar("Seen", HealthSeen, LogSeen)


class LogCount(msgspec.Struct, frozen=True):
    """How often a template stood in a service's log over some time."""

    level: str
    template: str
    count: int


class Window:
    """What one agent has seen; see the module's docstring."""

    def __init__(self, manifest: Manifest) -> None:
        self.manifest = manifest
        self.unknown_dropped = 0
        """Observations that named something that is not in the manifest."""
        self.late_dropped = 0
        """Observations that were not newer than what was there."""
        names = [spec.name for spec in manifest.service]
        self._links: dict[Link, LinkSeries] = {
            (call.caller, call.callee): LinkSeries() for call in manifest.call
        }
        self._health: dict[ServiceName, deque[HealthSeen]] = {
            name: deque(maxlen=MAX_ANSWERS) for name in names
        }
        self._alive: dict[ServiceName, deque[tuple[int, bool]]] = {
            name: deque(maxlen=MAX_ANSWERS) for name in names
        }
        self._said: dict[ServiceName, ServiceSeen] = {}
        self._logs: dict[ServiceName, deque[LogSeen]] = {
            name: deque(maxlen=MAX_LOG_ROWS) for name in names
        }
        self._statuses: dict[ServiceName, ServiceStatus] = {}
        self._status_ms: int | None = None
        self._first_ms: int | None = None
        self._misses: deque[Missed] = deque(maxlen=MAX_MISSES)
        self.outlook = Outlook()
        """What is on its way to a limit."""
        calls = [(call.caller, call.callee) for call in manifest.call]
        self.history = History(names, calls)
        """Log lines and levels, as the records that a recording would hold."""
        self._alerts: dict[ServiceName, dict[str, AlertSeen]] = {name: {} for name in names}
        """By service, what fires now, by fingerprint."""

    # --- in -----------------------------------------------------------------------------------

    def add(self, seen: Observation) -> None:
        """Take one observation in, or drop and count it."""
        match seen:
            case LinkSeen():
                self._add_link(seen)
            case HealthSeen():
                self._add_to(self._health, seen)
            case LogSeen():
                if self._add_to(self._logs, seen):
                    self._remember(seen)
            case ServiceSeen():
                if seen.service in self._health:
                    self._said[ServiceName(seen.service)] = seen
                else:
                    self.unknown_dropped += 1
            case StatusSeen():
                self._add_status(seen)
            case AlertSeen():
                self._add_alert(seen)
            case LevelSeen():
                self._add_level(seen)
            case Missed():
                self._misses.append(seen)
            case _:
                assert_never(seen)

    def _add_link(self, seen: LinkSeen) -> None:
        series = self._links.get((seen.caller, ServiceName(seen.callee)))
        if series is None:
            self.unknown_dropped += 1
        elif not series.add(seen):
            self.late_dropped += 1
        elif self._first_ms is None:
            self._first_ms = seen.at_ms

    def _add_to(self, rings: dict[ServiceName, deque[Seen]], seen: Seen) -> bool:
        ring = rings.get(ServiceName(seen.service))
        if ring is None:
            self.unknown_dropped += 1
            return False
        if ring and seen.at_ms < ring[-1].at_ms:
            self.late_dropped += 1
            return False
        ring.append(seen)
        return True

    def _remember(self, seen: LogSeen | LevelSeen) -> None:
        for record in records_of(seen):
            self.history.add(record)

    def _add_alert(self, seen: AlertSeen) -> None:
        firing = self._alerts.get(ServiceName(seen.service))
        if firing is None or (seen.firing and len(firing) >= MAX_ALERTS):
            self.unknown_dropped += 1
            return
        known = firing.get(seen.fingerprint)
        if known is not None and seen.at_ms < known.at_ms:
            self.late_dropped += 1
        elif seen.firing:
            firing[seen.fingerprint] = seen if known is None else known
        else:
            firing.pop(seen.fingerprint, None)

    def _add_level(self, seen: LevelSeen) -> None:
        if seen.service not in self._health:
            self.unknown_dropped += 1
            return
        if self.outlook.add(seen.at_ms / 1_000, seen.service, seen.kind, seen.share):
            self._remember(seen)

    def _add_status(self, seen: StatusSeen) -> None:
        if self._status_ms is not None and seen.at_ms <= self._status_ms:
            self.late_dropped += 1
            return
        self._status_ms = seen.at_ms
        if self._first_ms is None and not self._links:
            self._first_ms = seen.at_ms
        for status in seen.status.services:
            ring = self._alive.get(status.name)
            if ring is None:
                self.unknown_dropped += 1
            else:
                ring.append((seen.at_ms, status.alive))
                self._statuses[status.name] = status
                for level in levels_of(seen.at_ms, status):
                    self._add_level(level)

    # --- out: freshness -----------------------------------------------------------------------

    def links_age_ms(self, now_ms: int) -> int | None:
        """How old the newest link reading is; None before the first."""
        newest = max((series.last_ms or 0 for series in self._links.values()), default=0)
        return max(0, now_ms - newest) if newest else None

    def status_age_ms(self, now_ms: int) -> int | None:
        """How old the orchestrator's newest word is; None before the first."""
        return None if self._status_ms is None else max(0, now_ms - self._status_ms)

    def is_stale(self, now_ms: int) -> bool:
        """Whether links or status were not heard lately: then the window cannot say.

        A fleet whose manifest names no calls is watched by its status alone.
        """
        ages = [self.status_age_ms(now_ms)]
        if self._links:
            ages.append(self.links_age_ms(now_ms))
        return any(age is None or age > STALE_MS for age in ages)

    def watched_ms(self, now_ms: int) -> int:
        """For how long links have been watched; the status, where there are none."""
        return 0 if self._first_ms is None else max(0, now_ms - self._first_ms)

    def misses(self, from_ms: int, to_ms: int) -> int:
        """Scrapes that brought nothing in ``from_ms..to_ms``."""
        return sum(from_ms <= missed.at_ms <= to_ms for missed in self._misses)

    # --- out: what was seen -------------------------------------------------------------------

    @property
    def links(self) -> dict[Link, LinkSeries]:
        """Every link of the manifest, in its order."""
        return self._links

    def status(self, service: str) -> ServiceStatus | None:
        """The orchestrator's newest word on ``service``."""
        return self._statuses.get(ServiceName(service))

    def said(self, service: str) -> ServiceSeen | None:
        """What ``service`` last said of itself."""
        return self._said.get(ServiceName(service))

    def dead_for(self, service: str, now_ms: int) -> tuple[int, int]:
        """How many times in a row the status said gone, and for how many milliseconds."""
        return _run(self._alive[ServiceName(service)], now_ms, wanted=False)

    def alerts(self, service: str) -> list[AlertSeen]:
        """What fires about ``service`` now, each as it began, oldest first."""
        return sorted(self._alerts[ServiceName(service)].values(), key=lambda seen: seen.at_ms)

    def answers(self, service: str, from_ms: int, to_ms: int) -> list[HealthAnswer]:
        """Health answers of ``service`` in ``from_ms..to_ms``, oldest first."""
        ring = self._health[ServiceName(service)]
        return [seen.answer for seen in ring if from_ms <= seen.at_ms <= to_ms]

    def alive_since(self, service: str, from_ms: int, to_ms: int) -> list[bool]:
        """What the status said of ``service`` in ``from_ms..to_ms``, oldest first."""
        ring = self._alive[ServiceName(service)]
        return [alive for at_ms, alive in ring if from_ms <= at_ms <= to_ms]

    def logs(self, service: str, from_ms: int, to_ms: int) -> list[LogCount]:
        """Templates in the log of ``service`` in ``from_ms..to_ms``, most frequent first."""
        found: dict[tuple[str, str], int] = {}
        for row in self._logs[ServiceName(service)]:
            if from_ms <= row.at_ms <= to_ms:
                key = (row.level, row.template)
                found[key] = found.get(key, 0) + row.count
        order = sorted(found.items(), key=lambda item: (-item[1], item[0]))
        return [LogCount(level, template, count) for (level, template), count in order]

    @property
    def size(self) -> int:
        """How many readings are kept; bounded by the rings."""
        rings: list[Sized] = [*self._links.values(), *self._health.values()]
        rings += [*self._alive.values(), *self._logs.values(), self._misses]
        return sum(len(ring) for ring in rings)


def _run(ring: deque[tuple[int, bool]], now_ms: int, *, wanted: bool) -> tuple[int, int]:
    """Length of the newest unbroken run of ``wanted``, in answers and milliseconds."""
    count, since_ms = 0, now_ms
    for at_ms, value in reversed(ring):
        if value is not wanted:
            break
        count, since_ms = count + 1, at_ms
    return count, max(0, now_ms - since_ms)


__all__ = ["STALE_MS", "Link", "LogCount", "Window"]
