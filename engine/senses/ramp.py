"""Since when, and how steeply, a signal has left a level (pure).

The past is cut in two at every age of a geometric grid: a constant before, a straight line since.
The cut with the least squared error is the beginning of the ramp (a two-phase regression, Hinkley
1969); running sums make each cut a handful of additions, so all of them cost one small numpy row.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

PAST = 360
"""Samples that are looked at: the ramp and what was before it."""
AGES: NDArray[np.int64] = np.unique(np.round(8 * 1.15 ** np.arange(25)).astype(np.int64))
LEAST_BEFORE = 50
"""Samples before a ramp, at least: without a past there is no news."""
LEAST_BEFORE_SHARE = 0.5
"""And at least so much of the ramp's own age."""
_CAPACITY = 2_048


@dataclass(frozen=True, slots=True)
class Ramp:
    """A level, then a line; in the unit of the signal and in samples."""

    age: int
    usual: float
    """Mean before the ramp."""
    usual_spread: float
    """Standard deviation before it."""
    slope: float
    slope_error: float
    early_slope: float
    late_slope: float
    begin: float
    """The line at its beginning; far from ``usual``, it was a step and no ramp."""
    end: float
    """The line at the newest sample."""
    bent_end: float
    """The line through the later half at the newest sample: for a ramp that is bent."""
    explained: float
    """Share of the variance that the two pieces explain."""


class Ramps:
    """The recent past of one signal with its running sums."""

    def __init__(self) -> None:
        self._values = np.zeros(_CAPACITY)
        self._smooth = np.zeros(_CAPACITY)
        # Sums of all before a place: of the values, of value times place, of the squares.
        self._sums = np.zeros((3, _CAPACITY + 1))
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def add(self, value: float) -> None:
        """Take in the next sample."""
        if self._count == _CAPACITY:
            self._forget()
        place = self._count
        self._values[place] = value
        self._smooth[place] = self._values[max(0, place - 3) : place + 1].mean()
        self._sums[:, place + 1] = self._sums[:, place] + (value, value * place, value * value)
        self._count += 1

    def _forget(self) -> None:
        kept = self._values[_CAPACITY - PAST - 1 :].copy()
        self._smooth[: len(kept)] = self._smooth[_CAPACITY - PAST - 1 :]
        self._values[: len(kept)] = kept
        places = np.arange(len(kept))
        for row, terms in enumerate((kept, kept * places, kept * kept)):
            self._sums[row, 1 : len(kept) + 1] = np.cumsum(terms)
        self._count = len(kept)

    @property
    def _first(self) -> int:
        return max(0, self._count - 1 - PAST)

    def is_lowest(self) -> bool:
        """Whether the mean of the last four samples is lower than any older one."""
        older = self._smooth[self._first : self._count - 12]
        return bool(len(older)) and bool(self._smooth[self._count - 1] < older.min())

    def turned_back(self, age: int) -> float:
        """How far the mean of the last four samples is above the lowest such mean of a ramp of ``age``."""
        since = self._smooth[self._count - 1 - age : self._count]
        return float(since[-1] - since.min())

    def before(self, age: int) -> NDArray[np.float64]:
        """The samples before a ramp of ``age``."""
        return self._values[self._first : self._count - age]

    def since(self, age: int) -> NDArray[np.float64]:
        """The samples of a ramp of ``age``."""
        return self._values[self._count - 1 - age : self._count]

    def falling(self) -> Ramp | None:
        """The ramp that explains the past best, if it leads down; None without one."""
        last, first = self._count - 1, self._first
        least_before = np.maximum(LEAST_BEFORE, LEAST_BEFORE_SHARE * AGES)
        ages = AGES[AGES + least_before <= last - first]
        if not len(ages):
            return None
        slope, middle, rest = self._lines(last - ages, last)
        usual, spread = self._levels(first, last - ages)
        best = int(np.argmin(spread + rest))
        if slope[best] >= 0.0:
            return None
        age = int(ages[best])
        _, total = self._levels(first, np.array([last + 1]))
        early, _, _ = self._lines(np.array([last - age]), last - age + age // 2)
        late, late_middle, _ = self._lines(np.array([last - age // 2]), last)
        deviations = (age + 1.0) * (age * (age + 2.0)) / 12.0
        return Ramp(
            age=age,
            usual=float(usual[best]),
            usual_spread=float(np.sqrt(spread[best] / (last - age - first))),
            slope=float(slope[best]),
            slope_error=float(np.sqrt(rest[best] / max(1, age - 1) / deviations)),
            early_slope=float(early[0]),
            late_slope=float(late[0]),
            begin=float(middle[best] - slope[best] * age / 2.0),
            end=float(middle[best] + slope[best] * age / 2.0),
            bent_end=float(late_middle[0] + late[0] * (age // 2) / 2.0),
            explained=1.0 - float(spread[best] + rest[best]) / max(float(total[0]), 1e-300),
        )

    def _lines(
        self, begins: NDArray[np.int64], end: int
    ) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        """Least-squares lines from each of ``begins`` to ``end``: slopes, middles, squared errors."""
        count = end - begins + 1.0
        total, crossed, squares = (row[end + 1] - row[begins] for row in self._sums)
        middle = total / count
        deviations = count * (count * count - 1.0) / 12.0
        slope = (crossed - begins * total - (count - 1.0) / 2.0 * total) / deviations
        rest = squares - count * middle * middle - slope * slope * deviations
        return slope, middle, np.maximum(rest, 0.0)

    def _levels(
        self, begin: int, ends: NDArray[np.int64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Constants from ``begin`` to before each of ``ends``: means, squared errors."""
        count = ends - begin
        mean = (self._sums[0, ends] - self._sums[0, begin]) / count
        squares = self._sums[2, ends] - self._sums[2, begin]
        return mean, np.maximum(squares - count * mean * mean, 0.0)
