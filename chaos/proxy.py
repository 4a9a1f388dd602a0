"""A proxy on every link of the fleet, in one process: passes bytes on, counts what it sees.

``python -m chaos.proxy --fleet DIR --ready-fd N``. It changes nothing on its way: when the callee
refuses, the caller's connection is closed, as it would have been refused without us.
"""

import argparse
import asyncio
import os
import signal
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import cast

from aiohttp import web

from chaos.fleet.exposition import CONTENT_TYPE, Histogram, page, sample
from chaos.fleet.wiring import LOOPBACK, Wiring, link_name, read_wiring
from chaos.http1 import Exchange, Failure, Finding, Garbled

CONNECT_WITHIN_S = 1.0
ANSWER_WITHIN_S = 5.0
"""A request older than this has timed out: twice what the outermost caller waits."""
SWEEP_EVERY_S = 0.5
MAX_CONNECTIONS = 512
"""On one link; more are closed at once, and counted as failed to connect."""
MAX_EARLY_BYTES = 256 * 1024
"""Kept from a caller while the callee is being connected."""


class Link:
    """The counters of one call, and where its callee listens."""

    def __init__(self, caller: str, callee: str, port: int, *, http: bool) -> None:
        """Count the call from ``caller`` to ``callee``, which listens on ``port``."""
        self.labels = {"caller": caller, "callee": callee}
        self.port = port
        self.http = http
        self.latency = Histogram()
        self.requests = 0
        self.failures = dict.fromkeys(Failure, 0)
        self.connections = 0
        self.connect_failures = 0
        self.bytes_asked = 0
        self.bytes_answered = 0
        self.open: set[Inward] = set()

    def count(self, findings: Iterable[Finding]) -> None:
        """Requests that are over."""
        for finding in findings:
            self.requests += 1
            self.latency.observe(finding.seconds)
            if finding.failure is not None:
                self.failures[finding.failure] += 1

    def sweep(self, now_ns: int) -> None:
        """End connections whose oldest request has waited too long."""
        for inward in tuple(self.open):
            oldest = inward.exchange.oldest_ns if inward.exchange else None
            if oldest is not None and now_ns - oldest > ANSWER_WITHIN_S * 1e9:
                inward.over(Failure.TIMED_OUT)


