"""The bus over NATS: reconnects for ever, holds little back, counts what is lost."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import structlog
from nats import errors
from nats.aio.client import Client
from nats.aio.msg import Msg

from engine.bus.bundle import Bundles, unbundled
from engine.bus.nkey import BusKey, publish_bus_key
from engine.codec import Malformed
from engine.paths import RunPaths
from engine.ports import Handler

RECONNECT_WAIT_S = 0.1
"""Between two attempts; a server that restarts takes some 50 ms to listen again."""
PENDING_BYTES = 4 << 20
"""What is kept while the server is away; the rest is dropped and the replicas send it again."""
PENDING_MESSAGES = 1024
"""Most messages that wait for one handler; with one subscription a peer, nobody crowds out another."""
SUBSCRIPTION_BYTES = 8 << 20
"""Most bytes that wait for one handler."""
TELL_AGAIN_S = 10.0
"""Between two words about the same error."""
MOST_TOLD = 16
"""Errors of which it is remembered when they were told."""

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


class NatsBus:
    """One user's connection; see ``connect``."""

    def __init__(self, client: Client, user: str) -> None:
        """Wrap a client that ``connect`` will open."""
        self._client = client
        self._user = user
        self._dropped = 0
        self._bundles = Bundles(PENDING_BYTES)
        self._sending: asyncio.Task[None] | None = None
        self._told_s: dict[str, float] = {}

    @classmethod
    async def connect(cls, credential: Path) -> "NatsBus":
        """A connection for the user of the file ``credential``; waits until there is a server.

        Raises:
            Malformed: the file cannot be used.
        """
        found = read_credential(credential)
        bus = cls(Client(), found.user)
        await bus._open([found.url], {"user": found.user, "password": found.password})
        return bus

    @classmethod
    async def enter(cls, servers: Sequence[str], user: str, key: BusKey) -> "NatsBus":
        """A connection to one of ``servers`` that ``key`` opens, and to another when that one goes.

        Waits until there is one that knows the key.
        """
        bus = cls(Client(), user)
        # The library sets it from a seed, for which it wants a package that wraps what we have.
        bus._client._public_nkey = key.public  # noqa: SLF001
        await bus._open(servers, {"signature_cb": key.answer})
        return bus

    # Any: what the library takes as keywords.
    async def _open(self, servers: Sequence[str], proof: dict[str, Any]) -> None:
        options: dict[str, Any] = {
            **proof,
            "name": self._user,
            "error_cb": self._failed,
            "disconnected_cb": self._disconnected,
            "reconnected_cb": self._reconnected,
            "max_reconnect_attempts": -1,
            "reconnect_time_wait": RECONNECT_WAIT_S,
            "connect_timeout": 2,
            "pending_size": PENDING_BYTES,
            "ping_interval": 10,
            "max_outstanding_pings": 2,
        }
        connecting = asyncio.create_task(self._client.connect(list(servers), **options))
        try:
            await asyncio.shield(connecting)
        except BaseException:
            # The library takes a cancellation for one of its own while it gives up a server.
            while not connecting.done():
                connecting.cancel()
                await asyncio.wait({connecting}, timeout=RECONNECT_WAIT_S)
            await self._client.close()
            raise

    async def publish(self, subject: str, payload: bytes) -> None:
        """Send ``payload`` to whoever subscribes to ``subject`` now; lost when nobody does."""
        if not self._bundles.put(subject, payload):
            self._lost(subject, 1, "too much waits to be sent")
        if self._sending is None or self._sending.done():
            self._sending = asyncio.create_task(self._send())

    async def _send(self) -> None:
        """Send what was published in this turn of the loop, and what comes while it is sent."""
        while self._bundles:
            for subject, payloads, data in self._bundles.take():
                try:
                    await self._client.publish(subject, data)
                except (errors.Error, OSError) as error:
                    self._lost(subject, payloads, str(error))

    def _lost(self, subject: str, payloads: int, why: str) -> None:
        self._dropped += payloads
        log.debug("publish_lost", subject=subject, payloads=payloads, why=why)

    async def flush(self) -> None:
        """Return once the server has what was published.

        Raises:
            OSError: the server is away.
        """
        try:
            await self._sent()
            await self._client.flush()
        except errors.Error as error:
            raise ConnectionError(f"bus: {error}") from None

    async def subscribe(self, subject: str, handler: Handler) -> None:
        """Call ``handler`` for each message, in order, as it comes."""

        async def hand_on(message: Msg) -> None:
            try:
                payloads = unbundled(message.data)
            except Malformed as error:
                self._dropped += 1
                log.debug("message_refused", subject=message.subject, why=str(error))
                return
            for payload in payloads:
                handler(message.subject, payload)

        await self._client.subscribe(
            subject,
            cb=hand_on,
            pending_msgs_limit=PENDING_MESSAGES,
            pending_bytes_limit=SUBSCRIPTION_BYTES,
        )

    @property
    def dropped(self) -> int:
        """Messages dropped so far: too many waiting, or no server for too long.

        What came in and found its queue full counts by message of the bus, not by payload.
        """
        return self._dropped

    @property
    def connected(self) -> bool:
        """Whether there is a server right now."""
        return self._client.is_connected

    async def close(self) -> None:
        """Stop all subscriptions and leave."""
        await self._sent()
        await self._client.close()

    async def _sent(self) -> None:
        if self._sending is not None:
            # Whoever gives up waiting does not take back what he said.
            await asyncio.wait({self._sending})

    async def _failed(self, error: Exception) -> None:
        if isinstance(error, errors.SlowConsumerError):
            self._dropped += 1
            return
        # A server that refuses a password says so at each attempt, ten times a second.
        why, now_s = str(error), asyncio.get_running_loop().time()
        if now_s < self._told_s.get(why, -TELL_AGAIN_S) + TELL_AGAIN_S:
            return
        if len(self._told_s) >= MOST_TOLD:
            self._told_s.clear()
        self._told_s[why] = now_s
        log.warning("bus_error", user=self._user, why=why)

    async def _disconnected(self) -> None:
        log.info("bus_disconnected", user=self._user)

    async def _reconnected(self) -> None:
        log.info("bus_reconnected", user=self._user)


async def reach_bus(paths: RunPaths, user: str, servers: Sequence[str] = ()) -> NatsBus:
    """The bus of the run at ``paths`` for ``user``: the one at ``servers``, or else the engine's own.

    Raises:
        Malformed: the credential for the engine's own cannot be used.
        KeyFileError: the key for those servers cannot be used.
    """
    if not servers:
        return await NatsBus.connect(paths.bus_credential(user))
    return await NatsBus.enter(servers, user, BusKey(paths.bus_key))


def show_bus_key(paths: RunPaths, user: str) -> None:
    """Make ``user``'s key to a bus that others run, and show its servers the public half.

    Raises:
        KeyFileError: there is a file that cannot be used.
    """
    paths.make_private(paths.bus_key.parent)
    publish_bus_key(paths.bus_member(user), BusKey(paths.bus_key))


__all__ = ["BusCredential", "NatsBus", "reach_bus", "read_credential", "show_bus_key"]
