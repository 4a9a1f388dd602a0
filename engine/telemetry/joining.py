"""Spans joined to their parents as they end, and what each says of its place (pure).

A span is known when it ended, so a child comes before its parent: children wait for it, in a
bounded room. Once both are known, a span's time is split: what its children took, and what is its
own. Own time of a span that called another service is time on the way (the network, the other's
queue, or the caller's own slowness: a *gap*); of any other span it is *work*. A span whose parent
belongs to another service entered its own: what such an entry calls, all the way down inside its
service, is what is expected of the next entry of its kind.
"""

from collections import OrderedDict, deque
from collections.abc import Sequence
from typing import NamedTuple, Protocol

from engine.telemetry.records import Span

GRACE_S = 5.0
"""How long a span is kept after its end: clocks, rounding and exporters let children come late."""
MAX_WAITING = 100_000
"""Spans that are kept so at a time, and parents that are awaited."""
MAX_DEPTH = 100
"""Generations of a trace that are counted in order; deeper ones as they come."""
MAX_CHILDREN = 256
"""Children of one span that are looked at; a span with more is a batch."""


class Operation(NamedTuple):
    """A kind of work of one service."""

    service: str
    name: str


class Edge(NamedTuple):
    """A call of one service by another."""

    caller: str
    callee: str


class Heard(Protocol):
    """What is told of every span once its children are known."""

    def tell_way(self, edge: Edge, span: Span, own_ms: float, *, failed: bool) -> None:
        """``span`` called over ``edge`` and spent ``own_ms`` on the way."""
        ...

    def tell_work(
        self, operation: Operation, span: Span, own_ms: float | None, *, failed: bool
    ) -> None:
        """``span`` was work, of its own unless it called others (None); failed by itself or not."""
        ...

    def tell_entry(self, operation: Operation, span: Span, called: Sequence[str]) -> None:
        """``span`` entered its service from outside, which then called these."""
        ...


class _Kept:
    """A span while its relatives are awaited."""

    __slots__ = ("calls", "end_s", "settled", "span")

    def __init__(self, span: Span) -> None:
        self.span = span
        self.end_s = span.end_s
        self.settled = False
        self.calls: list[str] = []
        """Services called by it, or by spans of its own service below it."""


class SpanJoin:
    """Takes spans in the order of their ends, and tells ``heard`` what each says."""

    def __init__(self, heard: Heard) -> None:
        self._heard = heard
        self.dropped = 0
        """Children whose parent never came, or who were too many."""
        self._waiting: OrderedDict[tuple[str, str], list[_Kept]] = OrderedDict()
        self._ended: deque[_Kept] = deque()
        self._newest_s = float("-inf")

    def add(self, span: Span) -> None:
        """Take one ended span in; it is told once its children have had time to come."""
        kept = _Kept(span)
        self._newest_s = max(self._newest_s, kept.end_s)
        self._ended.append(kept)
        if span.parent_id:
            self._await_parent(kept)
        over_s = self._newest_s - GRACE_S
        while len(self._ended) > MAX_WAITING or self._ended[0].end_s < over_s:
            self._settle(self._ended.popleft(), 0)

    def _settle(self, kept: _Kept, depth: int) -> None:
        """Tell a span, its children first."""
        if kept.settled:
            return
        kept.settled = True
        span = kept.span
        taken_ms, others, is_below = 0.0, [], False
        for child in self._waiting.pop((span.trace_id, span.span_id), ()):
            called = child.span
            taken_ms += called.duration_ms
            is_below = is_below or called.error
            if depth < MAX_DEPTH:
                self._settle(child, depth + 1)
            if called.service == span.service:
                kept.calls += child.calls
            else:
                others.append(called)
                kept.calls.append(called.service)
                self._entered(child)
        del kept.calls[MAX_CHILDREN:]
        own_ms = max(0.0, span.duration_ms - taken_ms)
        for called in others:
            edge = Edge(span.service, called.service)
            self._heard.tell_way(edge, span, own_ms / len(others), failed=called.error)
        failed = span.error and not is_below
        operation = Operation(span.service, span.name)
        self._heard.tell_work(operation, span, None if others else own_ms, failed=failed)
        if not span.parent_id:
            self._entered(kept)

    def _await_parent(self, kept: _Kept) -> None:
        key = (kept.span.trace_id, kept.span.parent_id)
        waiting = self._waiting.setdefault(key, [])
        if len(waiting) >= MAX_CHILDREN:
            self.dropped += 1
            return
        waiting.append(kept)
        if len(self._waiting) > MAX_WAITING:
            self.dropped += len(self._waiting.popitem(last=False)[1])

    def _entered(self, child: _Kept) -> None:
        span = child.span
        self._heard.tell_entry(Operation(span.service, span.name), span, child.calls)
