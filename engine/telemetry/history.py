"""What is kept of a system's telemetry for diagnosis: bounded rings of everything it says (pure).

Metrics are kept as they come, spans and log lines as counts by time (``engine.telemetry.bins``).
No raw text is kept: of a log line its template's number, of a span its times.
"""

from array import array
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from engine.telemetry.bins import BIN_S, Binned
from engine.telemetry.context import Change
from engine.telemetry.loudness import LOUD, of_level
from engine.telemetry.records import LogRecord, Point, Span
from engine.telemetry.templates import TemplateMiner
from engine.telemetry.traces import TraceBook

MAX_SAMPLES = 2_048
"""Kept of one series, newest last; twice as many stand in memory before the older half goes."""
MAX_SERIES = 50_000
MAX_LOG_KEYS = 20_000
"""Pairs of service and template that are counted."""


class Series:
    """One metric of one service."""

    __slots__ = ("times_s", "values")

    def __init__(self) -> None:
        self.times_s = array("d")
        self.values = array("d")

    def add(self, at_s: float, value: float) -> None:
        """Append one sample; the oldest go when there are too many."""
        self.times_s.append(at_s)
        self.values.append(value)
        if len(self.values) >= 2 * MAX_SAMPLES:
            del self.times_s[:MAX_SAMPLES]
            del self.values[:MAX_SAMPLES]


class LogKey(NamedTuple):
    """Lines of one kind in one service's log."""

    service: str
    template: int
    loudness: int
    """2 for an error, 1 for a warning, 0 for anything else."""


class History:
    """Everything that was seen of one system, as far back as is kept."""

    def __init__(
        self,
        services: Sequence[str],
        calls: Sequence[tuple[str, str]] = (),
        changes: Sequence[Change] = (),
    ) -> None:
        self.services = tuple(services)
        self.known_calls = tuple(calls)
        """(caller, callee) as a manifest says it; empty where nobody does."""
        self.changes = tuple(changes)
        self.series: dict[tuple[str, str], Series] = {}
        """By service and metric."""
        self.logs: dict[LogKey, Binned] = {}
        self.traces = TraceBook()
        self.templates = TemplateMiner()
        self.dropped = 0
        """Points of series, and lines of kinds, beyond the most that are kept."""
        self.logs_from_s: float | None = None
        self.spans_from_s: float | None = None

    @property
    def series_count(self) -> int:
        """How many metrics are kept, over all services."""
        return len(self.series)

    @property
    def step_s(self) -> float:
        """How often metrics come: the usual distance of two samples of the longest series."""
        longest = max(self.series.values(), key=lambda series: len(series.times_s), default=None)
        if longest is None or len(longest.times_s) < 2:
            return BIN_S
        times = longest.times_s[-65:]
        gaps = sorted(later - earlier for earlier, later in pairwise(times))
        return max(gaps[len(gaps) // 2], 1e-3)

    def add(self, record: Point | LogRecord | Span) -> None:
        """Take one record in, or drop and count it."""
        if isinstance(record, Point):
            self._add_point(record)
        elif isinstance(record, Span):
            if self.spans_from_s is None:
                self.spans_from_s = record.end_s
            self.traces.add(record)
        else:
            self._add_line(record)

    def _add_point(self, point: Point) -> None:
        series = self.series.get((point.service, point.metric))
        if series is None:
            if len(self.series) >= MAX_SERIES:
                self.dropped += 1
                return
            series = self.series[point.service, point.metric] = Series()
        series.add(point.t, point.value)

    def _add_line(self, line: LogRecord) -> None:
        if self.logs_from_s is None:
            self.logs_from_s = line.t
        template = self.templates.number(line.body)
        is_loud = self.templates.is_failure(template)
        loudness = LOUD if is_loud else of_level(line.severity)
        key = LogKey(line.service, template, loudness)
        counted = self.logs.get(key)
        if counted is None:
            if len(self.logs) >= MAX_LOG_KEYS:
                self.dropped += 1
                return
            counted = self.logs[key] = Binned()
        counted.add(line.t)
