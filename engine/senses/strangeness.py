"""How strange each sample of one signal is, from all that the signal has done before (pure).

Three surprises are averaged, as Fisher's method adds the logarithms of independent probabilities
(Fisher 1925): of the value itself; of the value after the one before it; of the value after its
recent level. The two contexts see a familiar value in an unfamiliar place, which a threshold never
does. Beside them stands the season: a signal that stays outside of everything that the same phase
of its seasons has shown is strange although each of its values is common.
"""

from collections import deque
from math import isfinite

from engine.senses.memory import Memory
from engine.senses.reach import Reach
from engine.senses.season import Season
from engine.senses.tail import MOST_SURPRISE, Tail

LEVEL_SAMPLES = 4.0
"""How many samples the recent level averages."""
LEAST_NEW = 0.02
"""In widths of the usual range: a situation nearer than this to a known one is that one."""
WARM_UP = 150
"""Samples before anything is called strange: until then most things are new."""
OUTSIDE_SAMPLES = 20.0
"""How many samples of the season's verdict are averaged: one outlier is the tail's affair."""
OUTSIDE_FLOOR = 0.07
"""Share of the usual range that is nothing to be outside by, even for the steadiest signal."""
OUTSIDE_MEMORY = 3_000.0
_LN_10 = 2.302585


class Strangeness:
    """The judge of one signal; feed it every sample in order."""

    def __init__(self) -> None:
        self._above, self._below = Tail(), Tail()
        self._reach = Reach()
        self._after_last, self._after_level = Memory(), Memory()
        self._new_after_last, self._new_after_level = Tail.of_distances(), Tail.of_distances()
        self._season = Season()
        self._last: float | None = None
        self._level = 0.0
        self._outside = self._usually_outside = 0.0
        self._seen = 0
        self.gaps = 0
        """Samples that were no number: they are judged 0 and teach nothing."""

    def score(self, value: float) -> float:
        """How strange ``value`` is: digits of improbability, 0 (usual) to 15."""
        if not isfinite(value):
            self.gaps += 1
            return 0.0
        if self._last is None:
            self._last = self._level = value
        self._seen += 1
        self._level += (value - self._level) / LEVEL_SAMPLES
        self._reach.learn(value)
        # Both tails learn from every value, whichever side it is on.
        of_value = max(self._above.surprise(value), self._below.surprise(-value))
        of_context = self._of_context(value)
        self._last = value
        if self._seen <= WARM_UP:
            self._of_season(value)
            return 0.0
        return min(MOST_SURPRISE, max((of_value + of_context) / 3.0, self._of_season(value)))

    def _of_context(self, value: float) -> float:
        """The sum of the surprises of two contexts."""
        reach = self._reach
        if not reach.is_known or self._last is None:
            return 0.0
        place = reach.place(value)
        after_last = self._after_last.distance(place, reach.place(self._last))
        after_level = self._after_level.distance(place, reach.place(self._level))
        return sum(
            tail.surprise(distance if distance > LEAST_NEW else 0.0)
            for tail, distance in (
                (self._new_after_last, after_last),
                (self._new_after_level, after_level),
            )
        )

    def _of_season(self, value: float) -> float:
        """Digits by which the recent time outside of the season is more than usual (exponential)."""
        outside = self._season.outside(value)
        if not self._reach.is_known:
            return 0.0
        share = min(1.0, outside / self._reach.width)
        self._outside += (share - self._outside) / OUTSIDE_SAMPLES
        expected = self._usually_outside + OUTSIDE_FLOOR
        rate = max(1.0 / self._seen, 1.0 / OUTSIDE_MEMORY)
        self._usually_outside += rate * (
            min(self._outside, 10.0 * expected) - self._usually_outside
        )
        return self._outside / expected / _LN_10


class Excursions:
    """Lets an excursion speak when it begins and when it grows stranger, not while it lasts.

    A score is let through when it is above every other of the recent past, which is a share of all
    that was seen: a signal watched for a month may be quiet about one thing for a day.
    """

    RECENT_SHARE = 0.03
    LEAST_RECENT = 10

    def __init__(self) -> None:
        self._highest: deque[tuple[int, float]] = deque()
        self._seen = 0

    def new(self, score: float) -> float:
        """``score`` when nothing recent was as strange, else 0."""
        self._seen += 1
        recent = max(self.LEAST_RECENT, self.RECENT_SHARE * self._seen)
        while self._highest and self._highest[0][0] < self._seen - recent:
            self._highest.popleft()
        is_new = not self._highest or score > self._highest[0][1]
        while self._highest and self._highest[-1][1] <= score:
            self._highest.pop()
        self._highest.append((self._seen, score))
        return score if is_new else 0.0
