"""OTLP requests become records; damaged ones one error, and bad records do not spoil good ones."""

import base64

import msgspec
import pytest
from google.protobuf import json_format
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric
from opentelemetry.proto.resource.v1.resource_pb2 import Resource

from engine.codec import Malformed
from engine.telemetry.doors import otlp
from engine.telemetry.doors.otlp import Signal
from engine.telemetry.records import Batch, Kind, LogRecord, Point, Span

AT_NS = 1_700_000_000_000_000_000
AT = 1_700_000_000.0
TRACE = bytes(range(16))
SPAN = bytes(range(8))


def _resource(service: str) -> Resource:
    resource = Resource()
    pair = resource.attributes.add(key="service.name")
    pair.value.string_value = service
    return resource


def _metrics(*metrics: Metric, service: str = "orders") -> bytes:
    request = ExportMetricsServiceRequest()
    request.resource_metrics.add(resource=_resource(service)).scope_metrics.add(metrics=metrics)
    return request.SerializeToString()


def _spans(service: str = "orders", count: int = 1) -> ExportTraceServiceRequest:
    request = ExportTraceServiceRequest()
    scope = request.resource_spans.add(resource=_resource(service)).scope_spans.add()
    for _ in range(count):
        span = scope.spans.add(trace_id=TRACE, span_id=SPAN, name="POST /orders")
        span.start_time_unix_nano = AT_NS
        span.end_time_unix_nano = AT_NS + 12_500_000
        span.status.code = span.status.STATUS_CODE_ERROR
    return request


def test_a_gauge_is_a_point_and_its_attributes_are_part_of_its_name() -> None:
    metric = Metric(name="queue.length")
    row = metric.gauge.data_points.add(time_unix_nano=AT_NS, as_int=7)
    row.attributes.add(key="queue").value.string_value = 'mail "out"'
    batch = otlp.read(Signal.METRICS, _metrics(metric), json=False)
    assert batch == Batch((Point(AT, "orders", "queue.length{queue=\"mail 'out'\"}", 7.0),))


@pytest.mark.parametrize(
    ("temporality", "monotonic", "kind"),
    [(2, True, Kind.COUNTER), (1, True, Kind.DELTA), (2, False, Kind.GAUGE)],
)
def test_a_sum_is_counted_as_its_temporality_says(
    temporality: int, monotonic: bool, kind: Kind
) -> None:
    metric = Metric(name="requests")
    metric.sum.aggregation_temporality = temporality  # type: ignore[assignment]
    metric.sum.is_monotonic = monotonic
    metric.sum.data_points.add(time_unix_nano=AT_NS, as_double=3.0)
    batch = otlp.read(Signal.METRICS, _metrics(metric), json=False)
    assert batch.records == (Point(AT, "orders", "requests", 3.0, kind),)


def test_a_histogram_is_what_prometheus_makes_of_it() -> None:
    metric = Metric(name="latency")
    metric.histogram.aggregation_temporality = 2  # type: ignore[assignment]
    metric.histogram.data_points.add(
        time_unix_nano=AT_NS, count=6, sum=9.5, bucket_counts=[1, 2, 3], explicit_bounds=[0.5, 1]
    )
    batch = otlp.read(Signal.METRICS, _metrics(metric), json=False)
    found = {p.metric: p.value for p in batch.records if isinstance(p, Point)}
    assert found == {
        "latency_count": 6.0,
        "latency_sum": 9.5,
        'latency_bucket{le="0.5"}': 1.0,
        'latency_bucket{le="1"}': 3.0,
        'latency_bucket{le="+Inf"}': 6.0,
    }


def test_a_log_record_keeps_severity_exception_and_trace() -> None:
    request = ExportLogsServiceRequest()
    scope = request.resource_logs.add(resource=_resource("orders")).scope_logs.add()
    row = scope.log_records.add(time_unix_nano=AT_NS, severity_number=17, trace_id=TRACE)
    row.body.string_value = "payment failed"
    row.attributes.add(key="exception.type").value.string_value = "TimeoutError"
    batch = otlp.read(Signal.LOGS, request.SerializeToString(), json=False)
    wanted = LogRecord(AT, "orders", "error", "payment failed [TimeoutError]", TRACE.hex())
    assert batch.records == (wanted,)


