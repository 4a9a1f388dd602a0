"""Carries the SLO probe's announcements to the council, signed with the probe's own key.

The probe judges with or without a bus; what cannot be said waits here, bounded.
"""

import asyncio
from collections import deque
from collections.abc import Sequence
from typing import Protocol

from engine.paths import RunPaths
from engine.vocabulary import Operation, Probed

MAX_WAITING = 64
"""Announcements waiting for a bus; the oldest are dropped and counted."""
RETRY_EVERY_S = 1.0


class Submitter(Protocol):
    """Whoever gets operations ordered: ``engine.consensus.client.Submitter``."""

    async def submit(self, operations: Sequence[Operation]) -> object:
        """Sign ``operations`` and send them to the agents."""
        ...


class Announcer:
    """Announces in order, one after the other."""

    def __init__(self, paths: RunPaths, submitter: Submitter | None = None) -> None:
        """Announce through ``submitter``, or through the run's bus once there is one."""
        self.dropped = 0
        self._paths = paths
        self._submitter = submitter
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
            self._wake.clear()
            while self._waiting:
                if not await self._say(self._waiting[0]):
                    await asyncio.sleep(RETRY_EVERY_S)
                    continue
                self._waiting.popleft()

    async def _say(self, probed: Probed) -> bool:
        if self._submitter is None:
            return False
        try:
            await self._submitter.submit([probed])
        except OSError:
            return False
        return True
