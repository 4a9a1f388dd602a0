"""A service's spans are OTLP that our own door reads, with the caller's span as the parent."""

import random

from hypothesis import given
from hypothesis import strategies as st

from chaos.fleet.spans import MAX_WAITING, Spans
from engine.telemetry.doors import otlp
from engine.telemetry.doors.otlp import Signal
from engine.telemetry.records import Span


def _spans(service: str = "orders") -> Spans:
    return Spans(service, "1.0.0", random.Random(1))


def _read(spans: Spans) -> list[Span]:
    body = spans.take()
    assert body is not None
    batch = otlp.read(Signal.TRACES, body, json=True)
    assert batch.rejected == 0
    return [record for record in batch.records if isinstance(record, Span)]


def test_a_call_is_a_child_of_the_request_that_made_it() -> None:
    gateway, orders = _spans("gateway"), Spans("orders", "1.0.0", random.Random(2))
    outer = gateway.begin("")
    inner = orders.begin(outer.traceparent)
    orders.end(inner, "POST /orders", 2_000_000_000, 2_012_500_000, error=True)
    gateway.end(outer, "POST /checkout", 1_000_000_000, 3_000_000_000, error=False)
    [parent], [child] = _read(gateway), _read(orders)
    assert (child.trace_id, child.parent_id) == (parent.trace_id, parent.span_id)
    assert (child.service, child.duration_ms, child.error) == ("orders", 12.5, True)
    assert (parent.parent_id, parent.error) == ("", False)


@given(st.text(max_size=80))
def test_a_header_that_is_none_begins_a_new_trace(text: str) -> None:
    spans = _spans()
    span = spans.begin(text)
    spans.end(span, "GET /", 1, 2, error=False)
    assert len(_read(spans)) == 1


def test_what_nobody_fetches_is_bounded_and_counted() -> None:
    spans = _spans()
    for _ in range(MAX_WAITING + 3):
        spans.end(spans.begin(""), "GET /", 1, 2, error=False)
    assert spans.dropped == 3
    assert len(_read(spans)) == MAX_WAITING
    assert spans.take() is None
