"""The server that screens connect to: admits them, greets them, and takes what they say.

Who gets in is decided before the upgrade: a name of ours, an origin that was named, a token. What
goes out is ``engine.stream.fanout``'s; so memory a client is bounded by one frame, and a slow screen
costs the others nothing.
"""

import asyncio
import os
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from pathlib import Path

from websockets.http11 import Request, Response
from websockets.server import ServerProtocol

from engine.codec import Malformed
from engine.paths import RunPaths
from engine.stream.access import Grant, Listen, Scope
from engine.stream.binary import COLUMNS
from engine.stream.client import Client
from engine.stream.door import UNAUTHORISED, Door
from engine.stream.fanout import Counters, FanOut
from engine.stream.frames import reply_message
from engine.stream.listening import listening
from engine.stream.metrics import Metric
from engine.stream.pace import Pace
from engine.stream.peer import Peer
from engine.stream.publication import EVENTS_RING, NOWHERE, RING, Cursor, Publication
from engine.stream.replies import Replies
from engine.stream.state import ScreenState
from engine.stream.token import load_or_create_token
from engine.stream.wire import (
    BINARY,
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
MAX_ORDERS = 20
"""Commands of one client that wait for their turn."""
_GOING_AWAY = 1012
_POLICY = 1008
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
        revoked: Path | None = None,
    ) -> None:
        self._replies = Replies(on_command)
        self._listen = listen or Listen()
        self._publication = Publication(epoch)
        self.counters = Counters()
        self._fan_out = FanOut(self._publication, self.counters)
        self._door = Door(
            token, self._listen, self.counters, lambda: [*self._own_metrics(), *metrics()], revoked
        )
        self._obeying: set[asyncio.Task[None]] = set()
        self.address = ""
        """Where screens of this machine connect."""
        self.tls_address = ""
        """Where all others do; empty without TLS."""

    @property
    def clients(self) -> int:
        """How many screens get updates now."""
        return len(self._fan_out)

    @property
    def screens(self) -> list[Client]:
        """Those screens."""
        return self._fan_out.clients

    @property
    def connections(self) -> int:
        """How many connections are open, whatever has become of them."""
        return self._door.open

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
        async with listening(self._listen, lambda tls: Peer(self, tls), port) as addresses:
            self.address, self.tls_address = addresses
            async with self._working():
                yield self

    @asynccontextmanager
    async def _working(self) -> AsyncGenerator[None]:
        # If one of these failed, screens would stand still with everything looking well: it ends all.
        async with asyncio.TaskGroup() as group:
            tasks = (
                group.create_task(self._fan_out.run(), name="stream fan-out"),
                group.create_task(self._door.dismiss_revoked(), name="stream revocations"),
            )
            try:
                yield
            finally:
                for task in tasks:
                    task.cancel()
                self._fan_out.abort_stalled()
                self._door.close_all(_GOING_AWAY, "the engine is going away")
                await self._door.empty()

    def _own_metrics(self) -> Iterable[Metric]:
        yield Metric("stream_clients", self.clients, "Screens that get updates.")
        yield Metric("stream_connections", self.connections, "Open connections of any kind.")
        yield Metric("stream_seq", self._publication.current.seq, "Number of the newest state.")
        yield Metric("stream_eseq", self._publication.events.last, "Number of the newest event.")
        yield Metric("stream_pass_us", self._fan_out.pass_us, "Last fan-out, us a client.")
        yield Metric("loop_lag_p99_seconds", self._fan_out.lag_p99_s, "Lateness of the event loop.")
        yield Metric(
            "stream_io_uring", self._fan_out.by_uring, "1: one system call serves many screens."
        )
        yield Metric(
            "stream_lag_ms", self._fan_out.lag_ms, "Of the screen that is furthest behind."
        )
        for name in self.counters.__struct_fields__:
            value = getattr(self.counters, name)
            yield Metric(f"stream_{name}_total", value, f"{name}, since the start.", "counter")

    # --- one client -------------------------------------------------------------------------------

    def opened(self, peer: Peer) -> None:
        """A connection has come up."""
        self._door.opened(peer)

    def admit(self, protocol: ServerProtocol, request: Request) -> Grant | Response:
        """What its token gives, or why it does not get in."""
        return self._door.admit(protocol, request)

    def greet(self, peer: Peer) -> None:
        """Say who we are, and wait for ``Start``."""
        peer.client = Client(peer, time.monotonic())
        hello = Hello(
            peer.form,
            self._publication.current.epoch,
            lanes=LANES,
            scope=peer.grant.scope.name.lower(),
            limits=_LIMITS,
            columns=COLUMNS if peer.form == BINARY else {},
        )
        peer.say(encode_message(hello), text=True)
        peer.end_after(START_S, _POLICY, f"no start within {START_S:.0f} s")

    def may_say(self, peer: Peer) -> bool:
        """Whether it stays within its number of messages a second; it is closed if not."""
        if _client_of(peer).messages.take(time.monotonic()):
            return True
        self.counters.flooded += 1
        self._turn_away(peer, "too many messages")
        return False

    def heard(self, peer: Peer, data: bytes) -> None:
        """Do what it asks for."""
        client = _client_of(peer)
        try:
            message = decode_from_client(data)
            if isinstance(message, Start) is client.started:
                raise Malformed(
                    "start may be said once"
                    if client.started
                    else "the first message must be start"
                )
        except Malformed as error:
            self._turn_away(peer, str(error))
            return
        match message:
            case Start():
                self._begin(client, message)
            case Ack():
                client.ack, client.pace.acked = message, time.monotonic()
            case Resync():
                client.cursor, client.quiet = Cursor(NOWHERE, client.cursor.eseq), False
                self._fan_out.wake()
            case Command():
                self._command(client, message)

    def drained(self, peer: Peer) -> None:
        """It reads again: it shall not wait for its next tick, which may be a second away."""
        if peer.client is not None:
            self._fan_out.catch_up(_client_of(peer))

    def closed(self, peer: Peer) -> None:
        """It has gone: from now on its descriptor may be another's."""
        self._door.closed(peer)
        if peer.client is not None:
            peer.client.quiet = False
            self._fan_out.leave(_client_of(peer))

    def _begin(self, client: Client, start: Start) -> None:
        peer = client.peer
        if peer.grant.expires_ms:
            peer.end_after(_seconds_left(peer.grant), UNAUTHORISED, "the token has expired")
        else:
            peer.stay()
        client.started = True
        client.pace = Pace(start.hz, time.monotonic())
        client.lanes = tuple(sorted(set(start.lanes)))
        client.cursor = self._publication.cursor(start.resume)
        self._fan_out.join(client)

    def _turn_away(self, peer: Peer, why: str) -> None:
        self.counters.malformed += 1
        peer.close(_POLICY, why)

    # --- the one way back -------------------------------------------------------------------------

    def _command(self, client: Client, command: Command) -> None:
        self.counters.commands += 1
        if client.peer.grant.scope < Scope.OPERATOR:
            self._reply(client, Reply(command.id, False, "this token is for looking only"))
        elif len(client.orders) >= MAX_ORDERS or not client.may_command(time.monotonic()):
            self.counters.flooded += 1
            self._reply(client, Reply(command.id, False, "too many commands; wait a second"))
        else:
            client.orders = (*client.orders, command)
            if len(client.orders) == 1:
                task = asyncio.create_task(self._obey(client))
                self._obeying.add(task)
                task.add_done_callback(self._obeying.discard)

    async def _obey(self, client: Client) -> None:
        """Do what one client has ordered, one after the other."""
        while client.orders:
            self._reply(client, await self._replies.to(client.orders[0]))
            client.orders = client.orders[1:]

    def _reply(self, client: Client, reply: Reply) -> None:
        message = reply_message(
            client.form, self._publication.current.epoch, reply, time.monotonic_ns()
        )
        client.peer.say(message, text=client.form != BINARY)


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
    hub = Hub(
        token=token,
        epoch=epoch,
        on_command=on_command,
        listen=listen,
        metrics=metrics,
        revoked=paths.revoked_tokens,
    )
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


def _client_of(peer: Peer) -> Client:
    assert isinstance(peer.client, Client)
    return peer.client


def _seconds_left(grant: Grant) -> float:
    return max(0.0, grant.expires_ms / 1000 - time.time())
