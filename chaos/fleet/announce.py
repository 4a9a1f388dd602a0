"""Carries the SLO probe's announcements to the council, signed with the probe's own key.

The probe judges with or without a swarm; what cannot be said yet waits here, bounded.
"""

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Protocol

from engine.codec import Malformed
from engine.paths import RunPaths
from engine.signing import KeyFileError
from engine.vocabulary import MAX_ITEMS, Operation, Probed

if TYPE_CHECKING:
    from engine.consensus.client import Submitter
    from engine.ports import Bus

MAX_WAITING = 64
"""Announcements waiting for the council; the oldest are dropped and counted."""
RETRY_EVERY_S = 1.0
SUBMIT_WITHIN_S = 15.0
"""Without a quorum nothing is ordered; then what waits is sent anew, with what came since."""

log = logging.getLogger(__name__)


class Voice(Protocol):
    """The probe's way into the log."""

    async def submit(self, operations: Sequence[Operation]) -> int:
        """Have ``operations`` ordered as one submission."""
        ...

    async def close(self) -> None:
        """Let go of it."""
        ...


class SwarmVoice:
    """A way into the log over a bus of our own."""

    def __init__(self, bus: "Bus", submitter: "Submitter") -> None:
        """Speak through ``submitter``, who uses ``bus``."""
        self._bus = bus
        self._submitter = submitter

    async def submit(self, operations: Sequence[Operation]) -> int:
        """Have ``operations`` ordered as one submission; insists for ever."""
        return await self._submitter.submit(operations)

    async def close(self) -> None:
        """Leave the bus."""
        await self._bus.close()


Opener = Callable[[RunPaths], Awaitable[Voice | None]]


async def open_voice(paths: RunPaths) -> Voice | None:
    """The probe's way into the log of a run's swarm, or None while there is no swarm.

    Raises:
        Malformed: a file of the swarm cannot be used.
        KeyFileError: the probe's key cannot be used.
    """
    credential = paths.bus_credential("probe")
    if not (paths.genesis.exists() and credential.exists() and paths.probe_key.exists()):
        return None
    # Loaded when there is a swarm at all: they would double what the probe needs to start.
    from engine import genesis as genesis_file
    from engine.bus.nats import NatsBus
    from engine.clock import SystemClock
    from engine.consensus.client import Submitter
    from engine.ledger.charters import read_beginnings
    from engine.signing import Ed25519Signer, Ed25519Verifier

    genesis = genesis_file.read(paths.genesis)
    signer = Ed25519Signer.load(paths.probe_key)
    if genesis.probe != signer.public_key:
        raise Malformed(f"{paths.probe_key}: genesis pins another probe; start the run anew")
    bus = await NatsBus.connect(credential)
    author, verifier, clock = genesis_file.PROBE, Ed25519Verifier(), SystemClock()
    submitter = Submitter(bus, signer, author, genesis, verifier, clock)
    submitter.charters = partial(read_beginnings, paths.charters)
    for began in submitter.charters():
        submitter.follow(began)
    return SwarmVoice(bus, submitter)


class Announcer:
    """Announces in order; what gathers while the council is busy goes out together."""

    def __init__(self, paths: RunPaths, opener: Opener = open_voice) -> None:
        """Announce to the swarm of the run at ``paths``, once there is one."""
        self.dropped = 0
        self._paths = paths
        self._opener = opener
        self._voice: Voice | None = None
        self._waiting: deque[Probed] = deque()
        self._wake = asyncio.Event()

    def announce(self, probed: Probed) -> None:
        """Say ``probed`` as soon as it can be said."""
        if len(self._waiting) >= MAX_WAITING:
            self._waiting.popleft()
            self.dropped += 1
        self._waiting.append(probed)
        self._wake.set()

    async def run(self) -> None:
        """Say what is to be said, for ever."""
        while True:
            await self._wake.wait()
            if not await self._say(tuple(self._waiting)[:MAX_ITEMS]):
                # A new announcement does not hurry a council that is not there.
                await asyncio.sleep(RETRY_EVERY_S)
            elif not self._waiting:
                self._wake.clear()

    async def close(self) -> None:
        """Leave the council, if there was one."""
        if self._voice is not None:
            await self._voice.close()

    async def _say(self, announcements: tuple[Probed, ...]) -> bool:
        try:
            if self._voice is None:
                self._voice = await self._opener(self._paths)
            if self._voice is None:
                return False
            async with asyncio.timeout(SUBMIT_WITHIN_S):
                await self._voice.submit(announcements)
        except (OSError, Malformed, KeyFileError) as error:
            log.warning("not_announced", extra={"why": str(error)})
            return False
        for said in announcements:
            with contextlib.suppress(ValueError):
                # It may have been dropped meanwhile, as the oldest of too many.
                self._waiting.remove(said)
        return True
