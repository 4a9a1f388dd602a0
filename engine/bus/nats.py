"""The bus over NATS: reconnects for ever, holds little back, counts what is lost.

A connection of its own rather than the public client: that starts four tasks for every message, and
they cost more than the signature in it. Here what came in one read is handed on at once, and what is
said in one turn of the loop goes out in one write (``docs/consensus.md`` has the figures).
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import msgspec
import structlog

from engine.bus import wire
from engine.codec import Malformed
from engine.ports import Handler

RECONNECT_WAIT_S = 0.1
"""Between two attempts; a server that restarts takes some 50 ms to listen again."""
CONNECT_S = 2.0
PING_S = 10.0
"""Between two questions whether the server is there; two without an answer end the connection."""
MOST_UNANSWERED = 2
PENDING_BYTES = 4 << 20
"""What is kept while the server is away or slow; the rest is dropped and the replicas send it again."""

log = structlog.get_logger()


class BusCredential(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How one user reaches the bus; in a file that only its owner can read."""

    url: str
    user: str
    password: str


def read_credential(path: Path) -> BusCredential:
    """The credential in a file.

    Raises:
        Malformed: the file is missing, readable by others, or holds something else.
    """
    try:
        data, mode = path.read_bytes(), path.stat().st_mode
    except OSError as error:
        raise Malformed(f"{path}: cannot read the bus credential: {error.strerror}") from None
    if mode & 0o077:
        raise Malformed(f"{path}: others can read this password; run: chmod 600 {path}")
    try:
        return msgspec.json.decode(data, type=BusCredential)
    except msgspec.DecodeError as error:
        raise Malformed(f"{path}: no bus credential: {error}; restart the engine") from None


class _Link(asyncio.Protocol):
    """One connection, from the first byte to the last."""

    def __init__(
        self, greeting: Callable[[], bytes], take: Callable[[wire.Delivered], None]
    ) -> None:
        loop = asyncio.get_running_loop()
        self.greeted: asyncio.Future[None] = loop.create_future()
        """Done once the server has answered to the greeting."""
        self.lost: asyncio.Future[None] = loop.create_future()
        self.unanswered = 0
        self._greeting = greeting
        self._take = take
        self._loop = loop
        self._reader = wire.Reader()
        self._transport: asyncio.Transport | None = None
        self._out: list[bytes] = []
        self._pongs: list[asyncio.Future[None]] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        try:
            found = self._reader.feed(data)
        except wire.BrokenProtocol as error:
            log.warning("bus_error", why=str(error))
            self.abort()
            return
        for item in found:
            if isinstance(item, wire.Delivered):
                self._take(item)
            else:
                self._hear(item)

    def _hear(self, said: wire.Said) -> None:
        match said.word:
            case "INFO" if not self.greeted.done():
                self.send(self._greeting() + wire.PING)
                self._pongs.append(self.greeted)
            case "PING":
                self.send(wire.PONG)
            case "PONG" if self._pongs:
                self.unanswered = 0
                answered = self._pongs.pop(0)
                if not answered.done():
                    answered.set_result(None)
            case "-ERR":
                log.warning("bus_error", why=said.rest.decode(errors="replace"))
            case _:
                pass

    def ping(self) -> asyncio.Future[None]:
        """Ask whether the server is there: done when it has everything that was said before."""
        self.unanswered += 1
        answer: asyncio.Future[None] = self._loop.create_future()
        self._pongs.append(answer)
        self.send(wire.PING)
        return answer

    def send(self, data: bytes) -> None:
        """Have ``data`` written in this turn of the loop, with all else that is said in it."""
        if not self._out:
            self._loop.call_soon(self._write)
        self._out.append(data)

    def _write(self) -> None:
        if self._transport is not None:
            self._transport.write(b"".join(self._out))
        self._out.clear()

    @property
    def waiting_bytes(self) -> int:
        """What the kernel has not taken yet."""
        return self._transport.get_write_buffer_size() if self._transport is not None else 0

    def close(self) -> None:
        """Leave once what was said is written."""
        self._write()
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """Leave at once."""
        if self._transport is not None:
            self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        for waiting in (self.lost, self.greeted, *self._pongs):
            if not waiting.done():
                waiting.cancel()


