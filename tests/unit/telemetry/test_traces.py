"""Spans say whose time it was, once their children have come, in whatever order."""

import random

from engine.telemetry.joining import GRACE_S
from engine.telemetry.records import Span
from engine.telemetry.traces import Edge, Made, Operation, TraceBook


def trace(number: int, at_s: float) -> list[Span]:
    """a serves 100 ms, of which its call to b takes 60, of which b works 50."""
    name = str(number)
    return [
        Span(at_s + 0.02, "b", "work", name, "3", "2", 50.0, False),
        Span(at_s + 0.01, "a", "call", name, "2", "1", 60.0, False),
        Span(at_s, "a", "serve", name, "1", "", 100.0, False),
    ]


def told(book: TraceBook, spans: list[Span]) -> None:
    for span in spans:
        book.add(span)
    book.add(Span(max(s.t for s in spans) + GRACE_S + 1, "z", "end", "z", "z", "", 0.0, False))


def test_time_is_split_into_work_and_way() -> None:
    book = TraceBook()

    told(book, trace(1, 10.0))

    assert list(book.work[Operation("b", "work")].bins[0].values) == [50.0]
    assert list(book.work[Operation("a", "serve")].bins[0].values) == [40.0]
    assert list(book.gaps[Edge("a", "b")].bins[0].values) == [10.0]
    assert book.calls[Made(Operation("a", "serve"), "b")].bins[0].count == 1
    assert book.entries[Operation("b", "work")].bins[0].count == 1


def test_the_order_within_the_grace_does_not_matter() -> None:
    spans = [span for number in range(30) for span in trace(number, 10.0 + number / 10)]
    ordered, shuffled = TraceBook(), TraceBook()
    told(ordered, spans)
    random.Random(4).shuffle(spans)
    told(shuffled, spans)

    def sums(book: TraceBook) -> dict[object, tuple[int, float]]:
        kept = [
            *book.work.items(),
            *book.gaps.items(),
            *book.entries.items(),
            *book.calls.items(),
        ]
        return {
            k: (sum(b.count for b in v.bins), round(sum(sum(b.values) for b in v.bins), 6))
            for k, v in kept
        }

    assert sums(ordered) == sums(shuffled)


def test_an_error_that_a_child_explains_is_not_its_parents_own() -> None:
    book = TraceBook()
    child, call, parent = (
        Span(s.t, s.service, s.name, s.trace_id, s.span_id, s.parent_id, s.duration_ms, True)
        for s in trace(1, 10.0)
    )

    told(book, [child, call, parent])

    assert book.work[Operation("b", "work")].bins[0].errors == 1
    assert book.work[Operation("a", "serve")].bins[0].errors == 0
