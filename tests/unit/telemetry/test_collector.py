"""The collector writes down every answer, and every missing one, of a real server on loopback."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import msgspec
import pytest
from aiohttp import web

from engine.clock import SystemClock
from engine.telemetry.collector import Collector
from engine.telemetry.prometheus import MAX_PAGE_BYTES
from engine.telemetry.samples import HealthAnswer
from engine.telemetry.window import Window
from engine.topology import Endpoints, FleetStatus, ServiceEndpoints
from engine.vocabulary import ServiceName
from tests.shop_stream import SHOP, ShopStream

LINKS = b"""link_requests_total{caller="orders",callee="payments"} 10
link_requests_total{caller="orders",callee="unheard-of"} 10
link_errors_total{caller="orders",callee="payments"} broken
"""
METRICS = b'service_info{release="1.0.0"} 1\nservice_requests_total 3\n'
DEADLINE_S = 10.0


class Shop:
    """What the endpoints answer with; a test changes it to change the world."""

    def __init__(self) -> None:
        self.links = LINKS
        self.status = msgspec.json.encode(FleetStatus(tuple(ShopStream().status.values())))
        self.silent = asyncio.Event()
        self.rounds_begun = 0
        self.fourth_round = asyncio.Event()

    async def answer(self, request: web.Request) -> web.Response:
        match request.path:
            case "/links":
                self.rounds_begun += 1
                if self.rounds_begun == 4:
                    self.fourth_round.set()
                return web.Response(body=self.links)
            case "/status":
                return web.Response(body=self.status)
            case "/metrics":
                return web.Response(body=METRICS)
            case "/silent":
                await self.silent.wait()
                return web.Response()
            case "/unwell":
                return web.Response(status=503)
            case _:
                return web.Response()


@asynccontextmanager
async def served(shop: Shop) -> AsyncGenerator[str]:
    application = web.Application()
    application.router.add_get("/{path:.*}", shop.answer)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    try:
        yield f"http://{host}:{port}"
    finally:
        shop.silent.set()
        await runner.cleanup()


def endpoints(base: str, log: Path, unused: str = "http://127.0.0.1:1") -> Endpoints:
    well = ServiceEndpoints(f"{base}/well", f"{base}/metrics", str(log))
    others = {
        "orders": f"{base}/unwell",
        "cart": f"{base}/silent",
        "catalog": f"{unused}/health",
        "intruder": f"{base}/well",
    }
    services = {ServiceName("payments"): well} | {
        ServiceName(name): ServiceEndpoints(url, "", "") for name, url in others.items()
    }
    return Endpoints(f"{base}/status", (f"{base}/links",), services)


async def collected(shop: Shop, log: Path, rounds: int = 1) -> tuple[Collector, Window]:
    async with served(shop) as base, aiohttp.ClientSession(
        timeout=aiohttp.ClientTimeout(total=0.3)
    ) as session:  # fmt: skip
        window = Window(SHOP)
        collector = Collector(endpoints(base, log), SHOP, window, SystemClock(), phase_ms=0)
        for _ in range(rounds):
            await collector.collect(session)
            with log.open("ab") as file:
                file.write(b'{"level":"error","msg":"call failed","exception":"TimeoutError"}\n')
        return collector, window


async def test_one_round_reads_everything(tmp_path: Path) -> None:
    _, window = await collected(Shop(), tmp_path / "payments.log", rounds=2)
    now_ms = SystemClock().unix_ms()

    assert not window.is_stale(now_ms)
    assert len(window.links["orders", ServiceName("payments")]) == 2
    assert window.status("payments") is not None
    said = window.said("payments")
    assert said is not None
    assert (said.release, said.requests) == ("1.0.0", 3)
    (count,) = window.logs("payments", 0, now_ms)
    assert (count.level, count.template) == ("error", "call failed [TimeoutError]")


@pytest.mark.parametrize(
    ("service", "expected"),
    [
        ("payments", HealthAnswer.WELL),
        ("orders", HealthAnswer.UNWELL),
        ("cart", HealthAnswer.SILENT),
        ("catalog", HealthAnswer.REFUSED),
    ],
)
async def test_tells_the_ways_of_not_being_well_apart(
    tmp_path: Path, service: str, expected: HealthAnswer
) -> None:
    _, window = await collected(Shop(), tmp_path / "payments.log")

    assert window.answers(service, 0, SystemClock().unix_ms()) == [expected]


async def test_counts_what_it_could_not_use(tmp_path: Path) -> None:
    collector, window = await collected(Shop(), tmp_path / "payments.log")

    assert collector.lines_dropped == 1
    assert window.unknown_dropped == 2, "a link and a service that the manifest does not name"


@pytest.mark.parametrize("body", [b"\x00" * (MAX_PAGE_BYTES + 1), b""], ids=["long", "empty"])
async def test_a_page_too_long_or_a_status_that_is_none_is_a_gap(
    tmp_path: Path, body: bytes
) -> None:
    shop = Shop()
    shop.links = shop.status = body

    _, window = await collected(shop, tmp_path / "payments.log")
    now_ms = SystemClock().unix_ms()

    assert window.is_stale(now_ms)
    assert window.misses(0, now_ms) >= 1


async def test_runs_round_after_round_until_cancelled(tmp_path: Path) -> None:
    shop = Shop()
    async with served(shop) as base:
        window = Window(SHOP)
        at = endpoints(base, tmp_path / "payments.log")
        collector = Collector(at, SHOP, window, SystemClock(), phase_ms=30, period_ms=400)
        running = asyncio.create_task(collector.run())
        async with asyncio.timeout(DEADLINE_S):
            await shop.fourth_round.wait()
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running

    assert collector.rounds >= 4
    assert len(window.links["orders", ServiceName("payments")]) >= 3


async def test_outlives_a_fleet_that_goes_away(tmp_path: Path) -> None:
    async with served(Shop()) as base:
        at = endpoints(base, tmp_path / "payments.log")
    window = Window(SHOP)
    collector = Collector(at, SHOP, window, SystemClock(), phase_ms=0)
    async with aiohttp.ClientSession() as session:
        await collector.collect(session)
    now_ms = SystemClock().unix_ms()

    assert window.is_stale(now_ms)
    assert window.answers("payments", 0, now_ms) == [HealthAnswer.REFUSED]
