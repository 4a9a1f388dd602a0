"""What came in and was not looked at yet: one bounded queue a source, emptied fairly (pure)."""

from collections import deque
from collections.abc import Hashable, Iterator
from typing import Generic, TypeVar

Source = TypeVar("Source", bound=Hashable)
"""Whoever can send: a peer, an author."""


class Inbox(Generic[Source]):
    """Bounded by source, in messages and bytes; the newest are dropped and counted."""

    def __init__(self, most_messages: int = 1024, most_bytes: int = 8 << 20) -> None:
        """Start empty."""
        self._most_messages = most_messages
        self._most_bytes = most_bytes
        self._waiting: dict[Source, deque[tuple[bytes, int]]] = {}
        """By source, of those alone that have something waiting."""
        self._bytes: dict[Source, int] = {}
        self.dropped = 0

    def put(self, source: Source, payload: bytes, received_ns: int) -> bool:
        """Keep a message; False when its source has too many waiting."""
        waiting = self._waiting.get(source) or deque()
        size = self._bytes.get(source, 0) + len(payload)
        if len(waiting) >= self._most_messages or size > self._most_bytes:
            self.dropped += 1
            return False
        waiting.append((payload, received_ns))
        self._waiting[source] = waiting
        self._bytes[source] = size
        return True

    def take(self, each: int) -> Iterator[tuple[Source, bytes, int]]:
        """Up to ``each`` messages of every source, oldest first."""
        for source in list(self._waiting):
            waiting = self._waiting[source]
            for _ in range(min(each, len(waiting))):
                payload, received_ns = waiting.popleft()
                self._bytes[source] -= len(payload)
                yield source, payload, received_ns
            if not waiting:
                del self._waiting[source]

    def __bool__(self) -> bool:
        return bool(self._waiting)
