"""How often a client is served, and what becomes of one that is too slow (pure: time is handed in)."""

from collections import deque
from enum import Enum

from engine.stream.wire import CLASSES

DEMOTE_S = 2.0
"""A client that has taken nothing for so long gets fewer updates."""
EVICT_S = 10.0
"""A client that has taken nothing for so long is cut off; it can come back."""
PROMOTE_S = 30.0
"""After so long without trouble it gets the rate that it asked for, step by step."""
ACK_S = 3.0
"""A client that has not said for so long what it shows is slow, whatever the kernel took for it."""
MAX_DEMOTIONS_A_MINUTE = 3


class Verdict(Enum):
    """What to do with a client now."""

    KEEP = "keep"
    DEMOTED = "demoted"
    PROMOTED = "promoted"
    EVICT = "evict"


def class_for(hz: int) -> int:
    """The fastest class that is not faster than ``hz``; the slowest one for anything below."""
    return next((rate for rate in CLASSES if rate <= hz), CLASSES[-1])


class Pace:
    """One client's class, and its record."""

    __slots__ = ("_calm_since", "_demotions", "_stalled_since", "acked", "hz", "wanted")

    def __init__(self, hz: int, now_s: float) -> None:
        self.wanted = self.hz = class_for(hz)
        self.acked = now_s
        """When it last said what it shows."""
        self._stalled_since: float | None = None
        self._calm_since = now_s
        self._demotions: deque[float] | None = None

    def stalled(self, now_s: float) -> Verdict:
        """It still has bytes waiting."""
        if self._stalled_since is None:
            self._stalled_since = self._calm_since = now_s
            return Verdict.KEEP
        if now_s - self._stalled_since > EVICT_S:
            return Verdict.EVICT
        if now_s - self._calm_since > DEMOTE_S:
            return self._demote(now_s)
        return Verdict.KEEP

    def drained(self, now_s: float) -> Verdict:
        """It has taken everything."""
        self._stalled_since = None
        if now_s - self.acked > ACK_S and now_s - self._calm_since > ACK_S:
            # Kernel buffers may hide it, but never for longer than until it stalls: no eviction.
            return self._lower(now_s)
        if self.hz != self.wanted and now_s - self._calm_since > PROMOTE_S:
            self._calm_since = now_s
            self.hz = CLASSES[CLASSES.index(self.hz) - 1]
            return Verdict.PROMOTED
        return Verdict.KEEP

    def begin_anew(self, now_s: float) -> None:
        """Hold nothing against it that happened before: nobody could look."""
        self.acked = self._calm_since = now_s
        if self._stalled_since is not None:
            self._stalled_since = now_s

    def _demote(self, now_s: float) -> Verdict:
        if self._demotions is None:
            self._demotions = deque(maxlen=MAX_DEMOTIONS_A_MINUTE + 1)
        self._demotions.append(now_s)
        if len(self._demotions) > MAX_DEMOTIONS_A_MINUTE and now_s - self._demotions[0] < 60:
            return Verdict.EVICT
        return self._lower(now_s)

    def _lower(self, now_s: float) -> Verdict:
        self._calm_since = now_s
        if self.hz == CLASSES[-1]:
            return Verdict.KEEP
        self.hz = CLASSES[CLASSES.index(self.hz) + 1]
        return Verdict.DEMOTED


class TokenBucket:
    """Lets ``burst`` through at once, and ``rate`` a second after that."""

    __slots__ = ("_burst", "_level", "_rate", "_seen_s")

    def __init__(self, rate: float, burst: float, now_s: float) -> None:
        self._rate, self._burst = rate, burst
        self._level, self._seen_s = burst, now_s

    def take(self, now_s: float) -> bool:
        """Whether one more may pass."""
        self._level = min(self._burst, self._level + (now_s - self._seen_s) * self._rate)
        self._seen_s = now_s
        if self._level < 1:
            return False
        self._level -= 1
        return True
