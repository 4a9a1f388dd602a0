"""The screens' end of the stream: connects, follows, resyncs, and comes back for ever."""

import asyncio
import random
import ssl
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import msgspec
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus, InvalidURI
from websockets.typing import Subprotocol

from engine.clock import Clock
from engine.codec import Malformed
from engine.stream.access import is_loopback
from engine.stream.connection import (
    Answered,
    Connected,
    Happened,
    LinkEvent,
    Received,
    Waiting,
    delay_s,
)
from engine.stream.fold import OutOfOrder, fold
from engine.stream.frames import read_message
from engine.stream.wire import (
    BINARY,
    DEFAULT_HZ,
    MAX_DOWNSTREAM_BYTES,
    Ack,
    Command,
    Delta,
    Events,
    EventsLost,
    Hello,
    Lane,
    Reply,
    Resume,
    Resync,
    Snapshot,
    Start,
    Status,
    encode_message,
)

OPEN_TIMEOUT_S = 5.0
MAX_LAG_MS = 3_600_000
"""More than this is two clocks that differ."""
SILENCE_S = 15.0
"""The engine speaks every second: after so much silence the connection is taken for dead."""
ACK_EVERY_S = 1.0
"""The engine takes a client for slow that has not said for three seconds what it shows."""


class Target(msgspec.Struct, frozen=True):
    """Where an engine is, and the word that opens it."""

    url: str
    token: str
    authority: Path | None = None
    """PEM file of who vouches for the engine's certificate; without it, the machine's own ones."""

    def __repr__(self) -> str:
        return f"Target({self.url!r})"


class NotFound(ValueError):
    """There is no engine to connect to now; the message says why."""


class Wish(msgspec.Struct, frozen=True):
    """What a screen wants of the stream beside the state."""

    hz: int = DEFAULT_HZ
    lanes: tuple[Lane, ...] = ()
    form: str = BINARY


class NotConnected(ValueError):
    """A command cannot leave, because there is no connection."""


