"""Many signals at once: which services leave their habit and stay out, judged beside their like (pure).

One step, one row of all signals, vectorised. A signal is compared with the median of its last hour
of steps on a scale that is linear near nothing and logarithmic beyond (inverse hyperbolic sine,
Burbidge et al. 1988), so that a call that takes fifty times as long is fifty times, whatever its
unit. Its spread is of the inner four fifths, so that an incident of an hour ago does not hide
today's, and is lent to by all signals of the same metric, so that little history of each is a lot
of all (pooling: Efron & Morris 1975). What a signal says is a likelihood ratio of two heavy-tailed
laws (Student's t with two degrees), the habit's and one ten times as wide. Time, failures, what is
used up and what is asked are different witnesses of one service: the loudest speaks, and each other
adds what it says beyond the odds that it would show. The sum of a step is bounded and summed over
the steps like Page's cumulative sum (1954), so that one wild step is nothing, however many signals
are wild in it, and what stays speaks. Time, failures and what is used up count upwards, availability
and traffic downwards (that more is asked is nobody's fault, and whom it hurts shows it otherwise),
everything else both ways.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.detection.gathering import Signal
from engine.diagnosis.families import Measure, View, Views

Floats = NDArray[np.float64]

STEPS = 60
"""Past that is habit."""
WARM_UP = 32
"""Steps before anything is said; judged, and not said, is from ``LEARNT`` on."""
LEARNT = 24
LEAST_SAMPLES = 15
"""Of a signal, before it is judged."""
DELAY = 3
"""The newest steps are judged and not yet habit."""
LINEAR_SHARE, LINEAR_RANGE = 0.1, 0.02
"""Of the median, and of what the inner four fifths reach: below these sizes the scale is linear."""
LEAST_SPREAD = 0.2
"""On that scale: a change by a fifth does not matter to anybody."""
LENT = 0.5
"""Weight of the squared spread of like signals in a signal's own."""
INNER = 0.8
_NORMAL_INNER = 1.2816
_NORMAL_MAD = 1.4826
WIDER = 10.0
"""How many times wider than habit values are spread where something is broken."""
MOST_OF_STEP = 2.5
"""Nats that one step can add: what happens within one step comes from one cause more often than not."""
MOST_AGAINST_STEP = 4.0
OTHER_WITNESS = float(np.log(2.0))
"""Nats less: what is broken shows in any further kind of measure as often as not."""
DEPENDENCE = 1.0 / 3.0
"""The signals of one service move together: ``n`` of them are as many looks as ``n`` to this power."""
MOST_NATS = 40.0
_TINY = 1e-300


@dataclass(frozen=True, slots=True)
class Standout:
    """One service that stands out now."""

    service: str
    metric: str
    """The one of its metrics that is furthest off now."""
    nats: float
    """How much more "broken" explains its last steps than habit does; 0 to 40."""
    steps: int
    """How many steps these are: Page's estimate of when it began."""


