"""Counters that nobody declared, as rates: what is told by its name and never falls (pure).

A door knows which of its metrics are counters; a recording does not say. A metric whose name says
by custom that it is a total (Prometheus: ``_total``, ``_count``, ``_sum``, ``_bucket``) and that does
not fall is one: each sample becomes the increase a second since the one before. When it falls, its
process began again and the value is the increase (Prometheus' rule). ``Rates`` judges samples as they
come; ``rated`` a whole series, which by then is known to be a counter or not.
"""

import re
from array import array

import numpy as np
from msgspec.structs import replace

from engine.telemetry.history import Series
from engine.telemetry.records import Point

LEAST_SAMPLES = 5
"""That do not fall, before a total is taken for a counter; they are held back."""
_TOTAL = re.compile(r"(?:^|[_.])(?:total|count|sum|bucket)(?:$|[.{])", re.IGNORECASE)
MOST_SIGNALS = 50_000
MOST_RESETS_SHARE = 0.05
"""Of its samples; and each falls to less than half: what falls otherwise is no counter."""


class _Total:
    """One metric of one service, by its name a total."""

    __slots__ = ("at_s", "is_gauge", "seen", "value")

    def __init__(self, point: Point) -> None:
        self.at_s, self.value = point.t, point.value
        self.seen = 1
        self.is_gauge = False


class Rates:
    """Turns samples of undeclared counters into rates; all others pass as they are."""

    def __init__(self) -> None:
        self._is_total: dict[str, bool] = {}
        self._totals: dict[tuple[str, str], _Total] = {}

    def of(self, point: Point) -> Point | None:
        """The sample as it is to be judged; None while it is not known what it is."""
        named = self._is_total.get(point.metric)
        if named is None:
            named = self._is_total[point.metric] = _TOTAL.search(point.metric) is not None
        return self._of_total(point) if named else point

    def _of_total(self, point: Point) -> Point | None:
        key = (point.service, point.metric)
        total = self._totals.get(key)
        if total is None:
            if len(self._totals) >= MOST_SIGNALS:
                return point
            self._totals[key] = _Total(point)
            return None
        if total.is_gauge:
            return point
        fell, rise = point.value < total.value, point.value - total.value
        passed_s = point.t - total.at_s
        total.at_s, total.value = point.t, point.value
        total.seen += 1
        if total.seen <= LEAST_SAMPLES:
            total.is_gauge = fell
            return point if fell else None
        if passed_s <= 0.0:
            return None
        return replace(point, value=(point.value if fell else rise) / passed_s)


def rated(metric: str, series: Series) -> Series:
    """``series`` by its increase a second, where it is a counter that nobody declared; else itself."""
    if _TOTAL.search(metric) is None or len(series.values) <= LEAST_SAMPLES:
        return series
    values = np.array(series.values)
    rises, passed_s = np.diff(values), np.diff(np.array(series.times_s))
    fell = rises < 0.0
    resets = int(np.count_nonzero(fell))
    is_reset = values[1:][fell] < values[:-1][fell] / 2.0
    if resets > MOST_RESETS_SHARE * len(values) or not is_reset.all() or values.min() < 0.0:
        return series
    kept = passed_s > 0.0
    increases = np.where(fell, values[1:], rises)
    found = Series()
    found.times_s = array("d", np.array(series.times_s)[1:][kept].tobytes())
    found.values = array("d", (increases[kept] / passed_s[kept]).tobytes())
    return found
