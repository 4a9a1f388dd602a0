"""Alarms on how fast an error budget burns: several windows at once (pure, O(1) a sample).

"Multiwindow, Multi-Burn-Rate Alerts" of The Site Reliability Workbook (Beyer et al., 2018), chapter
5, table 5-8: a long window says that it matters, a short one that it still goes on. A window that is
older than the service is charged for the whole of its length at the rate seen so far, so that ten bad
seconds of a young service are not taken for an hour of them.
"""

from array import array
from typing import NamedTuple

MINUTE_S = 60
LONGEST_MIN = 3 * 24 * 60
"""Three days, the longest window, in minutes."""


class Rule(NamedTuple):
    """When to say so."""

    page: bool
    """Wakes somebody; else it is a ticket for the morning."""
    factor: float
    """How many times faster than sustainable the budget burns."""
    long_min: int
    short_min: int


RULES = (
    Rule(page=True, factor=14.4, long_min=60, short_min=5),
    Rule(page=True, factor=6.0, long_min=6 * 60, short_min=30),
    Rule(page=False, factor=3.0, long_min=24 * 60, short_min=2 * 60),
    Rule(page=False, factor=1.0, long_min=LONGEST_MIN, short_min=6 * 60),
)


class Burning(NamedTuple):
    """A rule that holds now."""

    rule: Rule
    burn: float
    """The burn rate over the long window."""


class BurnRate:
    """The error budget of one objective.

    ``availability_permille`` of all requests have to be good.
    """

    def __init__(self, availability_permille: int) -> None:
        self._budget = (1_000 - availability_permille) / 1_000
        self._good = array("q", [0] * (LONGEST_MIN + 1))
        self._bad = array("q", [0] * (LONGEST_MIN + 1))
        """Totals at the end of each minute since the first, in a ring."""
        self._first_min: int | None = None
        self._now_min = 0
        self.late_dropped = 0
        """Samples older than the newest minute."""

    def add(self, at_s: float, good: int, bad: int) -> None:
        """Count requests of the second ``at_s`` (Unix); seconds come in order."""
        minute = int(at_s // MINUTE_S)
        if self._first_min is None:
            self._first_min = self._now_min = minute
        if minute < self._now_min:
            self.late_dropped += 1
            return
        size = len(self._good)
        totals = self._good[self._now_min % size], self._bad[self._now_min % size]
        for passed in range(max(self._now_min + 1, minute - size + 1), minute + 1):
            self._good[passed % size], self._bad[passed % size] = totals
        self._now_min = minute
        self._good[minute % size] += good
        self._bad[minute % size] += bad

    def burn(self, minutes: int) -> float:
        """How many times faster than sustainable the budget burnt in the last ``minutes``.

        1.0 uses the budget up exactly over the objective's period; 0.0 where nothing was asked.
        """
        if self._first_min is None or self._budget <= 0:
            return 0.0
        seen = min(minutes, self._now_min - self._first_min + 1)
        good, bad = self._since(self._good, seen), self._since(self._bad, seen)
        if good + bad == 0:
            return 0.0
        return bad / (good + bad) / self._budget * (seen / minutes)

    def _since(self, totals: "array[int]", minutes: int) -> int:
        assert self._first_min is not None
        size, before = len(totals), self._now_min - minutes
        # Before the first minute nothing had been counted.
        earlier = totals[before % size] if before >= self._first_min else 0
        return totals[self._now_min % size] - earlier

    def burning(self) -> tuple[Burning, ...]:
        """The rules that hold now, most urgent first."""
        return tuple(
            Burning(rule, self.burn(rule.long_min))
            for rule in RULES
            if self.burn(rule.long_min) >= rule.factor and self.burn(rule.short_min) >= rule.factor
        )
