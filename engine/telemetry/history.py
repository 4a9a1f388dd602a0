"""What is kept of a system's telemetry for diagnosis: bounded rings of everything it says (pure)."""

from array import array
from collections.abc import Sequence

from engine.telemetry.context import Change
from engine.telemetry.records import LogRecord, Point, Span

MAX_SAMPLES = 2_048
"""Kept of one series, newest last; twice as many stand in memory before the older half goes."""
MAX_SERIES = 50_000


class Series:
    """One metric of one service."""

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


class History:
    """Everything that was seen of one system, as far back as is kept."""

    def __init__(
        self,
        services: Sequence[str],
        calls: Sequence[tuple[str, str]] = (),
        changes: Sequence[Change] = (),
    ) -> None:
        self.services = tuple(services)
        self.calls = tuple(calls)
        self.changes = tuple(changes)
        self.series: dict[tuple[str, str], Series] = {}
        self.series_dropped = 0
        """Samples of series beyond the most that are kept."""

    @property
    def series_count(self) -> int:
        """How many metrics are kept, over all services."""
        return len(self.series)

    def add(self, record: Point | LogRecord | Span) -> None:
        """Take one record in, or drop and count it."""
        if isinstance(record, Point):
            self._add_sample(record)
        elif isinstance(record, LogRecord | Span):
            pass

    def _add_sample(self, sample: Point) -> None:
        series = self.series.get((sample.service, sample.metric))
        if series is None:
            if len(self.series) >= MAX_SERIES:
                self.series_dropped += 1
                return
            series = self.series[sample.service, sample.metric] = Series()
        series.add(sample.t, sample.value)
