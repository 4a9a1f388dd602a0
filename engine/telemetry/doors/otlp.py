"""OTLP: export requests of metrics, logs and traces to records (pure).

Protobuf and JSON, as the OpenTelemetry protocol specification 1.x defines them. In the JSON form
trace and span ids are hexadecimal, unlike in protobuf's own JSON mapping. Metric names follow the
OpenTelemetry-to-Prometheus mapping (``_count``, ``_sum``, ``_bucket`` with ``le``), so that a
histogram is the same signal whichever door it came through.
"""

import base64
import binascii
import math
from collections.abc import Callable, Iterable, Iterator
from enum import StrEnum
from functools import partial
from typing import TYPE_CHECKING

import msgspec
from google.protobuf import json_format
from google.protobuf.message import DecodeError, Message
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import (
    ExportLogsServiceRequest,
    ExportLogsServiceResponse,
)
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.metrics.v1 import metrics_pb2

from engine.codec import Malformed
from engine.telemetry.doors.series import Unusable, series_name
from engine.telemetry.records import MAX_BODY, MAX_NAME, Batch, Kind, LogRecord, Point, Record, Span

if TYPE_CHECKING:
    from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
    from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord as OtlpLog
    from opentelemetry.proto.resource.v1.resource_pb2 import Resource
    from opentelemetry.proto.trace.v1.trace_pb2 import Span as OtlpSpan

MAX_ATTRIBUTES = 16
"""Attributes that may tell points of one metric apart."""
MAX_ATTRIBUTE = 64
MAX_DEPTH = 32
"""Levels that a JSON request may nest; OTLP's own need twelve."""
NANO = 1e-9
STATUS_ERROR = 2
_IDS = frozenset({"traceId", "spanId", "parentSpanId"})
_SEVERITIES = ((21, "critical"), (17, "error"), (13, "warning"), (9, "info"), (0, "debug"))


class Signal(StrEnum):
    """What a request carries; the last part of its path."""

    METRICS = "metrics"
    LOGS = "logs"
    TRACES = "traces"


def read(signal: Signal, body: bytes, *, json: bool) -> Batch:
    """The records of one export request.

    Raises:
        Malformed: ``body`` is no such request; nothing of it is used.
    """
    request = _REQUESTS[signal]()
    try:
        if json:
            json_format.ParseDict(
                _ids_as_base64(msgspec.json.decode(body)),
                request,
                ignore_unknown_fields=True,
                max_recursion_depth=MAX_DEPTH,
            )
        else:
            request.ParseFromString(body)
    except Malformed:
        raise
    except (DecodeError, json_format.ParseError, msgspec.DecodeError) as error:
        raise Malformed(f"OTLP {signal}: {str(error)[:200]}") from None
    except (UnicodeDecodeError, RecursionError, ValueError) as error:
        raise Malformed(f"OTLP {signal}: {type(error).__name__}") from None
    return _collect(_WALKS[signal](request))


def answer(signal: Signal, batch: Batch, *, json: bool) -> bytes:
    """The response to a request that was taken, with what of it could not be used."""
    response, rejected = _RESPONSES[signal]
    filled = response()
    if batch.rejected:
        partial_success = {rejected: batch.rejected, "errorMessage": batch.why}
        json_format.ParseDict({"partialSuccess": partial_success}, filled)
    if json:
        return json_format.MessageToJson(filled, indent=None).encode()
    return filled.SerializeToString()


# --- the walk ---------------------------------------------------------------------------------


Step = Callable[[], Iterable[Record]]
"""One record of the request, not yet read."""


def _collect(steps: Iterator[Step]) -> Batch:
    records: list[Record] = []
    rejected, why = 0, ""
    for step in steps:
        try:
            records += step()
        except Unusable as error:
            rejected, why = rejected + 1, why or str(error)
    return Batch(tuple(records), rejected, why)


def _metrics(request: ExportMetricsServiceRequest) -> Iterator[Step]:
    for resource in request.resource_metrics:
        service = _service(resource.resource)
        for scope in resource.scope_metrics:
            for metric in scope.metrics:
                yield from _points(service, metric)


