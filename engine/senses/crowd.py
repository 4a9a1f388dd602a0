"""Many signals at once: which services leave their habit, judged by what their like do (pure).

One step, one row of all signals, vectorised. A signal's deviation is its distance from the median
of its last hour of steps in units of its own spread, of which only what has lasted (the median of three
steps) counts. How much that means is learnt from the crowd: the deviations of all signals of the
same metric, over all services and steps, form one tail, so that a metric which jumps now and then
somewhere must jump further than one that never does, and little history of each is a lot of
history of all. (Pooling of strength between like signals: Efron & Morris 1975; the tail by Hill's
estimator, 1975.) A service is judged by the two metrics that speak loudest: one alone is noise.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Signal = tuple[str, str]
"""Service and metric."""

STEPS = 60
"""Past that is habit."""
WARM_UP = 32
"""Steps before anything is said."""
DELAY = 3
"""The newest steps are judged and not yet habit."""
LASTING = 3
LEAST_SPREAD = 0.15
"""Of the median, as part of the spread: a change that does not matter to anybody is none."""
LEAST_DEVIATION = 3.0
TAIL = 0.05
LEAST_POOL = 12
_HILL_PRIOR = 0.15
MOST_DIGITS = 8.0
METRICS = 2
"""How many different metrics make a judgement."""


@dataclass(frozen=True, slots=True)
class Standout:
    """One service that stands out now."""

    service: str
    metric: str
    """Its loudest metric."""
    digits: float
    """Improbability of its loudest two metrics, added: 0 to 16."""


class Crowd:
    """All signals of one system; feed it the row of every step."""

    def __init__(self, services: Sequence[str]) -> None:
        self._services = tuple(services)
        self._known = frozenset(services)
        self._signals: dict[Signal, int] = {}
        self._metrics: dict[str, int] = {}
        self._metric_of: list[int] = []
        self._concerned: list[tuple[int, ...]] = []
        self._values = np.full((STEPS + DELAY, 0), np.nan)
        self._off = np.full((STEPS + DELAY, 0), np.nan)
        self._lasting = np.full((STEPS + DELAY, 0), np.nan)
        self.steps = 0

    def step(self, row: Mapping[Signal, float]) -> list[Standout]:
        """What stands out after this row, loudest first; empty while too little is known."""
        for signal in row:
            if signal not in self._signals and signal[0] in self._known:
                self._meet(signal)
        for ring in (self._values, self._off, self._lasting):
            ring[:-1] = ring[1:]
            ring[-1] = np.nan
        for signal, value in row.items():
            place = self._signals.get(signal)
            if place is not None:
                self._values[-1, place] = value
        self.steps += 1
        if self.steps <= DELAY + LASTING:
            return []
        self._off[-1] = self._deviation()
        self._lasting[-1] = _lasting(self._off[-LASTING:])
        return self._standouts() if self.steps > WARM_UP else []

    def _meet(self, signal: Signal) -> None:
        service, metric = signal
        # A metric whose last part names another service is about the call between them.
        general, _, peer = metric.rpartition(".")
        concerned = [service]
        if peer in self._known:
            metric = general
            concerned.append(peer)
        self._signals[signal] = len(self._metric_of)
        self._metric_of.append(self._metrics.setdefault(metric, len(self._metrics)))
        self._concerned.append(tuple(self._services.index(name) for name in concerned))
        column = np.full((STEPS + DELAY, 1), np.nan)
        self._values = np.hstack((self._values, column))
        self._off = np.hstack((self._off, column))
        self._lasting = np.hstack((self._lasting, column))

    def _deviation(self) -> NDArray[np.float64]:
        past = self._values[:-DELAY]
        past = past[-min(len(past), self.steps - DELAY) :]
        middle = _median(past)
        off = np.abs(past - middle)
        counted = np.maximum(1, np.isfinite(off).sum(0))
        mean = np.nansum(off, axis=0) / counted
        spread = np.maximum(1.4826 * _median(off), mean) + LEAST_SPREAD * np.abs(middle) + 1e-12
        return np.asarray((self._values[-1] - middle) / spread)

    def _standouts(self) -> list[Standout]:
        digits = self._digits()
        loudest = np.zeros((len(self._services), len(self._metrics)))
        for place, concerned in enumerate(self._concerned):
            for service in concerned:
                metric = self._metric_of[place]
                loudest[service, metric] = max(loudest[service, metric], digits[place])
        names = list(self._metrics)
        order = np.sort(loudest, axis=1)[:, -METRICS:]
        found = [
            Standout(name, names[int(loudest[place].argmax())], float(order[place].sum()))
            for place, name in enumerate(self._services)
            if order[place, -1] > 0.0
        ]
        return sorted(found, key=lambda standout: -standout.digits)

    def _digits(self) -> NDArray[np.float64]:
        """How improbable each signal's lasting deviation is, by the tail of all of its metric."""
        now = np.abs(self._lasting[-1])
        metric_of = np.asarray(self._metric_of)
        past = np.abs(self._lasting[-min(STEPS, self.steps) : -2])
        digits = np.zeros(len(now))
        for metric in range(len(self._metrics)):
            members = np.flatnonzero((metric_of == metric) & (now > LEAST_DEVIATION))
            if not len(members):
                continue
            pool = past[:, metric_of == metric].ravel()
            pool = np.sort(pool[np.isfinite(pool)])
            if len(pool) >= LEAST_POOL:
                digits[members] = _tail_digits(now[members], pool)
        return digits


def _lasting(newest: NDArray[np.float64]) -> NDArray[np.float64]:
    return _median(newest)


def _median(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Median of each column over what is there: sorting puts the gaps last."""
    ordered = np.sort(rows, axis=0)
    counted = np.isfinite(ordered).sum(0)
    columns = np.arange(rows.shape[1])
    low = ordered[np.maximum(0, (counted - 1) // 2), columns]
    high = ordered[np.minimum(len(rows) - 1, counted // 2), columns]
    return np.where(counted > 0, (low + high) / 2.0, np.nan)


def _tail_digits(now: NDArray[np.float64], pool: NDArray[np.float64]) -> NDArray[np.float64]:
    """Minus log10 of the probability of ``now``, by a Pareto law above the pool's 95 % quantile."""
    beyond = max(3, int(TAIL * len(pool)))
    begin = max(float(pool[-beyond - 1]), LEAST_DEVIATION)
    heaviness = float(np.log(np.maximum(pool[-beyond:], begin) / begin).mean()) + _HILL_PRIOR
    digits = np.log10(len(pool) / beyond) + np.log10(np.maximum(now, begin) / begin) / heaviness
    return np.where(now > begin, np.minimum(digits, MOST_DIGITS), 0.0)
