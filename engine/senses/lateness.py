"""Which services make late what was not late before, from spans alone (pure).

Each operation learns how long it usually takes; a span far beyond that is late. What is counted is
traces, not spans: one slow request makes many late spans and is one witness. The share of late
traces of the last minute is held against the habit of the service by a Bayes factor.
"""

from collections import deque
from dataclasses import dataclass, field
from math import log

import numpy as np

from engine.senses.bayes import log_bayes_factor

SPAN_S = 60.0
WARM_UP_S = 300.0
KEPT = 400
LEAST_KNOWN = 20
RELEARN_EVERY = 20
SPREADS = 5.0
LEAST_FACTOR_LOG = 0.7
"""Natural logarithm of the factor by which a late span outlasts nearly all others: twice."""
_PRIOR_TRACES = 50.0
_PRIOR_LATE = 0.5
MOST_OPERATIONS = 20_000
MOST_RECENT = 20_000
"""Spans of one service kept for the minute."""


class _Operation:
    """How long one operation of one service takes, as logarithms of milliseconds."""

    __slots__ = ("durations", "late_from", "seen")

    def __init__(self) -> None:
        self.durations: deque[float] = deque(maxlen=KEPT)
        self.late_from = float("inf")
        self.seen = 0

    def is_late(self, duration: float) -> bool:
        """Whether it is, by what was known before it."""
        if self.seen >= LEAST_KNOWN and self.seen % RELEARN_EVERY == 0:
            known = np.asarray(self.durations)
            middle = float(np.median(known))
            spread = 1.4826 * float(np.median(np.abs(known - middle))) + 0.1
            slow = max(middle + SPREADS * spread, float(np.quantile(known, 0.99)))
            self.late_from = slow + LEAST_FACTOR_LOG
        self.durations.append(duration)
        self.seen += 1
        return duration > self.late_from


@dataclass
class _Service:
    recent: deque[tuple[float, str, bool]] = field(
        default_factory=lambda: deque(maxlen=MOST_RECENT)
    )
    late: float = 0.0
    total: float = 0.0


@dataclass(frozen=True, slots=True)
class Late:
    """A service whose operations have become late."""

    service: str
    log_factor: float
    late_traces: int
    traces: int


class Lateness:
    """All operations of one system; feed it spans in the order in which they ended."""

    def __init__(self) -> None:
        self._operations: dict[tuple[str, str], _Operation] = {}
        self._services: dict[str, _Service] = {}
        self._first_s: float | None = None
        self.dropped = 0
        """Spans of operations beyond ``MOST_OPERATIONS``."""

    def add(self, end_s: float, service: str, name: str, trace: str, duration_ms: float) -> None:
        """Take one span in."""
        if self._first_s is None:
            self._first_s = end_s
        operation = self._operations.get((service, name))
        if operation is None:
            if len(self._operations) >= MOST_OPERATIONS:
                self.dropped += 1
                return
            operation = self._operations[service, name] = _Operation()
        is_known = operation.seen >= LEAST_KNOWN
        is_late = operation.is_late(log(duration_ms + 2.0))
        if is_known:
            self._services.setdefault(service, _Service()).recent.append((end_s, trace, is_late))

    def late(self, now_s: float) -> list[Late]:
        """The services with more late traces than is their habit, worst first."""
        if self._first_s is None:
            return []
        found = []
        for name, service in self._services.items():
            recent = service.recent
            while recent and recent[0][0] < now_s - SPAN_S:
                _, _, was_late = recent.popleft()
                service.late += was_late
                service.total += 1.0
            traces = {trace for _, trace, _ in recent}
            late = {trace for _, trace, is_late in recent if is_late}
            if late and now_s - self._first_s >= WARM_UP_S:
                weight = service.total + _PRIOR_TRACES
                share = (service.late + _PRIOR_LATE) / weight
                factor = log_bayes_factor(len(late), len(traces), share, weight)
                found.append(Late(name, factor, len(late), len(traces)))
        return sorted(found, key=lambda late: -late.log_factor)