class Outward(asyncio.Protocol):
    """Our connection to the callee."""

    def __init__(self, inward: "Inward") -> None:
        """Belong to the caller's connection ``inward``."""
        self._inward = inward

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Nothing to do: ``Inward`` was handed the transport."""

    def data_received(self, data: bytes) -> None:
        """Bytes of an answer."""
        self._inward.pass_back(data)

    def connection_lost(self, exc: Exception | None) -> None:
        """The callee is gone, or we closed."""
        self._inward.over(Failure.RESET)

    def pause_writing(self) -> None:
        """The callee reads slowly: read slowly from the caller."""
        self._inward.pause()

    def resume_writing(self) -> None:
        """The callee has caught up."""
        self._inward.resume()


class Inward(asyncio.Protocol):
    """A caller's connection to us, with the one to the callee behind it."""

    def __init__(self, link: Link) -> None:
        """Belong to ``link``."""
        self._link = link
        self.exchange = Exchange() if link.http else None
        self._caller: asyncio.Transport | None = None
        self._callee: asyncio.Transport | None = None
        self._connecting: asyncio.Task[None] | None = None
        self._early = bytearray()
        self._over = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A caller has connected; the callee is connected when he first says something."""
        self._caller = cast(asyncio.Transport, transport)
        if len(self._link.open) >= MAX_CONNECTIONS:
            self._link.connect_failures += 1
            self._over = True
            self._caller.abort()
            return
        self._link.open.add(self)
        if not self._link.http:
            self._connect()

    def _connect(self) -> None:
        self._connecting = asyncio.ensure_future(self._connected())

    async def _connected(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(CONNECT_WITHIN_S):
                transport, _ = await loop.create_connection(
                    lambda: Outward(self), LOOPBACK, self._link.port
                )
        except TimeoutError:
            self._link.connect_failures += 1
            self.over(Failure.TIMED_OUT)
            return
        except OSError:
            self._link.connect_failures += 1
            self.over(Failure.REFUSED)
            return
        self._link.connections += 1
        self._callee = transport
        if self._over:
            transport.abort()
        elif self._early:
            transport.write(bytes(self._early))
            self._early.clear()

    def data_received(self, data: bytes) -> None:
        """Bytes of a request."""
        self._link.bytes_asked += len(data)
        if self.exchange is not None:
            try:
                self.exchange.asked(data, time.monotonic_ns())
            except Garbled:
                self._link.count([Finding(0.0, Failure.GARBLED)])
                self.over(Failure.GARBLED)
                return
        if self._callee is not None:
            self._callee.write(data)
            return
        self._early += data
        if len(self._early) > MAX_EARLY_BYTES:
            self.over(Failure.RESET)
        elif self._connecting is None:
            self._connect()

    def pass_back(self, data: bytes) -> None:
        """Bytes of an answer, on their way to the caller."""
        if self._over or self._caller is None:
            return
        self._link.bytes_answered += len(data)
        if self.exchange is not None:
            try:
                self._link.count(self.exchange.answered(data, time.monotonic_ns()))
            except Garbled:
                self.over(Failure.GARBLED)
                return
        self._caller.write(data)

    def connection_lost(self, exc: Exception | None) -> None:
        """The caller is gone: an answer that he still waited for has come too late."""
        self.over(Failure.TIMED_OUT)

    def pause_writing(self) -> None:
        """The caller reads slowly: read slowly from the callee."""
        if self._callee is not None and not self._callee.is_closing():
            self._callee.pause_reading()

    def resume_writing(self) -> None:
        """The caller has caught up."""
        if self._callee is not None and not self._callee.is_closing():
            self._callee.resume_reading()

    def pause(self) -> None:
        """Read nothing more from the caller for now."""
        if self._caller is not None and not self._caller.is_closing():
            self._caller.pause_reading()

    def resume(self) -> None:
        """Read from the caller again."""
        if self._caller is not None and not self._caller.is_closing():
            self._caller.resume_reading()

    def over(self, failure: Failure) -> None:
        """End both connections, once; what is unanswered failed because of ``failure``."""
        if self._over:
            return
        self._over = True
        self._link.open.discard(self)
        if self.exchange is not None:
            self._link.count(self.exchange.ended(time.monotonic_ns(), failure))
        for transport in (self._caller, self._callee):
            if transport is not None:
                transport.close()


def text_of(links: Iterable[Link]) -> str:
    """All links' counters as Prometheus text."""
    links = tuple(links)
    http = [link for link in links if link.http]
    latency = "link_latency_seconds"

    def counted(
        name: str, of: list[Link], value: Callable[[Link], int]
    ) -> tuple[str, str, list[str]]:
        return name, "counter", [sample(name, link.labels, value(link)) for link in of]

    every = list(links)
    reasons = "link_failures_total"
    return page(
        (
            counted("link_requests_total", http, lambda link: link.requests),
            counted("link_errors_total", http, lambda link: sum(link.failures.values())),
            (
                reasons,
                "counter",
                [
                    sample(reasons, {**link.labels, "reason": failure.value}, count)
                    for link in http
                    for failure, count in link.failures.items()
                ],
            ),
            (
                latency,
                "histogram",
                [line for link in http for line in link.latency.lines(latency, link.labels)],
            ),
            counted("link_connections_total", every, lambda link: link.connections),
            counted("link_connect_failures_total", every, lambda link: link.connect_failures),
            counted("link_asked_bytes_total", every, lambda link: link.bytes_asked),
            counted("link_answered_bytes_total", every, lambda link: link.bytes_answered),
        )
    )


def links_of(wiring: Wiring) -> list[Link]:
    """One link for each call of the manifest."""
    return [
        Link(
            call.caller,
            call.callee,
            wiring.services[call.callee],
            http=call.protocol == "http",
        )
        for call in wiring.calls
    ]


async def serve(fleet: Path, ready_fd: int) -> None:
    """Proxy all links until told to stop."""
    wiring = read_wiring(fleet / "wiring.json")
    links = links_of(wiring)
    loop = asyncio.get_running_loop()
    servers = []
    for link in links:
        port = wiring.links[link_name(link.labels["caller"], link.labels["callee"])]
        servers.append(
            await loop.create_server(
                lambda link=link: Inward(link),  # type: ignore[misc]  # bound now, on purpose
                LOOPBACK,
                port,
                reuse_address=True,
                reuse_port=True,
            )
        )

    async def metrics(_: web.Request) -> web.Response:
        return web.Response(text=text_of(links), headers={"Content-Type": CONTENT_TYPE})

    application = web.Application()
    application.add_routes([web.get("/metrics", metrics)])
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.2)
    await runner.setup()
    await web.TCPSite(runner, LOOPBACK, wiring.proxy, reuse_address=True, reuse_port=True).start()
    os.write(ready_fd, b"\n")
    os.close(ready_fd)
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    while not stopping.is_set():
        now_ns = time.monotonic_ns()
        for link in links:
            link.sweep(now_ns)
        try:
            async with asyncio.timeout(SWEEP_EVERY_S):
                await stopping.wait()
        except TimeoutError:
            continue
    for server in servers:
        server.close()
    await runner.cleanup()


def main() -> None:
    """Run the proxies of one fleet."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--fleet", type=Path, required=True, help="scratch folder of the fleet")
    parser.add_argument("--ready-fd", type=int, required=True, help="gets a byte when serving")
    given = parser.parse_args()
    asyncio.run(serve(given.fleet, given.ready_fd))


if __name__ == "__main__":
    main()
