"""The doors take what real OpenTelemetry exporters send, and keep everybody else outside."""

import asyncio
import gzip
import io
import zlib
from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING

import aiohttp
import pytest
import pytest_asyncio
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from engine.clock import SystemClock
from engine.codec import Malformed
from engine.stream.access import Listen
from engine.telemetry.doors import listener
from engine.telemetry.doors.intake import Intake
from engine.telemetry.doors.listener import Doors, open_doors
from engine.telemetry.records import Batch, LogRecord, Point, Span
from tests.until import until

if TYPE_CHECKING:
    from opentelemetry._logs import LogRecord as SdkLog

TOKEN = "t" * 43
ME = Resource.create({"service.name": "orders"})


class Open:
    """Doors on a free port, and what a client needs to knock."""

    def __init__(self, intake: Intake, doors: Doors, port: int) -> None:
        self.intake = intake
        self.doors = doors
        self.port = port
        self.url = f"http://127.0.0.1:{port}"
        self.headers = {"Authorization": f"Bearer {TOKEN}"}

    async def post(self, path: str, body: bytes, **headers: str) -> tuple[int, str]:
        """Status and text of one request, with the token unless ``headers`` say otherwise."""
        typed = {"Content-Type": "application/json", **self.headers, **headers}
        async with (
            aiohttp.ClientSession() as session,
            session.post(self.url + path, data=io.BytesIO(body), headers=typed) as response,
        ):
            return response.status, await response.text()


@pytest_asyncio.fixture
async def opened() -> AsyncGenerator[Open]:
    intake = Intake(limit=100)
    async with open_doors(intake, TOKEN, Listen(), SystemClock()) as (doors, port):
        yield Open(intake, doors, port)


@pytest.mark.parametrize(
    "compression", [Compression.Gzip, Compression.Deflate, Compression.NoCompression]
)
async def test_spans_of_the_real_sdk_arrive(opened: Open, compression: Compression) -> None:
    def work() -> None:
        provider = TracerProvider(resource=ME)
        exporter = OTLPSpanExporter(
            f"{opened.url}/v1/traces", headers=opened.headers, compression=compression
        )
        provider.add_span_processor(BatchSpanProcessor(exporter))
        tracer = provider.get_tracer("test")
        with tracer.start_as_current_span("outer"), tracer.start_as_current_span("inner"):
            pass
        provider.shutdown()

    await asyncio.to_thread(work)
    inner, outer = (record for record in opened.intake.take() if isinstance(record, Span))
    assert (inner.name, outer.name, inner.service) == ("inner", "outer", "orders")
    assert (inner.trace_id, inner.parent_id) == (outer.trace_id, outer.span_id)
    assert outer.duration_ms >= inner.duration_ms > 0


async def test_metrics_of_the_real_sdk_arrive(opened: Open) -> None:
    def work() -> None:
        exporter = OTLPMetricExporter(f"{opened.url}/v1/metrics", headers=opened.headers)
        reader = PeriodicExportingMetricReader(exporter, export_interval_millis=60_000)
        provider = MeterProvider([reader], resource=ME)
        meter = provider.get_meter("test")
        meter.create_counter("orders").add(3, {"route": "/checkout"})
        meter.create_histogram("latency").record(0.2)
        provider.shutdown()

    await asyncio.to_thread(work)
    found = {p.metric: p.value for p in opened.intake.take() if isinstance(p, Point)}
    assert found['orders{route="/checkout"}'] == 3
    assert found["latency_count"] == 1
    assert found['latency_bucket{le="+Inf"}'] == 1


async def test_logs_of_the_real_sdk_arrive(opened: Open) -> None:
    def work() -> None:
        from opentelemetry._logs import LogRecord as SdkRecord
        from opentelemetry._logs import SeverityNumber

        provider = LoggerProvider(resource=ME)
        exporter = OTLPLogExporter(f"{opened.url}/v1/logs", headers=opened.headers)
        provider.add_log_record_processor(BatchLogRecordProcessor(exporter))
        said: SdkLog = SdkRecord(
            timestamp=1_700_000_000_000_000_000,
            severity_number=SeverityNumber.WARN,
            body="slow answer",
        )
        provider.get_logger("test").emit(said)
        provider.shutdown()

    await asyncio.to_thread(work)
    (record,) = opened.intake.take()
    assert isinstance(record, LogRecord)
    assert (record.service, record.severity, record.body) == ("orders", "warning", "slow answer")


