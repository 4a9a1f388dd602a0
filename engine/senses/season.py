"""What a signal did at this time of its earlier seasons (pure).

The season is the first clear peak of the autocorrelation after it has been negative, looked for now
and then over a bounded past (Wiener-Khinchin: by a Fourier transform), so the cost a sample stays
constant on average. The expectation is not one value but everything that was seen around the same
phase of the last seasons: an edge that comes a little early or late is inside it.
"""

import numpy as np
from numpy.typing import NDArray

PAST = 2_048
"""Samples in which a season is looked for."""
SEASONS = 3
LEAST_CORRELATION = 0.3
AS_GOOD = 0.9
"""Share of the highest correlation that is as good as it."""
PHASE_SLACK = 24
"""A season divided by this may be the shift of its edges: an hour of a day."""
_FIRST_LOOK = 100
_LOOK_EVERY = 200
_LEAST_SEASON = 3


def season_of(past: NDArray[np.float64]) -> int:
    """Length in samples of the season of ``past``; 0 when it shows none three times over."""
    length = len(past)
    low, high = np.quantile(past, (0.02, 0.98))
    centred = np.clip(past, low, high)
    centred -= centred.mean()
    spectrum = np.fft.rfft(centred, 1 << (2 * length - 1).bit_length())
    power = spectrum * np.conj(spectrum)
    products = np.fft.irfft(power)[: length // SEASONS]
    if len(products) < _LEAST_SEASON or products[0] <= 1e-12 * max(1.0, float(high * high)):
        return 0
    # Fewer pairs are summed at longer lags.
    correlation = products / products[0] * length / (length - np.arange(len(products)))
    negative = np.flatnonzero(correlation < 0.0)
    if not len(negative):
        return 0
    after = correlation[negative[0] :]
    highest = float(after.max())
    # The multiples of a season correlate as well as it does: the first that is as good is the one.
    season = int(negative[0]) + int(np.argmax(_peaks(after, AS_GOOD * highest)))
    is_peak = 0 < season - negative[0] < len(after) - 1
    return season if is_peak and highest >= LEAST_CORRELATION else 0


def _peaks(values: NDArray[np.float64], least: float) -> NDArray[np.bool_]:
    """Where ``values`` has a local maximum of at least ``least``."""
    peaks = np.zeros(len(values), dtype=np.bool_)
    inner = values[1:-1]
    peaks[1:-1] = (inner >= values[:-2]) & (inner > values[2:]) & (inner >= least)
    return peaks


class Season:
    """The past of one signal, by which a new value is inside or outside of its season's habit."""

    def __init__(self) -> None:
        self._array: NDArray[np.float64] = np.zeros(2 * PAST)
        self._end = 0
        self._seen = 0
        self._look_at = _FIRST_LOOK
        self.length = 0
        """In samples; 0 while none is known."""

    def outside(self, value: float) -> float:
        """How far ``value`` is outside of what its phase has seen; 0 inside, or without a season."""
        if self._seen == self._look_at:
            self.length = season_of(self._kept())
            early = self._seen < 1_000
            self._look_at = (
                max(self._seen + 50, self._seen * 11 // 10) if early else self._seen + _LOOK_EVERY
            )
        distance = self._distance(value)
        self._keep(value)
        return distance

    def _kept(self) -> NDArray[np.float64]:
        return self._array[max(0, self._end - PAST) : self._end]

    def _keep(self, value: float) -> None:
        if self._end == len(self._array):
            self._array[:PAST] = self._array[PAST:]
            self._end = PAST
        self._array[self._end] = value
        self._end += 1
        self._seen += 1

    def _distance(self, value: float) -> float:
        slack = max(1, self.length // PHASE_SLACK)
        if not self.length or SEASONS * self.length + slack > min(self._seen, PAST):
            return 0.0
        lowest, highest = float("inf"), float("-inf")
        for back in range(1, SEASONS + 1):
            middle = self._end - back * self.length
            around = self._array[middle - slack : middle + slack + 1]
            lowest = min(lowest, float(around.min()))
            highest = max(highest, float(around.max()))
        return max(value - highest, lowest - value, 0.0)
