"""A proxy on every link of the fleet, in one process: passes bytes on, counts what it sees.

``python -m chaos.proxy --fleet DIR --ready-fd N``. It changes nothing on its way: when the callee
refuses, the caller's connection is closed, as it would have been refused without us.
"""

import argparse
import asyncio
import contextlib
import functools
import os
import signal
import time
from collections.abc import Iterable
from pathlib import Path
from typing import cast

from aiohttp import web

from chaos.exchange import Exchange, Failure, Finding
from chaos.fleet.exposition import CONTENT_TYPE
from chaos.fleet.wiring import LOOPBACK, Wiring, read_wiring, wiring_path
from chaos.http1 import Garbled
from chaos.links import Link, text_of

CONNECT_WITHIN_S = 1.0
ANSWER_WITHIN_S = 5.0
"""A request older than this has timed out: twice what the outermost caller waits."""
SWEEP_EVERY_S = 0.5
MAX_CONNECTIONS = 512
"""On one link; more are closed at once, and counted as failed to connect."""
MAX_EARLY_BYTES = 256 * 1024
"""Kept from a caller while the callee is being connected."""


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

    def __init__(self, link: Link, open_now: "set[Inward]") -> None:
        """Belong to ``link``, and to the set of its connections that are open."""
        self._link = link
        self._open = open_now
        self.exchange = Exchange() if link.http else None
        self._caller: asyncio.Transport | None = None
        self._callee: asyncio.Transport | None = None
        self._connecting: asyncio.Task[None] | None = None
        self._early = bytearray()
        self._over = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A caller has connected; the callee is connected when he first says something."""
        self._caller = cast(asyncio.Transport, transport)
        if len(self._open) >= MAX_CONNECTIONS:
            self._link.connect_failures += 1
            self._over = True
            self._caller.abort()
            return
        self._open.add(self)
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
        self._open.discard(self)
        if self.exchange is not None:
            self._link.count(self.exchange.ended(time.monotonic_ns(), failure))
        for transport in (self._caller, self._callee):
            if transport is not None:
                transport.close()


def sweep(connections: Iterable[Inward], now_ns: int) -> None:
    """End connections whose oldest request has waited too long."""
    for inward in tuple(connections):
        oldest = inward.exchange.oldest_ns if inward.exchange else None
        if oldest is not None and now_ns - oldest > ANSWER_WITHIN_S * 1e9:
            inward.over(Failure.TIMED_OUT)


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
    wiring = read_wiring(wiring_path(fleet))
    links = links_of(wiring)
    opened: list[set[Inward]] = [set() for _ in links]
    loop = asyncio.get_running_loop()
    servers = [
        await loop.create_server(
            functools.partial(Inward, link, connections),
            LOOPBACK,
            wiring.link(link.labels["caller"], link.labels["callee"]),
            reuse_address=True,
            reuse_port=True,
        )
        for link, connections in zip(links, opened, strict=True)
    ]
    metrics = await _open_metrics(links, wiring.proxy)
    os.write(ready_fd, b"\n")
    os.close(ready_fd)
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    while not stopping.is_set():
        for connections in opened:
            sweep(connections, time.monotonic_ns())
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(SWEEP_EVERY_S):
                await stopping.wait()
    for server in servers:
        server.close()
    await metrics.cleanup()


async def _open_metrics(links: list[Link], port: int) -> web.AppRunner:
    async def metrics(_: web.Request) -> web.Response:
        return web.Response(text=text_of(links), headers={"Content-Type": CONTENT_TYPE})

    application = web.Application()
    application.add_routes([web.get("/metrics", metrics)])
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.2)
    await runner.setup()
    await web.TCPSite(runner, LOOPBACK, port, reuse_address=True, reuse_port=True).start()
    return runner


def main() -> None:
    """Run the proxies of one fleet."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--fleet", type=Path, required=True, help="scratch folder of the fleet")
    parser.add_argument("--ready-fd", type=int, required=True, help="gets a byte when serving")
    given = parser.parse_args()
    asyncio.run(serve(given.fleet, given.ready_fd))


if __name__ == "__main__":
    main()
