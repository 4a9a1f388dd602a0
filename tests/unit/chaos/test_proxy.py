"""The proxy over real sockets: it passes bytes on unchanged, and counts what went wrong."""

import asyncio
import functools
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from chaos import proxy
from chaos.exchange import Failure
from chaos.fleet.wiring import LOOPBACK, HeldPorts
from chaos.links import Link
from chaos.proxy import Inward
from tests.until import until

GET = b"GET /a HTTP/1.1\r\nHost: x\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"

Callee = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def polite(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while await reader.readuntil(b"\r\n\r\n"):
        writer.write(OK)


async def mute(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()


async def abrupt(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(OK[:-1])


@asynccontextmanager
async def proxied(
    callee: Callee | None, *, http: bool = True
) -> AsyncGenerator[tuple[Link, int, set[Inward]]]:
    """A link to ``callee``, or to a port where nobody listens."""
    ports = HeldPorts()
    port = ports.take()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert callee is not None
        try:
            await callee(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    behind = await asyncio.start_server(serve, LOOPBACK, port) if callee else None
    link = Link("orders", "payments", port, http=http)
    connections: set[Inward] = set()
    loop = asyncio.get_running_loop()
    front = await loop.create_server(functools.partial(Inward, link, connections), LOOPBACK, 0)
    try:
        yield link, front.sockets[0].getsockname()[1], connections
    finally:
        front.close()
        for connection in tuple(connections):
            connection.over(Failure.RESET)
        if behind is not None:
            behind.close()
            await asyncio.sleep(0)
        ports.close()


async def say(port: int, data: bytes) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection(LOOPBACK, port)
    writer.write(data)
    return reader, writer


async def test_requests_on_a_kept_connection_are_passed_on_and_counted() -> None:
    async with proxied(polite) as (link, port, _):
        reader, writer = await say(port, GET + GET)

        assert await reader.readexactly(2 * len(OK)) == OK + OK
        assert (link.requests, sum(link.failures.values()), link.connections) == (2, 0, 1)
        assert (link.bytes_asked, link.bytes_answered) == (2 * len(GET), 2 * len(OK))
        writer.close()


async def test_a_refused_connection_fails_the_request_and_closes_on_the_caller() -> None:
    async with proxied(None) as (link, port, connections):
        reader, writer = await say(port, GET)

        assert await reader.read() == b""
        assert (link.requests, link.failures[Failure.REFUSED], link.connect_failures) == (1, 1, 1)
        assert not connections
        writer.close()


async def test_an_answer_that_breaks_off_is_a_failure() -> None:
    async with proxied(abrupt) as (link, port, _):
        reader, writer = await say(port, GET)

        assert await reader.read() == OK[:-1]
        assert link.failures[Failure.RESET] == 1
        writer.close()


async def test_a_caller_who_gives_up_waiting_has_timed_out() -> None:
    async with proxied(mute) as (link, port, connections):
        _, writer = await say(port, GET)
        await until(lambda: link.connections == 1)

        writer.close()
        await until(lambda: not connections)

        assert link.failures[Failure.TIMED_OUT] == 1


async def test_a_request_that_waits_too_long_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proxy, "ANSWER_WITHIN_S", 0.0)
    async with proxied(mute) as (link, port, connections):
        reader, writer = await say(port, GET)
        await until(lambda: link.connections == 1)

        proxy.sweep(connections, 1 << 62)

        assert await reader.read() == b""
        assert link.failures[Failure.TIMED_OUT] == 1
        writer.close()


async def test_garbage_is_counted_and_not_passed_on() -> None:
    async with proxied(polite) as (link, port, _):
        reader, writer = await say(port, b"\x16\x03\x01 this is no HTTP at all")

        assert await reader.read() == b""
        assert (link.failures[Failure.GARBLED], link.connections) == (1, 0)
        writer.close()


async def test_a_tcp_link_carries_whatever_it_is_given() -> None:
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(100):
            writer.write(data)

    async with proxied(echo, http=False) as (link, port, _):
        reader, writer = await say(port, b"\x00\xff no HTTP")

        assert await reader.readexactly(10) == b"\x00\xff no HTTP"
        assert (link.connections, link.bytes_asked, link.requests) == (1, 10, 0)
        writer.close()
