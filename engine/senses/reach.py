"""The range in which a signal usually lies, followed from sample to sample (pure)."""

from math import asinh

LOW, HIGH = 0.05, 0.95
WARM_UP = 50
_COMPRESSION = 2.0


class Reach:
    """The 5 % and 95 % quantiles of a stream, by stochastic approximation (Robbins & Monro 1951)."""

    def __init__(self) -> None:
        self._early: list[float] = []
        self._seen = 0
        self._low = self._high = 0.0

    @property
    def is_known(self) -> bool:
        """Whether enough was seen."""
        return self._seen >= WARM_UP

    @property
    def width(self) -> float:
        """From the low to the high quantile; never quite 0."""
        return max(self._high - self._low, 1e-9 * abs(self._high), 1e-12)

    def learn(self, value: float) -> None:
        """Take one value in."""
        self._seen += 1
        if self._seen <= WARM_UP:
            self._early.append(value)
            if self._seen == WARM_UP:
                self._early.sort()
                self._low = self._early[round(LOW * (WARM_UP - 1))]
                self._high = self._early[round(HIGH * (WARM_UP - 1))]
                self._early = []
            return
        step = self.width * max(0.002, 2.0 / self._seen) * 1.5
        self._low += step * LOW if value > self._low else step * (LOW - 1.0)
        self._high += step * HIGH if value > self._high else step * (HIGH - 1.0)

    def place(self, value: float) -> float:
        """``value`` in widths above the low quantile; far away ones logarithmically closer."""
        return asinh((value - self._low) / self.width / _COMPRESSION) * _COMPRESSION
