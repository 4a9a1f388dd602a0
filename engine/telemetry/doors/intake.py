"""Between a door and the window: a bounded queue that says no instead of growing (pure)."""

from collections import deque

from engine.telemetry.records import Batch, Record

MAX_WAITING = 50_000
"""Records that may wait: a second of a large fleet, some ten megabytes."""


class Intake:
    """What came through the doors and has not been looked at yet.

    A batch is taken whole or not at all, so that a sender that is told to come back later may send
    the same again without anything counting twice.
    """

    def __init__(self, limit: int = MAX_WAITING) -> None:
        self.taken = 0
        """Records taken so far."""
        self.rejected = 0
        """Records that could not be used."""
        self.refused = 0
        """Batches that were refused because too much was waiting."""
        self._limit = limit
        self._waiting: deque[Record] = deque()

    def __len__(self) -> int:
        return len(self._waiting)

    def offer(self, batch: Batch) -> bool:
        """Take ``batch``, or refuse it because too much waits already.

        One that is larger than the whole queue is taken when nothing else waits: it will not get
        smaller by being sent again.
        """
        if self._waiting and len(self._waiting) + len(batch.records) > self._limit:
            self.refused += 1
            return False
        self._waiting.extend(batch.records)
        self.taken += len(batch.records)
        self.rejected += batch.rejected
        return True

    def take(self, most: int = MAX_WAITING) -> list[Record]:
        """Up to ``most`` of the waiting records, oldest first."""
        return [self._waiting.popleft() for _ in range(min(most, len(self._waiting)))]
