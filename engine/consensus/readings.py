"""What was read once and found good, by the bytes it was read from: nobody reads or checks it twice.

A VIEW-CHANGE repeats votes already seen, a batch submissions that came on their own. Bounded by
number and by bytes; what is forgotten is read again (pure).
"""

from collections import deque
from typing import Generic, TypeVar

Meaning = TypeVar("Meaning")
"""What was read: a message, a submission."""

MOST = 8_192
"""Frames kept: all votes of two windows of seven replicas, several times over."""
MOST_BYTES = 16 << 20
"""Bytes of frames kept; what was read from them takes about as much again."""


class Readings(Generic[Meaning]):
    """Frames and what they mean, the oldest forgotten first."""

    def __init__(self, most: int = MOST, most_bytes: int = MOST_BYTES) -> None:
        """Start with nothing read."""
        self._most = most
        self._most_bytes = most_bytes
        self._known: dict[bytes, Meaning] = {}
        self._oldest: deque[bytes] = deque()
        """The same frames in order: to ask a dictionary for its first key again and again, while
        first keys are deleted, makes it look at all that were."""
        self._bytes = 0
        self.get = self._known.get
        """What a frame means; None when it is not known to be good."""

    def __contains__(self, frame: bytes) -> bool:
        """Whether ``frame`` is known to be good."""
        return frame in self._known

    def __len__(self) -> int:
        """How many frames are kept."""
        return len(self._known)

    def keep(self, frame: bytes, meaning: Meaning) -> None:
        """Note that ``frame`` is good and what it means."""
        known = self._known
        if frame in known:
            return
        known[frame] = meaning
        self._oldest.append(frame)
        self._bytes += len(frame)
        while len(known) > self._most or self._bytes > self._most_bytes:
            oldest = self._oldest.popleft()
            del known[oldest]
            self._bytes -= len(oldest)
