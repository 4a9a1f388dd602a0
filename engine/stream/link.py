"""The screens' end of the stream: connects, follows, resyncs, and comes back for ever."""

import asyncio
import ipaddress
import random
from collections.abc import Callable
from urllib.parse import urlsplit

import msgspec
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus, InvalidURI
from websockets.typing import Subprotocol

from engine.clock import Clock
from engine.codec import Malformed
from engine.stream.connection import Answered, Connected, LinkEvent, Received, Waiting, delay_s
from engine.stream.fold import OutOfOrder, fold
from engine.stream.wire import (
    MAX_DOWNSTREAM_BYTES,
    PROTOCOL,
    Command,
    Delta,
    Hello,
    Reply,
    Resync,
    Snapshot,
    Start,
    decode_from_server,
    encode_message,
)

OPEN_TIMEOUT_S = 5.0
SILENCE_S = 15.0
"""The engine speaks every second: after so much silence the connection is taken for dead."""


class Target(msgspec.Struct, frozen=True):
    """Where an engine is, and the word that opens it."""

    url: str
    token: str

    def __repr__(self) -> str:
        return f"Target({self.url!r})"


class NotFound(ValueError):
    """There is no engine to connect to now; the message says why."""


class NotConnected(ValueError):
    """A command cannot leave, because there is no connection."""


class Link:
    """A reconnecting client. ``run`` never returns; it tells ``on_event`` what happens.

    Args:
        find: says before each try where the engine is; raises ``NotFound`` while it is nowhere.
        on_event: called in the event loop, once for each event, in order.
        clock: for the ages that screens show.
        rng: jitters the waiting.
    """

    def __init__(
        self,
        find: Callable[[], Target],
        on_event: Callable[[LinkEvent], None],
        clock: Clock,
        rng: random.Random,
    ) -> None:
        self._find = find
        self._on_event = on_event
        self._clock = clock
        self._rng = rng
        self._connection: ClientConnection | None = None
        self._known: Snapshot | None = None
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
            additional_headers={"Authorization": f"Bearer {target.token}"},
            subprotocols=[Subprotocol(PROTOCOL)],
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
            hello = decode_from_server(await connection.recv())
        if not isinstance(hello, Hello):
            raise Malformed(f"{url}: the engine did not say hello")
        await connection.send(encode_message(Start()), text=True)
        self._connection = connection
        self._known = None
        self._on_event(Connected(url))
        while True:
            async with asyncio.timeout(SILENCE_S):
                data = await connection.recv()
            await self._take(connection, data)

    async def _take(self, connection: ClientConnection, data: bytes | str) -> None:
        match decode_from_server(data):
            case Snapshot() as snapshot:
                self._attempt = 0
                self._show(snapshot)
            case Delta() as delta:
                if self._known is None:  # A snapshot is on its way; nothing can be done with this.
                    return
                try:
                    self._show(fold(self._known, delta))
                except OutOfOrder:
                    self._known = None
                    self.resyncs += 1
                    await connection.send(encode_message(Resync()), text=True)
            case Reply() as reply:
                self._on_event(Answered(reply))
            case Hello():
                raise Malformed("the engine said hello twice")

    def _show(self, snapshot: Snapshot) -> None:
        self._known = snapshot
        self._on_event(Received(snapshot, self._clock.monotonic_ns()))


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
    if parts.scheme == "ws" and not _is_loopback(host):
        raise NotFound(
            f"{url}: the token must not cross a network in the clear; use wss:// or a tunnel"
        )


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _said_plainly(error: Exception) -> str:
    match error:
        case InvalidStatus() if error.response.status_code == 401:
            return "the engine refused the token"
        case InvalidStatus():
            return f"the engine answered {error.response.status_code}"
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