class Crowd:
    """All signals of one system; feed it the row of every step.

    ``calls`` are (caller, callee), as far as they are known: they say whose trouble the signal of
    a call is.
    """

    def __init__(self, services: Sequence[str], calls: Iterable[tuple[str, str]] = ()) -> None:
        self._services = tuple(services)
        self._places = {name: place for place, name in enumerate(self._services)}
        callees: dict[str, set[str]] = {}
        for caller, callee in calls:
            callees.setdefault(caller, set()).add(callee)
        self._views = Views(services, {name: frozenset(below) for name, below in callees.items()})
        self._signals: dict[Signal, int] = {}
        self._names: list[str] = []
        self._seen: list[View] = []
        self._families: dict[str, int] = {}
        self._is_new = False
        self._values: Floats = np.full((STEPS + DELAY, 0), np.nan)
        self._told = np.zeros(0, dtype=bool)
        """Which signals the newest row held."""
        self._nats = np.zeros(len(self._services))
        self._lasted = np.zeros(len(self._services), dtype=np.int64)
        self.steps = 0
        self._meet_all()

    def step(self, row: Mapping[Signal, float]) -> list[Standout]:
        """What stands out after this row, most first; empty while too little is known."""
        for signal in row:
            if signal not in self._signals and signal[0] in self._places:
                self._meet(signal)
        if self._is_new:
            self._meet_all()
        came = [place for place in map(self._signals.get, row) if place is not None]
        self._told[:] = False
        self._told[came] = True
        # Each signal has a past of its own, so that what comes seldom, or late, is judged by as much.
        moved = slice(None) if self._told.all() else came
        self._values[:-1, moved] = self._values[1:, moved]
        self._values[-1, came] = [value for signal, value in row.items() if signal in self._signals]
        self.steps += 1
        if self.steps <= LEARNT or not self._signals:
            return []
        together, loudest = self._of_services(self._says())
        gain = np.clip(together - self._looks, -MOST_AGAINST_STEP, MOST_OF_STEP)
        # Who told nothing this time is neither fine nor broken.
        gain = np.where(loudest < 0, 0.0, gain)
        self._nats = np.clip(self._nats + gain, 0.0, MOST_NATS)
        self._lasted = np.where(self._nats > 0.0, self._lasted + 1, 0)
        return self._standouts(loudest) if self.steps > WARM_UP else []

    def _meet(self, signal: Signal) -> None:
        self._signals[signal] = len(self._names)
        self._names.append(signal[1])
        view = self._views.of(*signal)
        self._seen.append(view)
        self._families.setdefault(view.family.name, len(self._families))
        column = np.full((STEPS + DELAY, 1), np.nan)
        self._values = np.hstack((self._values, column))
        self._told = np.append(self._told, False)
        self._is_new = True

    def _meet_all(self) -> None:
        """What follows from which signals there are."""
        self._is_new = False
        measures = [view.family.measure for view in self._seen]
        up = {Measure.LATENCY, Measure.FAILURES, Measure.RESOURCE}
        down = {Measure.AVAILABILITY, Measure.TRAFFIC}
        self._harm = np.array([(m in up) - (m in down) for m in measures], dtype=np.int64)
        self._family_of = np.array(
            [self._families[view.family.name] for view in self._seen], dtype=np.int64
        )
        inward = {view.subject for view in self._seen if not view.family.outward}
        # What is measured where calls leave tells of others, whoever has signals of its own.
        self._subject_of = np.array(
            [
                -1
                if view.family.outward and view.subject in inward
                else self._places.get(view.subject, -1)
                for view in self._seen
            ],
            dtype=np.int64,
        )
        kinds: dict[tuple[int, Measure], int] = {}
        pairs = zip(self._subject_of.tolist(), measures, strict=True)
        self._kind_of = np.array(
            [kinds.setdefault(pair, len(kinds)) for pair in pairs], dtype=np.int64
        )
        self._service_of_kind = np.array([subject for subject, _ in kinds], dtype=np.int64)
        counted = np.bincount(self._subject_of[self._subject_of >= 0], minlength=len(self._places))
        self._looks = DEPENDENCE * np.log(np.maximum(counted, 1))

    def _says(self) -> Floats:
        """For each signal the logarithm of the likelihood ratio of its newest sample; NaN without."""
        past = self._values[:-DELAY]
        counted = np.isfinite(past).sum(0)
        ordered = np.sort(past, axis=0)
        middle = _quantile(ordered, counted, 0.5)
        linear = 2.0 * (LINEAR_SHARE * np.abs(middle) + LINEAR_RANGE * _reach(ordered, counted))
        linear += _TINY
        with np.errstate(over="ignore", invalid="ignore"):
            usual = np.arcsinh(middle / linear)
            off = np.sort(np.abs(np.arcsinh(past / linear) - usual), axis=0)
            now = np.where(self._told, np.arcsinh(self._values[-1] / linear) - usual, np.nan)
        spread = np.maximum(
            _NORMAL_MAD * _quantile(off, counted, 0.5),
            _quantile(off, counted, INNER) / _NORMAL_INNER,
        )
        lent = self._of_families(spread)
        z = now / np.sqrt(spread**2 + LENT * lent**2 + LEAST_SPREAD**2)
        harm = np.where(self._harm == 0, np.abs(z), np.maximum(self._harm * z, 0.0))
        harm = np.where(counted >= LEAST_SAMPLES - DELAY, harm, 0.0)
        square: Floats = harm * harm / 2.0
        return np.asarray(1.5 * (np.log1p(square) - np.log1p(square / WIDER**2)) - np.log(WIDER))

    def _of_families(self, spread: Floats) -> Floats:
        """For each signal the median spread of all signals of its metric."""
        lent = np.zeros(len(self._families))
        for family in range(len(self._families)):
            members = spread[self._family_of == family]
            members = members[np.isfinite(members)]
            lent[family] = float(np.median(members)) if len(members) else 0.0
        return np.asarray(lent[self._family_of])

    def _of_services(self, says: Floats) -> tuple[Floats, NDArray[np.int64]]:
        """For each service what its signals say together, and which is the loudest (-1: it has none).

        Signals of one kind of measure are one witness, of which the loudest speaks.
        """
        order = np.argsort(says, kind="stable")
        order = order[(self._subject_of[order] >= 0) & np.isfinite(says[order])]
        # The last one written is the largest.
        of_kind = np.full(len(self._service_of_kind), -np.inf)
        of_kind[self._kind_of[order]] = says[order]
        best = np.full(len(self._services), -MOST_AGAINST_STEP)
        best[self._subject_of[order]] = says[order]
        loudest = np.full(len(self._services), -1, dtype=np.int64)
        loudest[self._subject_of[order]] = order
        told = of_kind > OTHER_WITNESS
        together = best - np.maximum(best - OTHER_WITNESS, 0.0)
        np.add.at(together, self._service_of_kind[told], of_kind[told] - OTHER_WITNESS)
        return together, loudest

    def _standouts(self, loudest: NDArray[np.int64]) -> list[Standout]:
        found = [
            Standout(
                self._services[place],
                self._names[int(loudest[place])],
                float(nats),
                int(self._lasted[place]),
            )
            for place, nats in enumerate(self._nats)
            if nats > 0.0 and loudest[place] >= 0
        ]
        return sorted(found, key=lambda standout: (-standout.nats, standout.service))


def _reach(ordered: Floats, counted: NDArray[np.int64]) -> Floats:
    """How far from nothing usual values are; of what is nothing most of the time, how far any is."""
    low, high = _quantile(ordered, counted, 1.0 - INNER), _quantile(ordered, counted, INNER)
    usual = np.maximum(np.abs(low), np.abs(high))
    any_at_all = np.maximum(np.abs(ordered[0]), np.abs(_quantile(ordered, counted, 1.0)))
    return np.nan_to_num(np.where(usual > 0.0, usual, any_at_all))


def _quantile(ordered: Floats, counted: NDArray[np.int64], share: float) -> Floats:
    """Of each column over what is there, by linear interpolation: sorting puts the gaps last."""
    columns = np.arange(ordered.shape[1])
    place = share * np.maximum(counted - 1, 0)
    below = np.floor(place).astype(np.int64)
    above = np.minimum(below + 1, np.maximum(counted - 1, 0))
    part = place - below
    found = ordered[below, columns] * (1.0 - part) + ordered[above, columns] * part
    return np.where(counted > 0, found, np.nan)