class Link:
    """A reconnecting client. ``run`` never returns; it tells ``on_event`` what happens.

    Args:
        find: says before each try where the engine is; raises ``NotFound`` while it is nowhere.
        on_event: called in the event loop, once for each event, in order.
        clock: for the ages that screens show.
        rng: jitters the waiting.
        wish: how often, and which events.
    """

    def __init__(
        self,
        find: Callable[[], Target],
        on_event: Callable[[LinkEvent], None],
        clock: Clock,
        rng: random.Random,
        wish: Wish | None = None,
    ) -> None:
        self._wish = wish or Wish()
        self._find = find
        self._on_event = on_event
        self._clock = clock
        self._rng = rng
        self._connection: ClientConnection | None = None
        self._known: Snapshot | None = None
        self._epoch = 0
        self._eseq: int | None = None
        """The last event seen; none before the first connection."""
        self._acked_s = 0.0
        self._lag_ms = 0
        self.hz = 0
        """The rate class that the engine serves this link at."""
        self._hurry = asyncio.Event()
        self._attempt = 0
        self.resyncs = 0

    async def run(self) -> None:
        """Connect and follow, again and again, until cancelled."""
        while True:
            try:
                await self._follow_once()
                reason = "the engine closed the connection"
            except (NotFound, Malformed) as error:
                reason = str(error)
            except (OSError, InvalidHandshake, InvalidURI, ConnectionClosed, TimeoutError) as error:
                reason = _said_plainly(error)
            self._attempt += 1
            delay = delay_s(self._attempt, self._rng)
            retry_ns = self._clock.monotonic_ns() + int(delay * 1e9)
            self._on_event(Waiting(reason, retry_ns, self._attempt))
            self._hurry.clear()
            try:
                async with asyncio.timeout(delay):
                    await self._hurry.wait()
            except TimeoutError:
                pass

    def hurry(self) -> None:
        """Try again now instead of waiting."""
        self._hurry.set()

    async def send(self, command: Command) -> None:
        """Send a command; its reply arrives as ``Answered``.

        Raises:
            NotConnected: there is no connection; the command has not left.
        """
        if self._connection is None:
            raise NotConnected("not connected: the command was not sent")
        try:
            await self._connection.send(encode_message(command), text=True)
        except ConnectionClosed:
            raise NotConnected("the connection broke: it is unknown whether it arrived") from None

    async def _follow_once(self) -> None:
        target = self._find()
        check_address(target.url)
        async with connect(
            target.url,
            ssl=_trust(target),
            additional_headers={"Authorization": f"Bearer {target.token}"},
            subprotocols=[Subprotocol(self._wish.form)],
            compression=None,
            proxy=None,
            user_agent_header=None,
            open_timeout=OPEN_TIMEOUT_S,
            close_timeout=1,
            max_size=MAX_DOWNSTREAM_BYTES,
        ) as connection:
            try:
                await self._follow(connection, target.url)
            finally:
                self._connection = None

    async def _follow(self, connection: ClientConnection, url: str) -> None:
        async with asyncio.timeout(OPEN_TIMEOUT_S):
            hello = read_message(await connection.recv(), None)
        if not isinstance(hello, Hello):
            raise Malformed(f"{url}: the engine did not say hello")
        if hello.epoch != self._epoch:
            self._known = None
        start = Start(self._wish.hz, self._wish.lanes, self._resume())
        self._epoch, self.hz = hello.epoch, self._wish.hz
        await connection.send(encode_message(start), text=True)
        self._connection = connection
        self._on_event(Connected(url))
        while True:
            async with asyncio.timeout(SILENCE_S):
                data = await connection.recv()
            await self._take(connection, data)

    def _resume(self) -> Resume | None:
        """What this side still has; nothing where it has never seen anything."""
        if self._known is None and self._eseq is None:
            return None
        seq = self._known.seq if self._known is not None else 0
        return Resume(self._epoch, seq, self._eseq or 0)

    async def _take(self, connection: ClientConnection, data: bytes | str) -> None:
        try:
            message = read_message(data, self._known)
            if isinstance(message, Delta):
                # A snapshot is on its way where nothing is known; nothing can be done with this.
                message = self._known and fold(self._known, message)
        except OutOfOrder:
            self._known = None
            self.resyncs += 1
            await connection.send(encode_message(Resync()), text=True)
            return
        match message:
            case Snapshot() as snapshot:
                self._attempt = 0
                self._show(snapshot)
                await self._acknowledge(connection)
            case Events() as events:
                self._eseq = events.upto
                self._on_event(Happened(events.events))
            case EventsLost() as lost:
                self._eseq = lost.last
                self._on_event(Happened((), lost.last - lost.first + 1))
            case Reply() as reply:
                self._on_event(Answered(reply))
            case Status() as status:
                self.hz = status.hz
            case Hello():
                raise Malformed("the engine said hello twice")
            case None:  # A later version's message, or a delta for which nothing is known yet.
                pass

    def _show(self, snapshot: Snapshot) -> None:
        self._known = snapshot
        self._on_event(Received(snapshot, self._clock.monotonic_ns()))

    async def _acknowledge(self, connection: ClientConnection) -> None:
        """Say once a second what is shown now: the engine cannot see past the kernels' buffers."""
        assert self._known is not None
        now_s = self._clock.monotonic_ns() / 1e9
        if now_s - self._acked_s < ACK_EVERY_S:
            return
        self._acked_s = now_s
        lag_ms = max(0, self._clock.unix_ms() - self._known.state.at_ms)
        ack = Ack(self._known.seq, self._eseq or 0, min(lag_ms, MAX_LAG_MS))
        await connection.send(encode_message(ack), text=True)


def _trust(target: Target) -> ssl.SSLContext | None:
    if not target.url.startswith("wss:"):
        return None
    try:
        return ssl.create_default_context(cafile=target.authority)
    except (OSError, ssl.SSLError) as error:
        raise NotFound(f"{target.authority}: no certificate to trust: {error}") from None


def check_address(url: str) -> None:
    """Refuse an address that would carry the token over a network in the clear.

    Raises:
        NotFound: not a WebSocket address, or ``ws://`` to another machine.
    """
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        port = parts.port
    except ValueError as error:
        raise NotFound(f"{url}: {error}") from None
    if parts.scheme not in {"ws", "wss"} or not host or port is None:
        raise NotFound(f"{url}: no address of an engine; it looks like ws://127.0.0.1:PORT")
    if parts.scheme == "ws" and not is_loopback(host):
        raise NotFound(
            f"{url}: the token must not cross a network in the clear; use wss:// or a tunnel"
        )


def _said_plainly(error: Exception) -> str:
    match error:
        case InvalidStatus() if error.response.status_code == 401:
            return "the engine refused the token"
        case InvalidStatus():
            return f"the engine answered {error.response.status_code}"
        case ssl.SSLCertVerificationError():
            return f"the engine's certificate is not trusted: {error.verify_message}"
        case ConnectionRefusedError():
            return "nobody listens at the engine's address"
        case TimeoutError():
            return "the engine is silent"
        case ConnectionClosed():
            told = error.rcvd.reason if error.rcvd is not None else ""
            return told or "the connection broke"
        case OSError():
            return error.strerror or "the engine cannot be reached"
        case _:
            return str(error) or type(error).__name__