class NatsBus:
    """One user's connection; see ``connect``."""

    def __init__(self, credential: BusCredential) -> None:
        """Speak as the user of ``credential``, once ``connect`` has opened a connection."""
        self._credential = credential
        self._handlers: list[tuple[str, Handler]] = []
        self._link: _Link | None = None
        self._held: list[bytes] = []
        self._held_bytes = 0
        self._dropped = 0
        self._open = asyncio.Event()
        self._staying: asyncio.Task[None] | None = None

    @classmethod
    async def connect(cls, credential: Path) -> "NatsBus":
        """A connection for the user of the file ``credential``; waits until there is a server.

        Raises:
            Malformed: the file cannot be used.
        """
        bus = cls(read_credential(credential))
        bus._staying = asyncio.create_task(bus._stay())
        try:
            await bus._open.wait()
        except asyncio.CancelledError:
            await bus.close()
            raise
        return bus

    async def publish(self, subject: str, payload: bytes) -> None:
        """Send ``payload`` to whoever subscribes to ``subject`` now; lost when nobody does."""
        message = wire.published(subject, payload)
        link = self._link
        if link is not None and link.waiting_bytes <= PENDING_BYTES:
            link.send(message)
        elif link is None and self._held_bytes + len(message) <= PENDING_BYTES:
            self._held.append(message)
            self._held_bytes += len(message)
        else:
            self._dropped += 1

    async def flush(self) -> None:
        """Return once the server has what was published.

        Raises:
            OSError: the server is away.
        """
        if self._link is None:
            raise ConnectionError("bus: there is no server")
        answer = self._link.ping()
        await asyncio.wait([answer], timeout=PING_S)
        if not answer.done() or answer.cancelled():
            raise ConnectionError("bus: the server went away")

    async def subscribe(self, subject: str, handler: Handler) -> None:
        """Call ``handler`` for each message, in order, as it comes."""
        self._handlers.append((subject, handler))
        if self._link is not None:
            self._link.send(wire.subscribed(subject, len(self._handlers) - 1))

    @property
    def dropped(self) -> int:
        """Messages dropped so far: no server for too long, or a server too slow."""
        return self._dropped

    @property
    def connected(self) -> bool:
        """Whether there is a server right now."""
        return self._link is not None

    async def close(self) -> None:
        """Stop all subscriptions and leave."""
        self._handlers.clear()
        if self._link is not None:
            self._link.close()
        if self._staying is not None:
            self._staying.cancel()
            await asyncio.gather(self._staying, return_exceptions=True)

    # --- the connection ------------------------------------------------------------------------

    async def _stay(self) -> None:
        """Keep a connection for ever."""
        while True:
            link = await self._connect()
            if link is None:
                await asyncio.sleep(RECONNECT_WAIT_S)
                continue
            self._link = link
            for message in self._held:
                link.send(message)
            self._held.clear()
            self._held_bytes = 0
            self._open.set()
            log.debug("bus_connected", user=self._credential.user)
            await self._until_lost(link)
            self._link = None
            log.info("bus_disconnected", user=self._credential.user)

    async def _connect(self) -> _Link | None:
        at = urlsplit(self._credential.url)
        host, port = at.hostname or "127.0.0.1", at.port or 4222
        loop = asyncio.get_running_loop()
        link = _Link(self._greeting, self._take)
        with suppress(OSError, TimeoutError):
            async with asyncio.timeout(CONNECT_S):
                await loop.create_connection(lambda: link, host, port)
                await asyncio.wait([link.greeted])
        if link.greeted.done() and not link.greeted.cancelled():
            return link
        link.abort()
        return None

    async def _until_lost(self, link: _Link) -> None:
        while not link.lost.done():
            await asyncio.wait([link.lost], timeout=PING_S)
            if link.unanswered >= MOST_UNANSWERED:
                link.abort()
            elif not link.lost.done():
                link.ping()

    def _greeting(self) -> bytes:
        options = {
            "user": self._credential.user, "pass": self._credential.password,
            "name": self._credential.user, "lang": "python", "version": "1", "protocol": 1,
            "verbose": False, "pedantic": False, "headers": False, "echo": True,
        }  # fmt: skip
        asked = (
            wire.subscribed(subject, number) for number, (subject, _) in enumerate(self._handlers)
        )
        return wire.connecting(msgspec.json.encode(options)) + b"".join(asked)

    def _take(self, message: wire.Delivered) -> None:
        if message.subscription >= len(self._handlers):
            return
        try:
            self._handlers[message.subscription][1](message.subject, message.payload)
        except Exception:
            # Whoever listens answers for itself: one of them must not cost all others the bus.
            log.exception("bus_handler_failed", subject=message.subject)


__all__ = ["BusCredential", "NatsBus", "read_credential"]
