"""The servers that ``main.py bench stream`` compares, each a process: ``stream_server.py KIND N HZ SIZE``.

Each prints its port, waits for N clients, and sends SIZE bytes to all of them HZ times a second. The
bytes begin with the header of ``controlroom.v1.bin``, so that the load can tell how old they are.
"""

import asyncio
import os
import resource
import signal
import socket
import sys
import time
from pathlib import Path

from aiohttp import web
from websockets.asyncio.server import ServerConnection, broadcast, serve

from engine import turns
from engine.stream.access import Listen
from engine.stream.binary import HEADER, Kind, pack_header
from engine.stream.frames import BINARY_OPCODE, framed
from engine.stream.hub import Hub
from engine.stream.state import ScreenState
from engine.stream.wire import Command, Reply

TOKEN = "bench-" * 8


async def _refuse(command: Command) -> Reply:
    return Reply(command.id, accepted=False)


class _Ticks:
    """Moments HZ times a second; one that is late is not made up for."""

    def __init__(self, hz: float) -> None:
        self._period = 1 / hz
        self._next = time.monotonic()

    async def next(self) -> None:
        """Wait for the next one."""
        self._next = max(self._next + self._period, time.monotonic())
        await asyncio.sleep(self._next - time.monotonic())


async def ours(count: int, hz: float, size: int, listen: Listen | None = None) -> None:
    """The engine's own hub: tokens, limits, snapshots, everything."""
    hub = Hub(token=TOKEN, epoch=1, on_command=_refuse, listen=listen)
    async with hub.serving():
        _say((hub.tls_address or hub.address).rpartition(":")[2])
        while hub.clients < count:  # noqa: ASYNC110 -- before anything is measured
            await asyncio.sleep(0.01)
        ticks, number = _Ticks(hz), 0
        while True:
            number += 1
            # A text as long as makes the delta SIZE bytes long, and another one each time.
            text = os.urandom(size // 2).hex()[: size - HEADER.size - 16]
            hub.publish(ScreenState(at_ms=1_790_000_000_000 + number, notices=(text,)))
            await ticks.next()


class Lateness:
    """How late the event loop comes to a task that wants a turn every millisecond.

    What counts is what this process itself did meanwhile: neither more than the wall clock says, nor
    more than the processor time that was used since the last turn. What others on the machine do
    is no work of a gateway.
    """

    PERIOD_S = 0.001

    def __init__(self) -> None:
        self._late_ms: list[float] = []
        self._reported_s = time.monotonic()

    async def watch(self) -> None:
        """Note every turn, until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            due, used_s = loop.time() + self.PERIOD_S, time.thread_time()
            await asyncio.sleep(self.PERIOD_S)
            late_s = min(loop.time() - due, time.thread_time() - used_s)
            self._late_ms.append(late_s * 1000)

    def report(self) -> None:
        """Say the 99th percentile of what was noted since the last report, in milliseconds.

        All of the time since then, where there was no turn at all.
        """
        late, now_s = sorted(self._late_ms), time.monotonic()
        _say(late[int(len(late) * 0.99)] if late else (now_s - self._reported_s) * 1000)
        self._late_ms.clear()
        self._reported_s = now_s


async def beside(count: int, hz: float, size: int) -> None:
    """The hub, and beside it in the same loop a task that says at each SIGUSR1 how late it was."""
    lateness = Lateness()
    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, lateness.report)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(lateness.watch())
        tasks.create_task(ours(count, hz, size))


async def by_broadcast(count: int, hz: float, size: int) -> None:
    """What the library offers for it."""
    clients: set[ServerConnection] = set()

    async def attend(connection: ServerConnection) -> None:
        clients.add(connection)
        await connection.wait_closed()
        clients.discard(connection)

    async with serve(attend, "127.0.0.1", 0, compression=None, ping_interval=None) as server:
        _say(server.sockets[0].getsockname()[1])
        while len(clients) < count:  # noqa: ASYNC110 -- before anything is measured
            await asyncio.sleep(0.01)
        ticks = _Ticks(hz)
        while True:
            broadcast(clients, _payload(size))
            await ticks.next()


async def by_aiohttp(count: int, hz: float, size: int) -> None:
    """What the server of aiohttp offers for it."""
    clients: set[web.WebSocketResponse] = set()

    async def attend(request: web.Request) -> web.WebSocketResponse:
        client = web.WebSocketResponse(compress=False)
        await client.prepare(request)
        clients.add(client)
        async for _ in client:
            pass
        clients.discard(client)
        return client

    app = web.Application()
    app.add_routes([web.get("/", attend)])
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, backlog=4096)
    await site.start()
    _say(runner.addresses[0][1])
    while len(clients) < count:  # noqa: ASYNC110 -- before anything is measured
        await asyncio.sleep(0.01)
    ticks = _Ticks(hz)
    while True:
        payload = _payload(size)
        for client in list(clients):
            await client.send_bytes(payload)
        await ticks.next()


def raw(count: int, hz: float, size: int) -> None:
    """``os.write`` of one ready frame and nothing else: the least that Python can do."""
    server = socket.create_server(("127.0.0.1", 0), backlog=4096)
    _say(server.getsockname()[1])
    clients = []
    for _ in range(count):
        client, _address = server.accept()
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        head = b""
        while b"\r\n\r\n" not in head:
            head += client.recv(8192)
        client.sendall(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n")
        clients.append(client)
    descriptors = [client.fileno() for client in clients]
    due = time.monotonic()
    while True:
        frame = framed(_payload(size), BINARY_OPCODE)
        for descriptor in descriptors:
            os.write(descriptor, frame)
        due = max(due + 1 / hz, time.monotonic())
        time.sleep(max(0.0, due - time.monotonic()))


def _payload(size: int) -> bytes:
    header = pack_header(Kind.DELTA, 1, 1, 1, time.monotonic_ns())
    return header + bytes(size - len(header))


def _say(port: object) -> None:
    sys.stdout.write(f"{port}\n")
    sys.stdout.flush()


def main(kind: str, count: int, hz: float, size: int) -> None:
    """Be one of the servers until killed."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    match kind.partition(":"):
        case ("ours", "", ""):
            asyncio.run(ours(count, hz, size))
        case ("ours", ":", folder):
            listen = Listen(certificate=Path(folder) / "cert.pem", key=Path(folder) / "key.pem")
            asyncio.run(ours(count, hz, size, listen))
        case ("beside", _, _):
            turns.run(beside(count, hz, size))
        case ("aiohttp", _, _):
            asyncio.run(by_aiohttp(count, hz, size))
        case ("broadcast", _, _):
            asyncio.run(by_broadcast(count, hz, size))
        case _:
            raw(count, hz, size)


if __name__ == "__main__":
    try:
        main(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), int(sys.argv[4]))
    except (KeyboardInterrupt, BrokenPipeError, ConnectionResetError):
        sys.exit(0)
