"""The server that screens connect to: one frame a tick for all of them, and none waits for another.

A frame is encoded once and written to every client whose last one has left; a client that still
has bytes waiting gets nothing, is counted as skipped, and once it has drained gets one snapshot
with a gap flag instead of what it missed. So memory a client is bounded by one frame, and a slow
screen costs the others nothing.
"""

import asyncio
import hmac
import os
import socket
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager

import msgspec
from websockets.asyncio.server import ServerConnection, serve
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed, NegotiationError
from websockets.frames import Frame, Opcode
from websockets.http11 import Request, Response
from websockets.protocol import State
from websockets.typing import Subprotocol

from engine.codec import Malformed
from engine.paths import RunPaths
from engine.stream.fold import diff
from engine.stream.state import ScreenState
from engine.stream.token import load_or_create_token
from engine.stream.wire import (
    MAX_UPSTREAM_BYTES,
    PROTOCOL,
    Command,
    Delta,
    Hello,
    Reply,
    Resync,
    Snapshot,
    Start,
    decode_from_client,
    encode_message,
)

HZ = 10
"""Most updates a second: what the console draws."""
HEARTBEAT_S = 1.0
"""When only the time has changed, one update in this time is enough."""
START_S = 5.0
"""A client that has not said ``Start`` by then is turned away."""
EVICT_S = 10.0
"""A client that has taken nothing for so long is cut off; it can come back."""
MAX_CLIENTS = 256
SEND_BUFFER_BYTES = 32768
"""Left alone, the kernel takes megabytes for a stalled client, and hides for a minute that it is late."""

CommandHandler = Callable[[Command], Awaitable[Reply]]
"""Takes an operator's signed bytes on their way; answers always, raises nothing."""


class HubCounters(msgspec.Struct):
    """What the hub has done since it started."""

    sent: int = 0
    skipped: int = 0
    """Updates not sent to a client because it had not taken the one before."""
    snapshots: int = 0
    malformed: int = 0
    unauthorised: int = 0
    evicted: int = 0
    commands: int = 0


class _Client:
    """One screen: its connection and what it has missed."""

    __slots__ = ("connection", "needs_snapshot", "skipped", "slow_since")

    def __init__(self, connection: ServerConnection) -> None:
        self.connection = connection
        self.needs_snapshot = True
        self.skipped = 0
        self.slow_since = 0.0