def test_a_span_is_the_same_in_both_forms_with_hexadecimal_ids_in_json() -> None:
    request = _spans()
    by_protobuf = otlp.read(Signal.TRACES, request.SerializeToString(), json=False)
    text = json_format.MessageToJson(request)
    for identity in (TRACE, SPAN):
        text = text.replace(base64.b64encode(identity).decode(), identity.hex().upper())
    assert otlp.read(Signal.TRACES, text.encode(), json=True) == by_protobuf
    wanted = Span(AT, "orders", "POST /orders", TRACE.hex(), SPAN.hex(), "", 12.5, True)
    assert by_protobuf.records == (wanted,)


def test_json_from_the_future_is_read_as_far_as_it_is_known() -> None:
    body = b'{"resourceSpans": [], "resourceThoughts": [{"traceId": "00"}]}'
    assert otlp.read(Signal.TRACES, body, json=True) == Batch(())


def test_what_cannot_be_used_is_counted_and_told_to_its_sender() -> None:
    request = _spans("orders", 2)
    request.resource_spans[0].scope_spans[0].spans[0].trace_id = b"short"
    batch = otlp.read(Signal.TRACES, request.SerializeToString(), json=False)
    assert (len(batch.records), batch.rejected) == (1, 1)
    told = ExportTraceServiceResponse.FromString(otlp.answer(Signal.TRACES, batch, json=False))
    assert told.partial_success.rejected_spans == 1
    assert "16 bytes" in told.partial_success.error_message


def test_a_full_success_says_nothing_more() -> None:
    body = otlp.answer(Signal.METRICS, Batch(()), json=False)
    assert not ExportMetricsServiceResponse.FromString(body).HasField("partial_success")
    assert msgspec.json.decode(otlp.answer(Signal.LOGS, Batch(()), json=True)) == {}


@pytest.mark.parametrize("service", ["", "unknown_service:python", "x" * 300])
def test_a_resource_without_a_name_is_nobodys(service: str) -> None:
    batch = otlp.read(Signal.TRACES, _spans(service).SerializeToString(), json=False)
    assert (batch.records, batch.rejected) == ((), 1)


@pytest.mark.parametrize(
    "body",
    [
        b"[]",
        b"{",
        b"\xff",
        b'{"resourceSpans": 3}',
        b"[" * 100_000,
        b'{"a":' * 40 + b"1" + b"}" * 40,
    ],
)
def test_a_damaged_json_request_is_one_error(body: bytes) -> None:
    with pytest.raises(Malformed, match="OTLP"):
        otlp.read(Signal.TRACES, body, json=True)


def test_an_id_that_is_not_hexadecimal_is_named() -> None:
    body = b'{"resourceSpans": [{"scopeSpans": [{"spans": [{"traceId": "not hex"}]}]}]}'
    with pytest.raises(Malformed, match="'not hex' is not hexadecimal"):
        otlp.read(Signal.TRACES, body, json=True)


@given(body=st.binary(max_size=200), signal=st.sampled_from(Signal), json=st.booleans())
def test_whatever_the_bytes_are_they_are_read_or_refused(
    body: bytes, signal: Signal, json: bool
) -> None:
    try:
        batch = otlp.read(signal, body, json=json)
    except Malformed:
        return
    assert isinstance(batch, Batch)


@given(cut=st.integers(0, 400), flip=st.integers(0, 7))
def test_a_request_that_was_damaged_on_the_way_is_read_or_refused(cut: int, flip: int) -> None:
    body = bytearray(_spans(count=5).SerializeToString())
    body[cut % len(body)] ^= 1 << flip
    try:
        otlp.read(Signal.TRACES, bytes(body), json=False)
    except Malformed as error:
        assert "OTLP traces" in str(error)  # noqa: PT017 - either outcome is right
