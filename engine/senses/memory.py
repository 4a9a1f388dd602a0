"""Whether a situation like this was ever seen before (pure).

A bounded set of remembered points in the plane of a signal's value and its context; how far a new
point is from the nearest one is how new it is. A point beyond the vigilance becomes a memory of its
own, one within it moves its memory a little (leader clustering, Hartigan 1975; the vigilance of
adaptive resonance, Carpenter & Grossberg 1987). What is full forgets what it met longest ago.
"""

import numpy as np

MEMORIES = 256
VIGILANCE = 0.2
"""In widths of the signal's usual range: closer situations are the same one."""
_PLASTICITY = 0.05


class Memory:
    """Remembered points of the plane, and the distance of new ones from them."""

    def __init__(self) -> None:
        self._first = np.zeros(MEMORIES)
        self._second = np.zeros(MEMORIES)
        self._met_at = np.zeros(MEMORIES, dtype=np.int64)
        self._near = np.zeros(MEMORIES)
        self._scratch = np.zeros(MEMORIES)
        self._count = 0
        self._clock = 0

    def distance(self, first: float, second: float) -> float:
        """Greatest-coordinate distance of the nearest memory, before the point is learnt."""
        self._clock += 1
        count = self._count
        if not count:
            self._remember(0, first, second)
            self._count = 1
            return 0.0
        near, scratch = self._near[:count], self._scratch[:count]
        np.subtract(self._first[:count], first, out=near)
        np.abs(near, out=near)
        np.subtract(self._second[:count], second, out=scratch)
        np.abs(scratch, out=scratch)
        np.maximum(near, scratch, out=near)
        nearest = int(near.argmin())
        distance = float(near[nearest])
        if distance <= VIGILANCE:
            self._met_at[nearest] = self._clock
            self._first[nearest] += _PLASTICITY * (first - self._first[nearest])
            self._second[nearest] += _PLASTICITY * (second - self._second[nearest])
        elif count < MEMORIES:
            self._remember(count, first, second)
            self._count += 1
        else:
            self._remember(int(self._met_at.argmin()), first, second)
        return distance

    def _remember(self, place: int, first: float, second: float) -> None:
        self._first[place], self._second[place] = first, second
        self._met_at[place] = self._clock
