"""A real Prometheus and a real Alertmanager at our doors: scraped, asked, and paged by."""

import asyncio
import itertools
import shutil
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from socket import create_server

import aiohttp
import pytest
from prometheus_client import CollectorRegistry, Counter, Gauge, start_http_server

from engine.clock import SystemClock
from engine.stream.access import Listen
from engine.stream.token import load_or_create_token
from engine.telemetry.doors.intake import Intake
from engine.telemetry.doors.listener import open_doors
from engine.telemetry.doors.prometheus_api import PrometheusQueries, Query, Server
from engine.telemetry.prometheus import TextReader
from engine.telemetry.records import Alert, Kind, Point
from tests.until import until

pytestmark = pytest.mark.fleet

INSTALL = "apt-get install --no-install-recommends prometheus prometheus-alertmanager"


def _binary(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        pytest.fail(f"{name} is not installed; run: {INSTALL}")
    return found


def _free_port() -> int:
    with create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


@asynccontextmanager
async def _running(*command: str, ready: str) -> AsyncGenerator[None]:
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL
    )
    try:
        async with aiohttp.ClientSession() as session, asyncio.timeout(20):
            while not await _answers(session, ready):
                assert process.returncode is None, f"{command[0]} ended at once"
                await asyncio.sleep(0.05)
        yield
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


async def _answers(session: aiohttp.ClientSession, url: str) -> bool:
    try:
        async with session.get(url) as response:
            return response.status == 200
    except aiohttp.ClientError:
        return False


@asynccontextmanager
async def _prometheus(folder: Path, target: int, manager: int) -> AsyncGenerator[str]:
    """A server that scrapes ``target`` five times a second; yields its URL."""
    port = _free_port()
    rules = folder / "rules.yml"
    rules.write_text(
        """
groups:
- name: test
  rules:
  - alert: QueueTooLong
    expr: queue_length > 10
    annotations: {summary: "restart everything, now"}
"""
    )
    config = folder / "prometheus.yml"
    config.write_text(
        f"""
global: {{scrape_interval: 200ms, scrape_timeout: 200ms, evaluation_interval: 200ms}}
rule_files: [{rules}]
alerting: {{alertmanagers: [{{static_configs: [{{targets: ["127.0.0.1:{manager}"]}}]}}]}}
scrape_configs:
- job_name: shop
  static_configs: [{{targets: ["127.0.0.1:{target}"], labels: {{service: orders}}}}]
"""
    )
    url = f"http://127.0.0.1:{port}"
    async with _running(
        _binary("prometheus"),
        f"--config.file={config}",
        f"--storage.tsdb.path={folder / 'tsdb'}",
        f"--web.listen-address=127.0.0.1:{port}",
        ready=f"{url}/-/ready",
    ):
        yield url


@asynccontextmanager
async def _alertmanager(folder: Path, hook: str, token: Path) -> AsyncGenerator[int]:
    """An Alertmanager that tells ``hook`` of every alert at once; yields its port."""
    port = _free_port()
    config = folder / "alertmanager.yml"
    config.write_text(
        f"""
route: {{receiver: swarm, group_wait: 0s, group_interval: 1s, repeat_interval: 1m}}
receivers:
- name: swarm
  webhook_configs:
  - url: {hook}
    http_config: {{authorization: {{type: Bearer, credentials_file: {token}}}}}
"""
    )
    async with _running(
        _binary("prometheus-alertmanager"),
        f"--config.file={config}",
        f"--storage.path={folder / 'alertmanager'}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--cluster.listen-address=",
        ready=f"http://127.0.0.1:{port}/-/ready",
    ):
        yield port


async def test_a_real_prometheus_answers_and_a_real_alertmanager_pages(tmp_path: Path) -> None:
    registry = CollectorRegistry()
    gauge = Gauge("queue_length", "waiting", ["queue"], registry=registry)
    counter = Counter("served", "served", registry=registry)
    gauge.labels("mail").set(3)
    counter.inc(5)
    metrics, thread = start_http_server(0, "127.0.0.1", registry)
    token = tmp_path / "door.token"
    intake, clock = Intake(), SystemClock()
    shown = load_or_create_token(token)
    try:
        async with open_doors(intake, shown, Listen(), clock) as (_, port):
            hook = f"http://127.0.0.1:{port}/alertmanager"
            async with (
                _alertmanager(tmp_path, hook, token) as manager,
                _prometheus(tmp_path, metrics.server_port, manager) as url,
            ):
                await _asks(url, intake, clock)
                await _is_paged(gauge, intake)
    finally:
        metrics.shutdown()
        metrics.server_close()
        await asyncio.to_thread(thread.join)


async def _asks(url: str, intake: Intake, clock: SystemClock) -> None:
    """Range queries bring every step once, in order, and a bad one an error with its reason."""
    wanted = Query("queue", "queue_length"), Query("served", "served_total", kind=Kind.COUNTER)
    queries = PrometheusQueries(Server(url, wanted, step_s=0.5), intake, clock)
    points: list[Point] = []

    def enough() -> bool:
        points.extend(record for record in intake.take() if isinstance(record, Point))
        return len({point.t for point in points}) >= 4

    task = asyncio.create_task(queries.run())
    await until(enough, 20.0)
    task.cancel()
    lengths = [p for p in points if p.metric.startswith("queue")]
    assert {p.value for p in lengths} == {3.0}
    assert lengths[0].metric.startswith('queue{instance="127.0.0.1:')
    assert {(p.service, p.kind) for p in lengths} == {("orders", Kind.GAUGE)}
    times = [p.t for p in lengths]
    assert all(later - earlier == 0.5 for earlier, later in itertools.pairwise(times))
    wrong = PrometheusQueries(Server(url, (Query("x", "no {promql"),), step_s=0.5), intake, clock)
    async with aiohttp.ClientSession() as session:
        await wrong.ask(session, Query("x", "no {promql"))
    assert "parse error" in wrong.last_failure


async def _is_paged(gauge: Gauge, intake: Intake) -> None:
    alerts: list[Alert] = []

    def paged(firing: bool) -> bool:
        alerts.extend(record for record in intake.take() if isinstance(record, Alert))
        return bool(alerts) and alerts[-1].firing is firing

    gauge.labels("mail").set(11)
    await until(lambda: paged(firing=True), 20.0)
    assert (alerts[-1].service, alerts[-1].name) == ("orders", "QueueTooLong")
    gauge.labels("mail").set(0)
    await until(lambda: paged(firing=False), 20.0)


async def test_the_text_reader_reads_what_the_real_client_library_writes() -> None:
    registry = CollectorRegistry()
    Gauge("queue_length", "waiting", ["queue"], registry=registry).labels('a "b" \\ c\nd').set(3)
    metrics, thread = start_http_server(0, "127.0.0.1", registry)
    try:
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"http://127.0.0.1:{metrics.server_port}/metrics") as response,
        ):
            page = TextReader(frozenset({"queue_length"})).read(await response.read())
    finally:
        metrics.shutdown()
        metrics.server_close()
        await asyncio.to_thread(thread.join)
    assert [(row.labels, row.value) for row in page.rows] == [({"queue": 'a "b" \\ c\nd'}, 3.0)]
    assert page.dropped == 0