def _logs(request: ExportLogsServiceRequest) -> Iterator[Step]:
    for resource in request.resource_logs:
        service = _service(resource.resource)
        for scope in resource.scope_logs:
            for row in scope.log_records:
                yield partial(_log, service, row)


def _traces(request: ExportTraceServiceRequest) -> Iterator[Step]:
    for resource in request.resource_spans:
        service = _service(resource.resource)
        for scope in resource.scope_spans:
            for row in scope.spans:
                yield partial(_span, service, row)


_REQUESTS: dict[Signal, type[Message]] = {
    Signal.METRICS: ExportMetricsServiceRequest,
    Signal.LOGS: ExportLogsServiceRequest,
    Signal.TRACES: ExportTraceServiceRequest,
}
_RESPONSES: dict[Signal, tuple[type[Message], str]] = {
    Signal.METRICS: (ExportMetricsServiceResponse, "rejectedDataPoints"),
    Signal.LOGS: (ExportLogsServiceResponse, "rejectedLogRecords"),
    Signal.TRACES: (ExportTraceServiceResponse, "rejectedSpans"),
}
_WALKS: dict[Signal, Callable[..., Iterator[Step]]] = {
    Signal.METRICS: _metrics,
    Signal.LOGS: _logs,
    Signal.TRACES: _traces,
}


# --- metrics ----------------------------------------------------------------------------------


def _points(service: str, metric: metrics_pb2.Metric) -> Iterator[Step]:
    data = metric.WhichOneof("data")
    name = metric.name
    if data == "gauge":
        for row in metric.gauge.data_points:
            yield partial(_number, service, name, Kind.GAUGE, row)
    elif data == "sum":
        kind = _kind(metric.sum.aggregation_temporality)
        kind = kind if metric.sum.is_monotonic or kind is Kind.DELTA else Kind.GAUGE
        for row in metric.sum.data_points:
            yield partial(_number, service, name, kind, row)
    elif data == "histogram":
        kind = _kind(metric.histogram.aggregation_temporality)
        for part in metric.histogram.data_points:
            yield partial(_histogram, service, name, part, kind)
    elif data == "exponential_histogram":
        kind = _kind(metric.exponential_histogram.aggregation_temporality)
        for whole in metric.exponential_histogram.data_points:
            yield partial(_totals, service, name, whole, kind)
    elif data == "summary":
        for total in metric.summary.data_points:
            yield partial(_totals, service, name, total, Kind.COUNTER)


def _kind(temporality: int) -> Kind:
    if temporality == metrics_pb2.AGGREGATION_TEMPORALITY_DELTA:
        return Kind.DELTA
    return Kind.COUNTER


def _number(service: str, name: str, kind: Kind, row: metrics_pb2.NumberDataPoint) -> list[Record]:
    if row.flags & metrics_pb2.DATA_POINT_FLAGS_NO_RECORDED_VALUE_MASK:
        raise Unusable(f"metric {name[:MAX_NAME]!r}: a point without a value")
    value = row.as_double if row.WhichOneof("value") == "as_double" else float(row.as_int)
    return [_point(row.time_unix_nano, service, name, _labels(row.attributes), value, kind)]


def _histogram(
    service: str, name: str, row: metrics_pb2.HistogramDataPoint, kind: Kind
) -> list[Record]:
    found = _totals(service, name, row, kind)
    if row.bucket_counts and len(row.bucket_counts) != len(row.explicit_bounds) + 1:
        raise Unusable(f"metric {name[:MAX_NAME]!r}: buckets and bounds do not fit")
    labels, seen = _labels(row.attributes), 0
    for bound, count in zip([*row.explicit_bounds, math.inf], row.bucket_counts, strict=False):
        seen += count
        at = {**labels, "le": "+Inf" if bound == math.inf else f"{bound:g}"}
        found.append(_point(row.time_unix_nano, service, f"{name}_bucket", at, float(seen), kind))
    return found


def _totals(
    service: str,
    name: str,
    row: metrics_pb2.HistogramDataPoint
    | metrics_pb2.ExponentialHistogramDataPoint
    | metrics_pb2.SummaryDataPoint,
    kind: Kind,
) -> list[Record]:
    labels, at = _labels(row.attributes), row.time_unix_nano
    return [
        _point(at, service, f"{name}_count", labels, float(row.count), kind),
        _point(at, service, f"{name}_sum", labels, row.sum, kind),
    ]


