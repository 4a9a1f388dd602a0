"""The server that screens connect to: admits them, greets them, and takes what they say.

Who gets in is decided before the upgrade: a name of ours, an origin that was named, a token. What
goes out is ``engine.stream.fanout``'s; so memory a client is bounded by one frame, and a slow screen
costs the others nothing.
"""

import asyncio
import asyncio.sslproto
import os
import resource
import ssl
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import cast

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed, NegotiationError
from websockets.typing import Subprotocol

from engine.codec import Malformed
from engine.paths import RunPaths
from engine.stream.access import Grant, Listen, Scope
from engine.stream.binary import COLUMNS
from engine.stream.client import Client
from engine.stream.door import Connection, Door
from engine.stream.fanout import Counters, FanOut
from engine.stream.frames import reply_message
from engine.stream.metrics import Metric
from engine.stream.pace import Pace
from engine.stream.publication import EVENTS_RING, NOWHERE, RING, Cursor, Publication
from engine.stream.replies import Replies
from engine.stream.state import ScreenState
from engine.stream.token import load_or_create_token
from engine.stream.wire import (
    BINARY,
    JSON,
    LANES,
    MAX_COMMAND_BYTES,
    MAX_UPSTREAM_BYTES,
    Ack,
    Command,
    Event,
    Hello,
    Reply,
    Resync,
    Start,
    decode_from_client,
    encode_message,
)

START_S = 5.0
"""A client that has not said ``Start`` by then is turned away."""
TLS_READ_BYTES = 16640
"""One TLS record. Python reserves 256 KiB for each connection: 288 kB a client instead of 49."""
_LIMITS = {
    "message": MAX_UPSTREAM_BYTES,
    "command": MAX_COMMAND_BYTES,
    "ring": RING,
    "events": EVENTS_RING,
}

CommandHandler = Callable[[Command], Awaitable[Reply]]
"""Takes an operator's signed bytes on their way; answers always, raises nothing."""