async def test_a_full_intake_sends_the_sender_away_and_nothing_is_counted_twice(
    opened: Open,
) -> None:
    opened.intake.offer(Batch(tuple(Point(1.0, "a", "m", 1.0) for _ in range(100))))
    body = b'{"resourceMetrics":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"a"}}]},"scopeMetrics":[{"metrics":[{"name":"m","gauge":{"dataPoints":[{"timeUnixNano":"1","asInt":"1"}]}}]}]}]}'
    status, _ = await opened.post("/v1/metrics", body)
    assert (status, opened.intake.refused, len(opened.intake)) == (503, 1, 100)
    opened.intake.take()
    status, text = await opened.post("/v1/metrics", body)
    assert (status, text, len(opened.intake)) == (200, "{}", 1)


TURNED_AWAY: dict[str, tuple[str, bytes, dict[str, str], int]] = {
    "wrong token": ("/v1/traces", b"{}", {"Authorization": "Bearer wrong"}, 401),
    "another scheme": ("/v1/traces", b"{}", {"Authorization": f"Basic {TOKEN}"}, 401),
    "another host": ("/v1/traces", b"{}", {"Host": "evil.example"}, 403),
    "no such door": ("/v1/profiles", b"{}", {}, 404),
    "a form unknown": ("/v1/traces", b"{}", {"Content-Type": "text/plain"}, 415),
    "a packing unknown": ("/v1/traces", b"{}", {"Content-Encoding": "br"}, 415),
    "not packed": ("/v1/traces", b"no gzip", {"Content-Encoding": "gzip"}, 400),
    "cut": ("/v1/traces", gzip.compress(b"{}" * 99)[:-9], {"Content-Encoding": "gzip"}, 400),
    "a bomb": ("/v1/traces", zlib.compress(bytes(64 << 20)), {"Content-Encoding": "deflate"}, 413),
    "giant": ("/v1/traces", bytes(listener.MAX_BODY_BYTES + 1), {}, 413),
    "no request": ("/v1/traces", b"[]", {}, 400),
    "no message": ("/alertmanager", b"{}", {}, 400),
}


@pytest.mark.parametrize(
    ("path", "body", "headers", "status"), TURNED_AWAY.values(), ids=TURNED_AWAY
)
async def test_what_does_not_belong_here_is_turned_away(
    opened: Open, path: str, body: bytes, headers: dict[str, str], status: int
) -> None:
    assert (await opened.post(path, body, **headers))[0] == status
    assert (opened.doors.turned_away, len(opened.intake)) == (1, 0)


async def test_callers_who_never_finish_cost_the_others_nothing(
    opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listener, "IDLE_S", 0.2)
    slow = [
        await asyncio.open_connection("127.0.0.1", opened.port)
        for _ in range(listener.MAX_CONNECTIONS - 1)
    ]
    for _, writer in slow:
        writer.write(b"POST /v1/traces HTTP/1.1\r\nHost: loc")
    assert (await opened.post("/v1/traces", b"{}"))[0] == 200
    # Each of them is cut off; the end of its stream is what it sees.
    for reader, writer in slow:
        async with asyncio.timeout(10):
            with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
                await reader.readexactly(1)
        writer.close()
    await until(lambda: opened.doors.connections == 0)


async def test_one_connection_too_many_is_closed_and_counted(opened: Open) -> None:
    held = [
        await asyncio.open_connection("127.0.0.1", opened.port)
        for _ in range(listener.MAX_CONNECTIONS + 5)
    ]
    await until(lambda: opened.doors.connections_refused == 5)
    for _, writer in held:
        writer.close()


async def test_no_door_opens_to_a_network_without_tls() -> None:
    with pytest.raises(Malformed, match="beyond loopback"):
        async with open_doors(Intake(), TOKEN, Listen(host="0.0.0.0"), SystemClock()):
            pass
