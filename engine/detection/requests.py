"""Which services' requests go wrong: late on the way, late at work, failed, or without their calls (pure).

Every joined span is a trial or several (``engine.detection.persistence``). Late is what takes far
longer than calls over the same way, or work of the same kind, ever did; each way and each operation
learns that for itself, so units and speeds do not matter. All ways into a service are one row: a
service is slow when all who call it wait, and a caller whose one slow call is to a slow callee is
not.
"""

from collections import deque
from collections.abc import Sequence
from math import log

import numpy as np

from engine.detection.rows import FAILED, Row, Rows
from engine.telemetry.joining import Edge, Operation, SpanJoin
from engine.telemetry.records import Span

KEPT = 400
LEAST_KNOWN = 15
RELEARN_EVERY = 20
SPREADS = 4.0
LEAST_FACTOR_LOG = 0.7
"""Natural logarithm of the factor by which a late call outlasts usual ones: twice."""
LEAST_SPREAD = 0.1
_SMALL_MS = 2.0
"""Added to every duration: below it clocks say more than work does."""
MOST_KINDS = 20_000
MEMORY = 4_000.0
"""Entries of a kind, after which the oldest count half."""
USUAL_SHARE = 0.5
"""Of the entries of a kind: what fewer of them call is not missed."""
LATE_IN, LATE_OUT = "calls to it are late", "calls from it are late"
LATE_WORK, MISSING = "work is late", "calls are missing"


class _Usual:
    """How long one thing takes, as logarithms of milliseconds."""

    __slots__ = ("durations", "late_from", "seen")

    def __init__(self) -> None:
        self.durations: deque[float] = deque(maxlen=KEPT)
        self.late_from = float("inf")
        self.seen = 0

    def is_late(self, duration_ms: float) -> bool | None:
        """Whether it is, by what was known before it; None while too little is."""
        duration = log(duration_ms + _SMALL_MS)
        if self.seen >= LEAST_KNOWN and (self.seen - LEAST_KNOWN) % RELEARN_EVERY == 0:
            known = np.asarray(self.durations)
            middle = float(np.median(known))
            spread = 1.4826 * float(np.median(np.abs(known - middle))) + LEAST_SPREAD
            self.late_from = middle + SPREADS * spread + LEAST_FACTOR_LOG
        self.durations.append(duration)
        self.seen += 1
        return duration > self.late_from if self.seen > LEAST_KNOWN else None


class _Calls:
    """What entries of one kind call."""

    __slots__ = ("entries", "made")

    def __init__(self) -> None:
        self.entries = 0.0
        self.made: dict[str, float] = {}

    def count(self, called: set[str]) -> None:
        """Learn from one entry; the oldest weigh less and less."""
        self.entries += 1.0
        for callee in called:
            self.made[callee] = self.made.get(callee, 0.0) + 1.0
        if self.entries > MEMORY:
            self.entries /= 2.0
            self.made = {callee: made / 2.0 for callee, made in self.made.items()}


class Requests:
    """All requests of one system; feed it spans in the order of their ends."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows
        self._join = SpanJoin(self)
        self._usual: dict[Edge | Operation, _Usual] = {}
        self._calls: dict[Operation, _Calls] = {}
        self._overflowed = 0

    @property
    def dropped(self) -> int:
        """Spans whose relatives never came, and kinds beyond ``MOST_KINDS``."""
        return self._join.dropped + self._overflowed

    def add(self, span: Span) -> None:
        """Take one span in."""
        self._join.add(span)

    def tell_way(self, edge: Edge, span: Span, own_ms: float, *, failed: bool) -> None:
        """One call and its time on the way."""
        late = self._is_late(edge, own_ms)
        if late is not None:
            self._rows.add(span.end_s, Row(edge.callee, LATE_IN), wrong=late)
            self._rows.add(span.end_s, Row(edge.caller, LATE_OUT), wrong=late)

    def tell_work(
        self, operation: Operation, span: Span, own_ms: float | None, *, failed: bool
    ) -> None:
        """One piece of work: its own time, where it has any, and whether it failed by itself."""
        late = None if own_ms is None else self._is_late(operation, own_ms)
        if late is not None:
            self._rows.add(span.end_s, Row(operation.service, LATE_WORK), wrong=late)
        self._rows.add(span.end_s, Row(operation.service, FAILED, operation.name), wrong=failed)

    def tell_entry(self, operation: Operation, span: Span, called: Sequence[str]) -> None:
        """One entry, and which of the calls that its kind usually makes it made."""
        kind = self._calls.get(operation)
        if kind is None:
            if len(self._calls) >= MOST_KINDS:
                self._overflowed += 1
                return
            kind = self._calls[operation] = _Calls()
        now = set(called)
        for callee, made in kind.made.items():
            if kind.entries >= LEAST_KNOWN and made >= USUAL_SHARE * kind.entries:
                row = Row(operation.service, MISSING, f"{operation.name} to {callee}")
                self._rows.add(span.end_s, row, wrong=callee not in now)
        kind.count(now)

    def _is_late(self, kind: Edge | Operation, own_ms: float) -> bool | None:
        usual = self._usual.get(kind)
        if usual is None:
            if len(self._usual) >= MOST_KINDS:
                self._overflowed += 1
                return None
            usual = self._usual[kind] = _Usual()
        return usual.is_late(own_ms)