def _point(
    at_ns: int, service: str, name: str, labels: dict[str, str], value: float, kind: Kind
) -> Point:
    if not service:
        raise Unusable("a resource without service.name; set OTEL_SERVICE_NAME")
    if not name or not at_ns or not math.isfinite(value):
        raise Unusable(f"metric {name[:MAX_NAME]!r}: no name, no time or no finite value")
    return Point(at_ns * NANO, service, series_name(name, labels), value, kind)


def _labels(attributes: Iterable["KeyValue"]) -> dict[str, str]:
    labels: dict[str, str] = {}
    for pair in attributes:
        if len(labels) == MAX_ATTRIBUTES:
            raise Unusable("a point with too many attributes; drop some in a view")
        text = _text(pair.value)[:MAX_ATTRIBUTE]
        labels[pair.key[:MAX_ATTRIBUTE]] = text.replace("\\", "/").replace('"', "'")
    return labels


# --- logs and spans ---------------------------------------------------------------------------


def _log(service: str, row: "OtlpLog") -> list[Record]:
    at_ns = row.time_unix_nano or row.observed_time_unix_nano
    body = _text(row.body)
    for pair in row.attributes:
        if pair.key == "exception.type":
            body = f"{body} [{_text(pair.value)}]"
    if not service or not at_ns or not body:
        raise Unusable("a log record without service, time or body")
    severity = next(word for least, word in _SEVERITIES if row.severity_number >= least)
    if not row.severity_number:
        severity = "info"
    return [LogRecord(at_ns * NANO, service, severity, body[:MAX_BODY], row.trace_id.hex())]


def _span(service: str, row: "OtlpSpan") -> list[Record]:
    lasted_ns = row.end_time_unix_nano - row.start_time_unix_nano
    if not service or not row.start_time_unix_nano or lasted_ns < 0:
        raise Unusable("a span without service or start, or that ended before it began")
    if len(row.trace_id) != 16 or len(row.span_id) != 8:
        raise Unusable("a span without a trace id of 16 bytes and a span id of 8")
    span = Span(
        row.start_time_unix_nano * NANO,
        service,
        row.name[:MAX_NAME],
        row.trace_id.hex(),
        row.span_id.hex(),
        row.parent_span_id.hex(),
        lasted_ns / 1e6,
        row.status.code == STATUS_ERROR,
    )
    return [span]


# --- small parts ------------------------------------------------------------------------------


def _service(resource: "Resource") -> str:
    """``service.name`` of a resource; empty where it has none or the SDK made one up."""
    for pair in resource.attributes:
        if pair.key == "service.name":
            name = pair.value.string_value
            return "" if len(name) > MAX_NAME or name.startswith("unknown_service") else name
    return ""


def _text(value: "AnyValue") -> str:
    which = value.WhichOneof("value")
    if which is None:
        return ""
    if which == "string_value":
        return value.string_value
    if which == "bool_value":
        return "true" if value.bool_value else "false"
    if which in {"int_value", "double_value"}:
        return f"{value.int_value if which == 'int_value' else value.double_value}"
    return f"<{which.removesuffix('_value')}>"


def _ids_as_base64(value: object, depth: int = 0) -> dict[str, object]:
    """A decoded JSON request with its hexadecimal ids as protobuf's JSON mapping has bytes.

    Raises:
        Malformed: it is no object, nests too deeply, or an id is not hexadecimal.
    """
    found = _converted(value, depth)
    if not isinstance(found, dict):
        raise Malformed("OTLP: a request is a JSON object")
    return found


def _converted(value: object, depth: int) -> object:
    if depth > MAX_DEPTH:
        raise Malformed(f"OTLP: nested more than {MAX_DEPTH} deep")
    if isinstance(value, list):
        return [_converted(item, depth + 1) for item in value]
    if isinstance(value, dict):
        return {
            key: _id(item) if key in _IDS else _converted(item, depth + 1)
            for key, item in value.items()
        }
    return value


def _id(value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        return base64.b64encode(bytes.fromhex(value)).decode()
    except (binascii.Error, ValueError):
        raise Malformed(f"OTLP: the id {value[:40]!r} is not hexadecimal") from None
