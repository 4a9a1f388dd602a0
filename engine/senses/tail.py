"""How surprising a value is, by the tail of its own past (pure).

Peaks over threshold: above a high quantile, excesses follow a generalised Pareto law whatever the
bulk looks like (Pickands 1975; streaming as in SPOT, Siffer et al., KDD 2017). The quantile is
followed by stochastic approximation (Robbins & Monro 1951), the law is fitted by its two moments
(Hosking & Wallis 1987), both with a bounded memory: constant cost, no constant of the signal's unit.
"""

from math import log10
from statistics import fmean, median

QUANTILE = 0.98
"""Where the tail begins: one value in fifty teaches it."""
MEMORY = 3_000.0
"""Values after which an excess counts half: the tail of the last days at a few minutes a value."""
WARM_UP = 50
MOST_SURPRISE = 15.0
"""Digits of improbability beyond which nothing more can be said."""
_PRIOR_EXCESSES = 2.0
_LEAST_SPREAD = 1e-12
_HEAVIEST_SHAPE = 0.45
_LN_10 = 2.302585


class Tail:
    """The upper tail of a stream of numbers; a surprise is minus the log10 of a probability."""

    def __init__(self) -> None:
        self._early: list[float] = []
        self._keep = 0.5 ** (1.0 / MEMORY)
        self._begin = 0.0
        self._median = 0.0
        self._spread = 0.0
        self._seen = 0
        # Decayed count, sum and sum of squares of the excesses.
        self._count = self._sum = self._squares = 0.0

    @classmethod
    def of_distances(cls) -> "Tail":
        """A tail of numbers from 0 on, for a stream in which nothing was ever far away before.

        Its threshold rises from 0, so that its law first describes all distances and turns to the
        far ones as they are learnt. Started like any other stream instead, from the quantile of its
        first values, it is told by the first, inexperienced distances what is usual, and for days
        nothing is new (``docs/detection.md`` has the figures).
        """
        tail = cls()
        tail._seen = WARM_UP
        return tail

    def surprise(self, value: float) -> float:
        """How surprising ``value`` is, before it is learnt: 0 below the tail, else 1.7 to 15."""
        if self._seen < WARM_UP:
            self._warm_up(value)
            return 0.0
        spread = max(self._spread, 1e-6 * abs(self._begin), _LEAST_SPREAD)
        excess = value - self._begin
        digits = self._digits(excess, spread) if excess > 0.0 else 0.0
        self._learn(value, excess, spread)
        return digits

    def _digits(self, excess: float, spread: float) -> float:
        count = self._count + _PRIOR_EXCESSES
        mean = (self._sum + _PRIOR_EXCESSES * spread) / count
        variance = (self._squares + 2.0 * _PRIOR_EXCESSES * spread * spread) / count - mean * mean
        variance = max(variance, 1e-3 * mean * mean)
        shape = min(max(0.5 * (1.0 - mean * mean / variance), 0.0), _HEAVIEST_SHAPE)
        scaled = excess / (mean * (1.0 - shape))
        beyond = scaled / _LN_10 if shape < 1e-3 else log10(1.0 + shape * scaled) / shape
        return min(MOST_SURPRISE, beyond - log10(1.0 - QUANTILE))

    def _learn(self, value: float, excess: float, spread: float) -> None:
        self._take(excess)
        self._seen += 1
        rate = max(1.0 / self._seen, 1.0 - self._keep)
        off = value - self._median
        # One wild value must not widen the spread for long, nor move the median.
        self._spread += rate * (min(abs(off), 20.0 * spread) - self._spread)
        self._median += spread * rate * ((off > 0.0) - (off < 0.0))
        step = 4.0 * spread * max(0.002, 2.0 / self._seen)
        self._begin += step * (QUANTILE if excess > 0.0 else QUANTILE - 1.0)

    def _warm_up(self, value: float) -> None:
        self._early.append(value)
        self._seen += 1
        if self._seen < WARM_UP:
            return
        self._begin = sorted(self._early)[round(QUANTILE * (WARM_UP - 1))]
        self._median = median(self._early)
        self._spread = fmean(abs(early - self._median) for early in self._early)
        for early in self._early:
            self._take(early - self._begin)
        self._early = []

    def _take(self, excess: float) -> None:
        self._count *= self._keep
        self._sum *= self._keep
        self._squares *= self._keep
        if excess > 0.0:
            self._count += 1.0
            self._sum += excess
            self._squares += excess * excess
