"""Time cut into bins, and what is counted in each: the common shape of derived signals (pure)."""

from array import array
from collections import deque
from collections.abc import Iterable

BIN_S = 15.0
"""Spans and log lines are counted by so many seconds."""
MAX_BINS = 256
"""Kept of one thing that is counted: a good hour."""
MAX_VALUES = 48
"""Durations kept of one bin; of more only their number is kept."""


class Bin:
    """What was counted in one stretch of ``BIN_S``."""

    __slots__ = ("count", "errors", "place", "values")

    def __init__(self, place: int) -> None:
        self.place = place
        """Which stretch: ``place * BIN_S`` is when it begins."""
        self.count = 0
        self.errors = 0
        self.values = array("d")
        """Up to ``MAX_VALUES`` of the durations, in milliseconds."""


class Binned:
    """One thing that is counted, by bins; the oldest go."""

    __slots__ = ("bins",)

    def __init__(self) -> None:
        self.bins: deque[Bin] = deque(maxlen=MAX_BINS)

    def add(self, at_s: float, value: float | None = None, *, error: bool = False) -> None:
        """Count one; late comers count in the newest bin that is not newer than theirs."""
        place = int(at_s // BIN_S)
        newest = self.bins[-1] if self.bins else None
        if newest is None or newest.place < place:
            newest = Bin(place)
            self.bins.append(newest)
        newest.count += 1
        newest.errors += error
        if value is not None and len(newest.values) < MAX_VALUES:
            newest.values.append(value)

    def between(self, from_s: float, to_s: float) -> list[Bin]:
        """The bins that begin in ``from_s <= t < to_s``, oldest first."""
        return [each for each in self.bins if from_s <= each.place * BIN_S < to_s]


def tally(bins: Iterable[Bin]) -> tuple[int, int]:
    """How many were counted in these bins, and how many of them were errors."""
    count = errors = 0
    for each in bins:
        count += each.count
        errors += each.errors
    return count, errors
