"""Results compared pair by pair, with bootstrap intervals, per kind, per set and pooled (pure).

A measure is a ratio of sums over recordings. Both methods are drawn with the same recordings
(paired bootstrap, Efron & Tibshirani 1993), set by set, so that easy and hard recordings cancel.
The best baseline of a set is chosen *after* seeing its figures, which favours the baseline.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.evaluate.truth import Case, Measure, Named, Part, Said

DRAWS = 4_000
SEED = 7
Floats = NDArray[np.float64]
Lines = Mapping[str, Said]
"""Of one method, by recording."""
CONSTANT, CHANCE = "constant list", "chance"
POOLED = "all sets"


class Pair(NamedTuple):
    """One row of the table."""

    group: str
    """A set, a kind within it, or all."""
    n: int
    own: float
    baseline: float
    name: str
    """Of the baseline, which is the set's best."""
    difference: float
    low: float
    high: float
    """95 % interval of the difference, own less baseline, the better way round up."""
    constant: float | None
    chance: float | None


class Gate(NamedTuple):
    """One demand of a measure, and whether it holds."""

    words: str
    holds: bool


def constant_lists(cases: Sequence[Case]) -> dict[str, Said]:
    """For each recording the culprits of its set's other recordings, most frequent first."""
    lines = {}
    for case in cases:
        others = Counter(
            other.truth.service
            for other in cases
            if other.truth.fault and other.set_name == case.set_name and other is not case
        )
        ranking = tuple(Named(name, count) for name, count in others.items() if name is not None)
        lines[case.recording.id] = Said(case.recording.id, ranking=ranking)
    return lines


def chances(cases: Sequence[Case]) -> dict[str, Said]:
    """For each recording all of its services alike."""
    return {
        case.recording.id: Said(
            case.recording.id, ranking=tuple(Named(name, 1.0) for name in case.recording.services)
        )
        for case in cases
    }


def table(
    cases: Sequence[Case],
    measure: Measure,
    own: Lines,
    baselines: Mapping[str, Lines],
    chosen_by: Measure,
) -> list[Pair]:
    """Rows for each set, each kind in it, and all sets together; none where nothing is measured.

    ``chosen_by`` says which baseline is a set's best.
    """
    beside = {CONSTANT: constant_lists(cases), CHANCE: chances(cases)}
    places = [place for place, case in enumerate(cases) if _below(measure, case) > 0]
    chosen: dict[str, str] = {}
    rows = []
    for name in dict.fromkeys(cases[place].set_name for place in places):
        of_set = [cases[place] for place in places if cases[place].set_name == name]
        chosen[name] = _best(of_set, chosen_by, baselines)
        pick = _Picked(measure, own, baselines, chosen, beside)
        rows.append(pick.row(name, of_set))
        kinds = sorted({case.kind for case in of_set})
        if len(kinds) > 1:
            rows += [
                pick.row(f"{name} / {kind}", [case for case in of_set if case.kind == kind])
                for kind in kinds
            ]
    if len(chosen) > 1:
        pick = _Picked(measure, own, baselines, chosen, beside)
        rows.append(pick.row(POOLED, [cases[place] for place in places]))
    return rows


def gates(measure: Measure, rows: Sequence[Pair]) -> list[Gate]:
    """Better than the best baselines pooled, beyond chance; in no set worse beyond chance."""
    sets = [row for row in rows if "/" not in row.group and row.group != POOLED]
    pooled = [row for row in rows if row.group == POOLED] or sets
    found = [
        Gate(f"{measure.name}: better, {row.group}", row.low > 0.0)
        for row in pooled
        if measure.leads
    ]
    worse = [row.group for row in sets if row.high < 0.0]
    words = f"{measure.name}: in no set worse" + (f" (but {', '.join(worse)})" if worse else "")
    return [*found, Gate(words, not worse)]


def _below(measure: Measure, case: Case) -> float:
    """Whether a recording counts at all, whatever was said."""
    nothing, alarm_free = measure.part(case, None), Said(case.recording.id)
    return max(nothing.below, measure.part(case, alarm_free).below)


def _ratio(parts: Sequence[Part]) -> float:
    below = sum(part.below for part in parts)
    return sum(part.above for part in parts) / below if below else 0.0


def _parts(cases: Sequence[Case], measure: Measure, lines: Lines) -> list[Part]:
    return [measure.part(case, lines.get(case.recording.id)) for case in cases]


def _best(cases: Sequence[Case], measure: Measure, baselines: Mapping[str, Lines]) -> str:
    """The baseline that does best on these."""
    return max(
        baselines, key=lambda name: measure.sign * _ratio(_parts(cases, measure, baselines[name]))
    )


class _Picked(NamedTuple):
    """A measure with the methods that are compared by it."""

    measure: Measure
    own: Lines
    baselines: Mapping[str, Lines]
    chosen: Mapping[str, str]
    """The best baseline of each set."""
    beside: Mapping[str, Lines]

    def row(self, group: str, cases: Sequence[Case]) -> Pair:
        """The figures of one group of recordings."""
        measure = self.measure
        own = _parts(cases, measure, self.own)
        baseline = [
            measure.part(case, self.baselines[self.chosen[case.set_name]].get(case.recording.id))
            for case in cases
        ]
        low, high = _interval(own, baseline, [case.set_name for case in cases])
        names = dict.fromkeys(self.chosen[case.set_name] for case in cases)
        is_ranked = measure.name[:2] in ("AC", "Av")
        floors = {
            name: _ratio(_parts(cases, measure, lines)) if is_ranked else None
            for name, lines in self.beside.items()
        }
        if measure.sign < 0:
            low, high = -high, -low
        return Pair(
            group,
            len(cases),
            _ratio(own),
            _ratio(baseline),
            " + ".join(names),
            measure.sign * (_ratio(own) - _ratio(baseline)),
            low,
            high,
            floors[CONSTANT],
            floors[CHANCE],
        )


def _interval(
    own: Sequence[Part], other: Sequence[Part], strata: Sequence[str]
) -> tuple[float, float]:
    """Paired bootstrap 95 % interval of the difference of two ratios, drawn within each stratum."""
    rng = np.random.default_rng(SEED)
    sums = np.zeros((4, DRAWS))
    columns = np.array([[*a, *b] for a, b in zip(own, other, strict=True)])
    names = np.array(strata)
    for name in dict.fromkeys(strata):
        of_stratum = columns[names == name]
        drawn = rng.integers(0, len(of_stratum), (DRAWS, len(of_stratum)))
        sums += of_stratum[drawn].sum(axis=1).T
    with np.errstate(invalid="ignore", divide="ignore"):
        off = np.nan_to_num(sums[0] / sums[1]) - np.nan_to_num(sums[2] / sums[3])
    low, high = np.quantile(off, [0.025, 0.975])
    return float(low), float(high)
