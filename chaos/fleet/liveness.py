"""The policy ``restart``: what a plain liveness supervisor would do, as a baseline for drills.

It restarts a service whose process ended, or that failed three health questions in a row, asked
every half second, and knows nothing else. Off unless a drill switches it on.
"""

import asyncio

from chaos.fleet.floor import Floor, Slot

EVERY_S = 0.5
FAILED_QUESTIONS = 3


class Liveness:
    """Watches all services while it is on."""

    def __init__(self, floor: Floor) -> None:
        """Watch ``floor``; off."""
        self.on = False
        self.restarts = 0
        self._floor = floor
        self._failed: dict[str, int] = {}

    async def watch(self) -> None:
        """Look at all services every half second, for ever."""
        while True:
            await asyncio.sleep(EVERY_S)
            if self.on:
                await asyncio.gather(*(self._look(slot) for slot in self._floor.slots.values()))
            else:
                self._failed.clear()

    async def _look(self, slot: Slot) -> None:
        generation = slot.generation
        if slot.lock.locked() or generation is None:
            return
        dead = slot.run is None or not slot.run.alive
        failed = 0 if await self._floor.healthy(slot) else self._failed.get(slot.spec.name, 0) + 1
        self._failed[slot.spec.name] = failed
        if not dead and failed < FAILED_QUESTIONS:
            return
        self._failed[slot.spec.name] = 0
        try:
            if await self._floor.restart(slot, generation) is not None:
                self.restarts += 1
        except OSError:
            # The fleet is stopping, or the process could not be started: tried again next time.
            return