class Hub:
    """Publishes states and events to screens and takes their commands; made by ``open_hub``."""

    def __init__(
        self,
        *,
        token: str,
        epoch: int,
        on_command: CommandHandler,
        listen: Listen | None = None,
        metrics: Callable[[], Iterable[Metric]] = tuple,
    ) -> None:
        self._replies = Replies(on_command)
        self._listen = listen or Listen()
        self._publication = Publication(epoch)
        self.counters = Counters()
        self._fan_out = FanOut(self._publication, self.counters)
        self._door = Door(
            token, self._listen, self.counters, lambda: [*self._own_metrics(), *metrics()]
        )
        self.address = ""
        """Where screens of this machine connect."""
        self.tls_address = ""
        """Where all others do; empty without TLS."""

    @property
    def clients(self) -> int:
        """How many screens get updates now."""
        return len(self._fan_out)

    @property
    def shown(self) -> ScreenState:
        """The newest state that has been sent."""
        return self._publication.current.state

    def publish(self, state: ScreenState) -> None:
        """Show ``state`` to all screens, each at its own rate: the newest one wins."""
        self._door.published_s = time.monotonic()
        self._publication.offer(state)
        self._fan_out.wake()

    def tell(self, events: Iterable[Event]) -> None:
        """Append to the lanes of events: every client that wants them gets every one of them."""
        self._publication.happened(events)
        self._fan_out.wake()

    @asynccontextmanager
    async def serving(self, port: int = 0) -> AsyncGenerator["Hub"]:
        """Serve until the context is left; ``address`` says where.

        Raises:
            Malformed: the stream would leave this machine in the clear, or TLS cannot be set up.
        """
        listen = self._listen
        listen.check()
        # Many systems let a process open 1024 files unless it asks for what it may have.
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        loopback = await self._serve("127.0.0.1", 0 if listen.tls else (port or listen.port), None)
        servers = [loopback]
        self.address = "ws://127.0.0.1:{1}".format(*loopback.sockets[0].getsockname())
        if listen.tls:
            outer = await self._serve(listen.host, listen.port, _tls(listen))
            servers.append(outer)
            self.tls_address = f"wss://{listen.host}:{outer.sockets[0].getsockname()[1]}"
        pump = asyncio.create_task(self._fan_out.run(), name="stream fan-out")
        try:
            yield self
        finally:
            pump.cancel()
            await asyncio.gather(pump, return_exceptions=True)
            self._fan_out.abort_stalled()
            for server in servers:
                server.close(code=1012, reason="the engine is going away")
            for server in servers:
                await server.wait_closed()

    async def _serve(self, host: str, port: int, tls: ssl.SSLContext | None) -> Server:
        return await serve(
            self._attend,
            host,
            port,
            ssl=tls,
            create_connection=cast("type[Connection]", self._door.connection),
            compression=None,
            process_request=self._door.admit,
            subprotocols=[Subprotocol(BINARY), Subprotocol(JSON)],
            select_subprotocol=_select_subprotocol,
            open_timeout=START_S,
            close_timeout=1,
            # Clients acknowledge once a second: a ping more would cost a task each.
            ping_interval=None,
            max_size=MAX_UPSTREAM_BYTES,
            max_queue=4,
            write_limit=32768,
            backlog=4096,
            server_header=None,
        )

    def _own_metrics(self) -> Iterable[Metric]:
        yield Metric("stream_clients", self.clients, "Screens that get updates.")
        yield Metric("stream_connections", self._door.open, "Open connections of any kind.")
        yield Metric("stream_seq", self._publication.current.seq, "Number of the newest state.")
        yield Metric("stream_eseq", self._publication.events.last, "Number of the newest event.")
        yield Metric("stream_pass_us", self._fan_out.pass_us, "Last fan-out, us a client.")
        yield Metric("loop_lag_p99_seconds", self._fan_out.lag_p99_s, "Lateness of the event loop.")
        for name in self.counters.__struct_fields__:
            value = getattr(self.counters, name)
            yield Metric(f"stream_{name}_total", value, f"{name}, since the start.", "counter")

    # --- one client -------------------------------------------------------------------------------

    async def _attend(self, connection: ServerConnection) -> None:
        """Greet one client, then take what it says until it is gone or its token is over."""
        assert isinstance(connection, Connection)
        grant = connection.grant
        client = Client(connection, grant, asyncio.get_running_loop().time())
        connection.client = client
        try:
            await self._greet(client)
            if grant.expires_ms:
                async with asyncio.timeout(_seconds_left(grant)):
                    await self._listen_to(client)
            else:
                await self._listen_to(client)
        except TimeoutError:
            await connection.close(4401, "the token has expired")
        except Malformed as error:
            self.counters.malformed += 1
            await connection.close(1008, str(error)[:100])
        except ConnectionClosed:
            pass
        finally:
            self._fan_out.leave(client)

    async def _greet(self, client: Client) -> None:
        hello = Hello(
            client.form,
            self._publication.current.epoch,
            lanes=LANES,
            scope=client.grant.scope.name.lower(),
            limits=_LIMITS,
            columns=COLUMNS if client.form == BINARY else {},
        )
        await client.connection.send(encode_message(hello), text=True)
        try:
            async with asyncio.timeout(START_S):
                start = decode_from_client(await client.connection.recv())
        except TimeoutError:
            raise Malformed(f"no start within {START_S:.0f} s") from None
        if not isinstance(start, Start):
            raise Malformed("the first message must be start")
        client.pace = Pace(start.hz, asyncio.get_running_loop().time())
        client.lanes = tuple(sorted(set(start.lanes)))
        client.cursor = self._publication.cursor(start.resume)
        self._fan_out.join(client)

    async def _listen_to(self, client: Client) -> None:
        loop = asyncio.get_running_loop()
        while True:
            data = await client.connection.recv()
            now = loop.time()
            if not client.messages.take(now):
                self.counters.flooded += 1
                raise Malformed("too many messages")
            match decode_from_client(data):
                case Ack() as ack:
                    client.ack, client.pace.acked = ack, now
                case Resync():
                    client.cursor, client.quiet = Cursor(NOWHERE, client.cursor.eseq), False
                    self._fan_out.wake()
                case Command() as command:
                    await self._obey(client, command, now)
                case Start():
                    raise Malformed("start may be said once")

    async def _obey(self, client: Client, command: Command, now: float) -> None:
        self.counters.commands += 1
        if client.grant.scope < Scope.OPERATOR:
            reply = Reply(command.id, False, "this token is for looking only")
        elif not client.may_command(now):
            self.counters.flooded += 1
            reply = Reply(command.id, False, "too many commands; wait a second")
        else:
            reply = await self._replies.to(command)
        message = reply_message(
            client.form, self._publication.current.epoch, reply, time.monotonic_ns()
        )
        await client.connection.send(message, text=client.form != BINARY)


@asynccontextmanager
async def open_hub(
    paths: RunPaths,
    *,
    epoch: int,
    on_command: CommandHandler,
    listen: Listen | None = None,
    metrics: Callable[[], Iterable[Metric]] = tuple,
) -> AsyncGenerator[Hub]:
    """A hub for the run at ``paths``: its token and its address lie where screens look for them."""
    token = load_or_create_token(paths.stream_token)
    hub = Hub(token=token, epoch=epoch, on_command=on_command, listen=listen, metrics=metrics)
    async with hub.serving():
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
    """The first form that the client offers; its token, offered by a browser, is no protocol."""
    for name in offered:
        if name in {BINARY, JSON}:
            return name
    raise NegotiationError(f"this engine speaks {BINARY} and {JSON}")


def _seconds_left(grant: Grant) -> float:
    return max(0.0, grant.expires_ms / 1000 - time.time())


def _tls(listen: Listen) -> ssl.SSLContext:
    assert listen.certificate is not None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    try:
        context.load_cert_chain(listen.certificate, listen.key)
    except (OSError, ssl.SSLError) as error:
        raise Malformed(f"{listen.certificate}: cannot serve TLS with it: {error}") from None
    asyncio.sslproto.SSLProtocol.max_size = TLS_READ_BYTES
    return context
