"""When trouble began: walked back from where it was noticed, signal by signal (pure)."""

from collections.abc import Iterable

import numpy as np

from engine.diagnosis.deviation import Stretch
from engine.diagnosis.ranking import Suspect
from engine.telemetry.bins import BIN_S, Binned
from engine.telemetry.context import Page
from engine.telemetry.history import History, Series
from engine.telemetry.rates import rated

REACH_S = 3_600.0
"""How far back trouble is followed."""
OFF = 4.0
"""Scales off habit that count as trouble."""
MOST_GAP_STEPS = 2
MOST_GAP_S = 120.0
LEAST_BEFORE = 8
MOST_SUSPECTS = 3


def onset_s(
    history: History, suspects: tuple[Suspect, ...], page: Page | None, stretch: Stretch
) -> float:
    """The earliest moment from which on the suspects, or what was paged, were off without a break."""
    found = [stretch.from_s if page is None else page.at_s]
    found += _of_series(history, suspects, page, stretch)
    for suspect in suspects[:MOST_SUSPECTS]:
        for key, counted in history.logs.items():
            if key.service == suspect.service and key.loudness:
                found += _of_lines(counted, stretch)
    return min(found)


def _of_series(
    history: History, suspects: tuple[Suspect, ...], page: Page | None, stretch: Stretch
) -> Iterable[float]:
    told = {
        (suspect.service, reason.signal)
        for suspect in suspects[:MOST_SUSPECTS]
        for reason in suspect.reasons
    }
    if page is not None:
        told.add((page.service, page.metric))
    for key in told:
        series = history.series.get(key)
        began = None if series is None else _began(rated(key[1], series), stretch)
        if began is not None:
            yield began


def _began(series: Series, stretch: Stretch) -> float | None:
    """Walks back from the stretch while the signal is off its habit of an hour before."""
    times = np.frombuffer(series.times_s, dtype=np.float64)
    values = np.frombuffer(series.values, dtype=np.float64)
    last = int(np.searchsorted(times, stretch.to_s, side="right"))
    first = int(np.searchsorted(times, stretch.from_s - REACH_S))
    middle = (first + int(np.searchsorted(times, stretch.from_s))) // 2
    habit = values[:middle] if middle >= LEAST_BEFORE else values[:0]
    if not len(habit):
        return None
    usual = float(np.median(habit))
    spread = 1.4826 * float(np.median(np.abs(habit - usual)))
    tail = float(np.quantile(np.abs(habit - usual), 0.95)) / 1.96
    scale = max(spread, tail, 0.05 * abs(usual), 0.02 * float(np.abs(values[:last]).max()), 1e-12)
    off = np.flatnonzero(np.abs(values[middle:last] - usual) > OFF * scale) + middle
    within = off[times[off] >= stretch.from_s]
    if not len(within):
        return None
    place = int(within[0])
    for earlier in off[off < place][::-1]:
        if place - int(earlier) > MOST_GAP_STEPS:
            break
        place = int(earlier)
    return float(times[place])


def _of_lines(counted: Binned, stretch: Stretch) -> list[float]:
    """The beginning of the run of bins that reaches into the stretch, of a kind that is no habit."""
    places = [each.place * BIN_S for each in counted.bins if each.place * BIN_S <= stretch.to_s]
    within = [at_s for at_s in places if at_s >= stretch.from_s - BIN_S]
    if len(within) < 2:
        return []
    began = within[0]
    for at_s in reversed([at_s for at_s in places if at_s < began]):
        if began - at_s > MOST_GAP_S:
            break
        began = at_s
    # A kind of line that was always there is no beginning of anything.
    always = [at_s for at_s in places if at_s < began]
    return [] if len(always) > len(places) // 4 else [began]
