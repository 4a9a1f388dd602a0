"""The bus within one process: what tests and simulations use, bounded like the real one."""

import asyncio

from engine.bus.subjects import matches
from engine.ports import Handler


class MemoryBus:
    """Delivers to every matching subscription, in order; made within a running event loop."""

    def __init__(self) -> None:
        """Start without subscriptions."""
        self._subscriptions: list[tuple[str, asyncio.Queue[tuple[str, bytes]]]] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._dropped = 0

    async def publish(self, subject: str, payload: bytes) -> None:
        """Send ``payload`` to whoever subscribes to ``subject`` now; lost when nobody does."""
        for pattern, waiting in self._subscriptions:
            if not matches(pattern, subject):
                continue
            if waiting.full():
                self._dropped += 1
            else:
                waiting.put_nowait((subject, payload))

    async def subscribe(self, subject: str, handler: Handler, *, pending: int = 4096) -> None:
        """Call ``handler`` for each message, in order; at most ``pending`` wait, newest dropped."""
        waiting: asyncio.Queue[tuple[str, bytes]] = asyncio.Queue(pending)
        self._subscriptions.append((subject, waiting))
        self._tasks.append(asyncio.create_task(_deliver(waiting, handler)))

    @property
    def dropped(self) -> int:
        """Messages dropped so far because a subscription had too many waiting."""
        return self._dropped

    async def close(self) -> None:
        """Stop all subscriptions."""
        self._subscriptions.clear()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()


async def _deliver(waiting: asyncio.Queue[tuple[str, bytes]], handler: Handler) -> None:
    while True:
        subject, payload = await waiting.get()
        await handler(subject, payload)
