"""Whether nearly everything of one kind goes wrong for some time, not just some of it (pure).

A fault makes all that touches it slow, or fail; a stall of a second, a burst or an unlucky minute
makes some. So what is watched is a row of trials (this call was slow, it was not), cut into short
bins, and asked is how much likelier each bin is under "nine of ten go wrong" than under habit. The
logarithms are summed and never fall below nothing: Page's cumulative sum (Page 1954), whose mean
time to a false alarm is at least the exponential of its threshold (Lorden 1971), in bins. What is
wrong within one bin comes from one cause more often than not, so one bin says only so much.
"""

from math import log

from engine.telemetry.bins import BIN_S

BROKEN = 0.9
"""Share of trials that go wrong where something is broken."""
LEAST_HABIT, MOST_HABIT = 0.03, 0.5
"""What goes wrong more often than not is no witness that something broke."""
LEAST_TRIALS, LEAST_BINS = 15, 8
"""Before so many nothing is known of a habit."""
MOST_OF_BIN = 2.5
"""Nats that one bin can add: no fewer than five bins in a row make an alarm."""
MOST_AGAINST_BIN = 1.5 * MOST_OF_BIN
_PRIOR_WRONG, _PRIOR_TRIALS = 0.5, 15.0
FALSE_A_SERVICE_DAY = 0.05
THRESHOLD = log(86_400.0 / BIN_S / FALSE_A_SERVICE_DAY)
"""Nats, 11.7: so many bins have a day, and so many of them may be false alarms of one service."""
UNSURE = 8.0
"""From so many nats on nothing is learnt as habit any more."""
MOST_UNSURE_BINS = 120
"""After so many bins (half an hour at the least) of being unsure it is the new habit."""
MEMORY = 4_000.0
"""Trials after which the oldest count half."""


class Persistence:
    """One row of trials; close its bins in order."""

    __slots__ = ("_bins", "_seen", "_unsure", "_wrong", "nats", "trials", "wrong")

    def __init__(self) -> None:
        self.trials = 0
        """Of the bin that is open."""
        self.wrong = 0
        self._bins = 0
        self._seen = self._wrong = 0.0
        self.nats = 0.0
        """How much more "broken" explains what came since it began to."""
        self._unsure = 0

    def add(self, *, wrong: bool) -> None:
        """Count one trial in the open bin."""
        self.trials += 1
        self.wrong += wrong

    @property
    def habit(self) -> float:
        """Share of trials that usually go wrong."""
        return max(LEAST_HABIT, (self._wrong + _PRIOR_WRONG) / (self._seen + _PRIOR_TRIALS))

    def close(self) -> float:
        """Judge the open bin and begin the next; the nats so far."""
        if self._seen >= LEAST_TRIALS and self._bins >= LEAST_BINS:
            self.nats = max(0.0, self.nats + self._gain())
        self._unsure = self._unsure + 1 if self.nats >= UNSURE else 0
        if self._unsure > MOST_UNSURE_BINS:
            self.nats = self._seen = self._wrong = 0.0
            self._bins = self._unsure = 0
        if not self._unsure:
            self._learn()
        self.trials = self.wrong = 0
        return self.nats

    def _gain(self) -> float:
        """How much more likely the open bin is where something is broken, in nats."""
        habit, fine = self.habit, self.trials - self.wrong
        if habit > MOST_HABIT:
            return -MOST_AGAINST_BIN
        gain = self.wrong * log(BROKEN / habit) + fine * log((1.0 - BROKEN) / (1.0 - habit))
        return min(MOST_OF_BIN, max(-MOST_AGAINST_BIN, gain))

    def _learn(self) -> None:
        self._bins += 1
        self._seen += self.trials
        self._wrong += self.wrong
        if self._seen > MEMORY:
            self._seen, self._wrong = self._seen / 2.0, self._wrong / 2.0
