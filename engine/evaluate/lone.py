"""False alarms of a lone series at the same recall, so that no method's threshold flatters it (pure)."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.evaluate.truth import MERGE_S, Case, Said

RECALLS = (0.5, 0.7, 0.8, 0.9)
PROBATION, MOST_PROBATION = 0.15, 750
"""Rows of a series that are not judged: NAB's rule (Lavin & Ahmad, ICMLA 2015)."""


class Series(NamedTuple):
    """One series with its scores."""

    step_s: float
    scores: NDArray[np.float64]
    windows: tuple[tuple[int, int], ...]

    @property
    def first(self) -> int:
        """The first row that is judged."""
        return min(int(PROBATION * len(self.scores)), MOST_PROBATION)


def series_of(case: Case, said: Said | None) -> Series | None:
    """A lone series and its scores; None where there is none, or no scores."""
    if case.truth.rows is None or said is None or not said.scores:
        return None
    return Series(case.recording.step_s, np.asarray(said.scores), case.truth.rows)


def threshold_for(all_series: Sequence[Series], recall: float) -> float:
    """The highest threshold at which so large a share of all windows holds an alarm."""
    peaks = sorted(
        (
            float(series.scores[max(low, series.first) : high + 1].max(initial=-np.inf))
            for series in all_series
            for low, high in series.windows
        ),
        reverse=True,
    )
    wanted = max(1, int(np.ceil(recall * len(peaks))))
    return peaks[wanted - 1]


def false_alarms(series: Series, threshold: float) -> tuple[int, float]:
    """Alarms outside of the windows, those of five minutes together as one, and days judged."""
    loud = series.scores >= threshold
    loud[: series.first] = False
    outside = np.ones(len(loud), dtype=bool)
    outside[: series.first] = False
    for low, high in series.windows:
        outside[low : high + 1] = False
    places = np.flatnonzero(loud & outside)
    apart = max(1.0, MERGE_S / series.step_s)
    count = int(len(places) > 0) + int(np.count_nonzero(np.diff(places) > apart))
    return count, float(np.count_nonzero(outside)) * series.step_s / 86_400
