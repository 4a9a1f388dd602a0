"""How far every metric is off its habit, both ways, over one stretch of time (pure, vectorised).

Habit is the median of what came before; its scale on either side is the larger of the median
absolute deviation and the distance of the outer 2.5 %, so that a signal that often jumps has to
jump further, and never below a share of the signal's own size, so that a constant one is not
infinitely surprised (two-sided robust deviation with a relative floor; compare BARO, FSE 2024,
which looks upwards only). Everything is relative to the signal's own habit: units cancel out.
"""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.telemetry.history import Series

LEAST_BEFORE = 8
"""Samples that make a habit."""
MOST_BEFORE = 1_024
RELATIVE_FLOOR = 0.05
"""Share of the median below which no scale goes."""
RANGE_FLOOR = 0.02
"""Share of the largest value seen: bounds how surprising a change of a constant signal can be."""
_NORMAL_MAD = 1.4826
_NORMAL_TAIL = 1.96

Floats = NDArray[np.float64]


class Deviation(NamedTuple):
    """One signal's deviation over a stretch; both directions, each 0 or more."""

    up: float
    """How many scales above habit: of the second largest sample, for one alone may be noise."""
    down: float
    up_amount: float
    """What was above habit, in the signal's own unit: mean over the stretch."""
    down_amount: float
    habit: float
    now: float
    """Median over the stretch."""


class Stretch(NamedTuple):
    """The time that is looked at; everything before it is habit."""

    from_s: float
    to_s: float
    focus_s: float | None = None
    """When somebody was paged, if somebody was."""


class Cut(NamedTuple):
    """One signal, before and within the stretch."""

    before: Floats
    within: Floats
    focus: int = -1
    """Place within of the sample that was paged about; -1 where none was."""


def cut(series: Series, from_s: float, to_s: float, focus_s: float | None = None) -> Cut:
    """The samples before ``from_s`` (the newest ``MOST_BEFORE``) and within ``from_s..to_s``.

    ``focus_s`` is when somebody was paged: the newest sample by then is known not to be chance.
    """
    times = np.frombuffer(series.times_s, dtype=np.float64)
    values = np.frombuffer(series.values, dtype=np.float64)
    first, last = np.searchsorted(times, from_s), np.searchsorted(times, to_s, side="right")
    focus = -1
    if focus_s is not None:
        focus = int(np.searchsorted(times, focus_s, side="right")) - 1 - int(first)
        focus = focus if 0 <= focus < last - first else -1
    before = values[max(0, int(first) - MOST_BEFORE) : first]
    return Cut(before.copy(), values[first:last].copy(), focus)


def deviations(
    cuts: Iterable[Cut], relative_floor: float = RELATIVE_FLOOR
) -> list[Deviation | None]:
    """The deviation of each; None where there is no habit to compare with, or nothing within."""
    listed = list(cuts)
    found: list[Deviation | None] = [None] * len(listed)
    alike: dict[tuple[int, int, int], list[int]] = {}
    for place, each in enumerate(listed):
        if len(each.before) >= LEAST_BEFORE and len(each.within):
            alike.setdefault((len(each.before), len(each.within), each.focus), []).append(place)
    for (_, _, focus), places in alike.items():
        before = np.stack([listed[place].before for place in places])
        within = np.stack([listed[place].within for place in places])
        rows = _of_alike(before, within, focus, relative_floor)
        for place, deviation in zip(places, rows, strict=True):
            found[place] = deviation
    return found


def _of_alike(before: Floats, within: Floats, focus: int, relative_floor: float) -> list[Deviation]:
    """Deviations of signals with equally many samples, one a row."""
    ordered = np.sort(before, axis=1)
    habit = np.median(ordered, axis=1)
    spread = _NORMAL_MAD * np.median(np.abs(before - habit[:, None]), axis=1)
    low, high = (_quantile(ordered, q) for q in (0.025, 0.975))
    largest = np.maximum(np.abs(before).max(axis=1), np.abs(within).max(axis=1))
    floor = np.maximum(relative_floor * np.abs(habit), RANGE_FLOOR * largest)
    floor = np.maximum(np.maximum(floor, spread), np.finfo(np.float64).tiny * 1e10)
    scale_up = np.maximum(floor, (high - habit) / _NORMAL_TAIL)
    scale_down = np.maximum(floor, (habit - low) / _NORMAL_TAIL)
    off = within - habit[:, None]
    ups, downs = np.maximum(off, 0.0), np.maximum(-off, 0.0)
    rows = zip(
        _typical_peak(ups, focus) / scale_up,
        _typical_peak(downs, focus) / scale_down,
        ups.mean(axis=1),
        downs.mean(axis=1),
        habit,
        np.median(within, axis=1),
        strict=True,
    )
    return [Deviation(*map(float, row)) for row in rows]


def _quantile(ordered: Floats, share: float) -> Floats:
    """Linear interpolation between the neighbours, of rows that are in order."""
    place = share * (ordered.shape[1] - 1)
    below = int(place)
    above = min(below + 1, ordered.shape[1] - 1)
    weight = place - below
    quantile: Floats = ordered[:, below] * (1 - weight) + ordered[:, above] * weight
    return quantile


def _typical_peak(rows: Floats, focus: int) -> Floats:
    """The second largest of each row, or what was paged about; a single sample counts half."""
    if focus >= 0:
        paged: Floats = np.maximum(_typical_peak(rows, -1), rows[:, focus])
        return paged
    if rows.shape[1] == 1:
        half: Floats = rows[:, 0] / 2
        return half
    second: Floats = np.partition(rows, -2, axis=1)[:, -2]
    return second