class Hub:
    """Publishes states to screens and takes their commands; made by ``open_hub``."""

    def __init__(self, *, token: str, epoch: int, on_command: CommandHandler) -> None:
        self._token = token.encode()
        self._on_command = on_command
        self._current = Snapshot(epoch, 0, ScreenState())
        self._next: ScreenState | None = None
        self._published = asyncio.Event()
        self._clients: set[_Client] = set()
        self._sent_at = 0.0
        self.counters = HubCounters()
        self.address = ""

    @property
    def clients(self) -> int:
        """How many screens get updates now."""
        return len(self._clients)

    def publish(self, state: ScreenState) -> None:
        """Show ``state`` to all screens, at most ``HZ`` times a second: the newest one wins."""
        self._next = state
        self._published.set()

    @asynccontextmanager
    async def serving(self, port: int = 0) -> AsyncGenerator["Hub"]:
        """Serve on loopback until the context is left; ``address`` says where."""
        server = await serve(
            self._attend,
            "127.0.0.1",
            port,
            origins=[None],
            compression=None,
            process_request=self._admit,
            subprotocols=[Subprotocol(PROTOCOL)],
            select_subprotocol=_select_subprotocol,
            open_timeout=START_S,
            close_timeout=1,
            max_size=MAX_UPSTREAM_BYTES,
            max_queue=4,
            server_header=None,
        )
        self.address = "ws://127.0.0.1:{1}".format(*server.sockets[0].getsockname())
        pump = asyncio.create_task(self._pump(), name="stream hub")
        try:
            yield self
        finally:
            pump.cancel()
            await asyncio.gather(pump, return_exceptions=True)
            for client in self._clients:
                if client.connection.transport.get_write_buffer_size():
                    client.connection.transport.abort()
            server.close(code=1012, reason="the engine is going away")
            await server.wait_closed()

    # --- admission ----------------------------------------------------------------------------

    def _admit(self, connection: ServerConnection, request: Request) -> Response | None:
        """Only who names us by a loopback name and knows the token gets any further."""
        host = request.headers.get("Host", "").rpartition(":")[0]
        if host not in {"127.0.0.1", "localhost", "[::1]"}:
            return connection.respond(403, "this engine answers to its loopback address only\n")
        if not self._knows_token(request.headers):
            self.counters.unauthorised += 1
            return connection.respond(401, "wrong or missing bearer token\n")
        if len(self._clients) >= MAX_CLIENTS:
            return connection.respond(503, f"{MAX_CLIENTS} screens are connected already\n")
        return None

    def _knows_token(self, headers: Headers) -> bool:
        values = headers.get_all("Authorization")
        if len(values) != 1:
            return False
        scheme, _, shown = values[0].partition(" ")
        return scheme.lower() == "bearer" and hmac.compare_digest(
            shown.strip().encode(errors="replace"), self._token
        )

    # --- one client ---------------------------------------------------------------------------

    async def _attend(self, connection: ServerConnection) -> None:
        """Greet one client, then take what it says until it is gone."""
        raw: socket.socket = connection.transport.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
        client = _Client(connection)
        try:
            await connection.send(
                encode_message(Hello(PROTOCOL, self._current.epoch, HZ)), text=True
            )
            async with asyncio.timeout(START_S):
                first = decode_from_client(await connection.recv())
            if not isinstance(first, Start):
                raise Malformed("the first message must be start")
            self._clients.add(client)
            self._bring_up_to_date(client, self._snapshot_frame())
            async for data in connection:
                await self._take(client, data)
        except TimeoutError:
            await connection.close(1008, f"no start within {START_S:.0f} s")
        except Malformed as error:
            self.counters.malformed += 1
            await connection.close(1008, str(error)[:100])
        except ConnectionClosed:
            pass
        finally:
            self._clients.discard(client)

    async def _take(self, client: _Client, data: bytes | str) -> None:
        match decode_from_client(data):
            case Command() as command:
                self.counters.commands += 1
                reply = await self._on_command(command)
                await client.connection.send(encode_message(reply), text=True)
            case Resync():
                client.needs_snapshot = True
                self._published.set()
            case Start():
                raise Malformed("start may be said once")

    # --- all clients --------------------------------------------------------------------------

    async def _pump(self) -> None:
        """One tick after another, as long as there is something new or somebody to catch up."""
        while True:
            try:
                async with asyncio.timeout(HEARTBEAT_S):
                    await self._published.wait()
            except TimeoutError:
                pass
            self._published.clear()
            self._tick()
            await asyncio.sleep(1 / HZ)

    def _tick(self) -> None:
        frame = self._next_frame()
        snapshot: bytes | None = None
        for client in list(self._clients):
            if not self._drained(client):
                client.needs_snapshot = True
                if frame is not None:
                    client.skipped += 1
                    self.counters.skipped += 1
            elif client.needs_snapshot:
                snapshot = snapshot or self._snapshot_frame()
                self._bring_up_to_date(client, snapshot)
            elif frame is not None:
                self._write(client, frame)
        if any(client.needs_snapshot for client in self._clients):
            self._published.set()

    def _next_frame(self) -> bytes | None:
        """The delta to the newest state, or nothing where there is none worth sending."""
        if self._next is None:
            return None
        changes = diff(self._current.state, self._next)
        now = asyncio.get_running_loop().time()
        if changes.only_time and now - self._sent_at < HEARTBEAT_S * 0.9:
            return None
        self._sent_at = now
        before = self._current
        self._current = Snapshot(before.epoch, before.seq + 1, self._next)
        self._next = None
        return _framed(encode_message(Delta(before.epoch, before.seq, self._current.seq, changes)))

    def _snapshot_frame(self) -> bytes:
        return _framed(encode_message(self._current))

    def _drained(self, client: _Client) -> bool:
        """Whether a whole frame may be written to ``client`` now, behind nothing that waits."""
        connection = client.connection
        if connection.protocol.state is not State.OPEN or connection.transport.is_closing():
            return False
        if connection.send_in_progress is None and not (
            connection.transport.get_write_buffer_size()
        ):
            client.slow_since = 0.0
            return True
        now = asyncio.get_running_loop().time()
        client.slow_since = client.slow_since or now
        if now - client.slow_since > EVICT_S:
            self.counters.evicted += 1
            connection.transport.abort()
        return False

    def _bring_up_to_date(self, client: _Client, frame: bytes) -> None:
        if client.skipped:
            current = self._current
            marked = Snapshot(current.epoch, current.seq, current.state, True, client.skipped)
            frame = _framed(encode_message(marked))
        client.needs_snapshot, client.skipped = False, 0
        self._write(client, frame)
        self.counters.snapshots += 1

    def _write(self, client: _Client, frame: bytes) -> None:
        client.connection.transport.write(frame)
        self.counters.sent += 1


@asynccontextmanager
async def open_hub(
    paths: RunPaths, *, epoch: int, on_command: CommandHandler, port: int = 0
) -> AsyncGenerator[Hub]:
    """A hub for the run at ``paths``: its token and its address lie where screens look for them."""
    hub = Hub(token=load_or_create_token(paths.stream_token), epoch=epoch, on_command=on_command)
    async with hub.serving(port):
        scratch = paths.stream_address.with_suffix(".tmp")
        descriptor = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(hub.address + "\n")
        scratch.replace(paths.stream_address)
        try:
            yield hub
        finally:
            paths.stream_address.unlink(missing_ok=True)


def _select_subprotocol(
    _connection: ServerConnection, offered: Sequence[Subprotocol]
) -> Subprotocol | None:
    if PROTOCOL not in offered:
        raise NegotiationError(f"this engine speaks {PROTOCOL}")
    return Subprotocol(PROTOCOL)


def _framed(payload: bytes) -> bytes:
    """One unmasked text frame: the same bytes for every client, as no extension is negotiated."""
    return Frame(Opcode.TEXT, payload).serialize(mask=False)
