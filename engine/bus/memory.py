"""The bus within one process: what tests and simulations use, bounded like the real one."""

import asyncio
from collections import deque

from engine.bus.subjects import matches
from engine.ports import Handler

MOST_WAITING = 4096
"""Messages said in one turn of the loop; the newest above that are dropped."""


class MemoryBus:
    """Delivers to every matching subscription, in order; made within a running event loop."""

    def __init__(self) -> None:
        """Start without subscriptions."""
        self._subscriptions: list[tuple[str, Handler]] = []
        self._waiting: deque[tuple[str, bytes]] = deque()
        self._dropped = 0

    async def publish(self, subject: str, payload: bytes) -> None:
        """Send ``payload`` to whoever subscribes to ``subject`` now; lost when nobody does."""
        if len(self._waiting) >= MOST_WAITING:
            self._dropped += 1
            return
        if not self._waiting:
            asyncio.get_running_loop().call_soon(self._deliver)
        self._waiting.append((subject, payload))

    def _deliver(self) -> None:
        # What a handler's publication adds meanwhile is delivered in the next turn.
        waiting, self._waiting = self._waiting, deque()
        for subject, payload in waiting:
            for pattern, handler in list(self._subscriptions):
                if matches(pattern, subject):
                    handler(subject, payload)

    async def subscribe(self, subject: str, handler: Handler) -> None:
        """Call ``handler`` for each message, in order, as it comes."""
        self._subscriptions.append((subject, handler))

    @property
    def dropped(self) -> int:
        """Messages dropped so far because too many waited."""
        return self._dropped

    async def close(self) -> None:
        """Stop all subscriptions."""
        self._subscriptions.clear()
