"""What joined spans say, counted by time: work, ways, entries and the calls that they make (pure)."""

from collections.abc import Sequence
from typing import NamedTuple, TypeVar

from engine.telemetry.bins import Binned
from engine.telemetry.joining import Edge, Operation, SpanJoin
from engine.telemetry.records import Span

MAX_KEYS = 20_000
"""Operations, gaps and calls that are told apart, each."""


class Made(NamedTuple):
    """What an entry of a kind calls."""

    operation: Operation
    callee: str


KeyT = TypeVar("KeyT", Operation, Edge, Made)


class TraceBook:
    """Counts of operations and calls, from spans in the order of their ends."""

    def __init__(self) -> None:
        self._join = SpanJoin(self)
        self._overflowed = 0
        self.work: dict[Operation, Binned] = {}
        """Own time of operations; errors are those that no child's error explains."""
        self.gaps: dict[Edge, Binned] = {}
        """Time on the way of calls; errors are calls that failed."""
        self.entries: dict[Operation, Binned] = {}
        """How often each kind of work was asked for from outside its service."""
        self.calls: dict[Made, Binned] = {}
        """Calls made by entries."""

    @property
    def dropped(self) -> int:
        """Children whose parent never came, or who were too many, and keys beyond the most kept."""
        return self._join.dropped + self._overflowed

    def add(self, span: Span) -> None:
        """Take one ended span in; it counts once its children have had time to come."""
        self._join.add(span)

    def tell_way(self, edge: Edge, span: Span, own_ms: float, *, failed: bool) -> None:
        """Count one call."""
        self._count(self.gaps, edge, span, own_ms, failed=failed)

    def tell_work(
        self, operation: Operation, span: Span, own_ms: float | None, *, failed: bool
    ) -> None:
        """Count one piece of work."""
        self._count(self.work, operation, span, own_ms, failed=failed)

    def tell_entry(self, operation: Operation, span: Span, called: Sequence[str]) -> None:
        """Count one entry and what it called."""
        self._count(self.entries, operation, span, None, failed=span.error)
        for callee in called:
            self._count(self.calls, Made(operation, callee), span, None, failed=False)

    def _count(
        self, kept: dict[KeyT, Binned], key: KeyT, span: Span, ms: float | None, *, failed: bool
    ) -> None:
        binned = kept.get(key)
        if binned is None:
            if len(kept) >= MAX_KEYS:
                self._overflowed += 1
                return
            binned = kept[key] = Binned()
        binned.add(span.end_s, ms, error=failed)


__all__ = ["Edge", "Made", "Operation", "TraceBook"]
