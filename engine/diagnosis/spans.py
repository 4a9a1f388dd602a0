"""What spans say: whose own time grew, on which way time is lost, whose calls fail or stopped (pure).

Time is counted as money: milliseconds beyond what an operation usually takes, summed over the
stretch. Money on the way between two services could be either's, or the network's: it is credited
to each of the two by how *consistently* calls touching that service lose time. A service whose
only slow call is one of five did not slow it down; one all of whose callers wait for it did.
"""

from collections import defaultdict
from collections.abc import Mapping
from math import sqrt
from typing import NamedTuple

import numpy as np

from engine.diagnosis.evidence import Ground, Reason, surprise
from engine.diagnosis.stopped import stopped
from engine.telemetry.bins import BIN_S, Bin, Binned, tally
from engine.telemetry.traces import Edge, TraceBook

LEAST_USUAL = 5
"""Durations that make a usual one."""
RELATIVE_FLOOR = 0.1
FLOOR_MS = 0.5
BEYOND = 2.0
"""Scales beyond the usual duration from which on time is counted as lost."""
NOTICEABLE = 3.0
MADE_BY_CALLER = 0.8
"""Time on the way counts so much for the caller, against all of it for the callee."""
LEAST_SLOW = 3.0
"""Slow calls that are no chance; fewer count in part."""


class _Usual(NamedTuple):
    """What durations of one kind usually are."""

    middle_ms: float
    scale_ms: float

    def beyond_ms(self, value_ms: float) -> float:
        """How much longer than usual, noise left out."""
        return max(0.0, value_ms - self.middle_ms - BEYOND * self.scale_ms)


class _Money(NamedTuple):
    """Time lost in one place over the stretch."""

    lost_ms: float
    off: float
    """How far that is from what the place lost, bin by bin, before."""
    slow_share: float
    """Part of its calls that were slow, where it was worst."""
    calls: int


class SpanEvidence(NamedTuple):
    """What spans say."""

    reasons: list[Reason]
    losses: dict[str, float]
    """By service: how far the time that it loses is off its habit."""


class _Place(NamedTuple):
    """What one service is credited with."""

    credit: float
    """Milliseconds."""
    off: float
    signal: str
    other: str


_NOWHERE = (0.0, 0.0, "")


def span_evidence(
    book: TraceBook, callees: Mapping[str, frozenset[str]], from_s: float, to_s: float
) -> SpanEvidence:
    """Reasons out of the spans that ended in ``from_s..to_s``."""
    reasons, losses = _time(book, from_s, to_s)
    reasons = [
        *reasons,
        *_failures(book, callees, from_s, to_s),
        *stopped(book, _first_bin(from_s), to_s),
    ]
    return SpanEvidence(reasons, losses)


# --- time ----------------------------------------------------------------------------------------


def _time(book: TraceBook, from_s: float, to_s: float) -> tuple[list[Reason], dict[str, float]]:
    work = {key: _money(binned, from_s, to_s) for key, binned in book.work.items()}
    gaps = {key: _money(binned, from_s, to_s) for key, binned in book.gaps.items()}
    own: dict[str, float] = defaultdict(float)
    off: dict[str, tuple[float, str]] = {}
    for operation, money in work.items():
        if money.lost_ms > 0:
            credit = money.lost_ms * min(1.0, money.off / NOTICEABLE)
            own[operation.service] += credit
            off[operation.service] = max(
                off.get(operation.service, (0.0, "")), (money.off, operation.name)
            )
    way = _credited(gaps)
    total = sum(own.values()) + sum(m.lost_ms * min(1.0, m.off / NOTICEABLE) for m in gaps.values())
    if total <= 0:
        return [], {}
    places = {
        name: _Place(
            own.get(name, 0.0) + way.get(name, _NOWHERE)[0],
            max(off.get(name, (0.0, ""))[0], way.get(name, _NOWHERE)[1]),
            off[name][1] if own.get(name, 0.0) >= way.get(name, _NOWHERE)[0] else "time on the way",
            way[name][2] if way.get(name, _NOWHERE)[0] > own.get(name, 0.0) else "",
        )
        for name in sorted({*own, *way})
    }
    most = max(place.credit for place in places.values())
    credits_ = sum(place.credit for place in places.values())
    says = sum(surprise(p.off) * p.credit for p in places.values()) / credits_
    reasons = [
        Reason(name, Ground.TIME, says * place.credit / most, place.signal, place.other)
        for name, place in places.items()
    ]
    return reasons, {name: p.off * p.credit / most for name, p in places.items()}


def _credited(gaps: Mapping[Edge, _Money]) -> dict[str, tuple[float, float, str]]:
    """For each service: money on the ways that touch it, its largest deviation, and whose way that is."""
    inward: dict[str, list[tuple[str, _Money]]] = defaultdict(list)
    outward: dict[str, list[tuple[str, _Money]]] = defaultdict(list)
    for edge, money in gaps.items():
        inward[edge.callee].append((edge.caller, money))
        outward[edge.caller].append((edge.callee, money))
    found: dict[str, tuple[float, float, str]] = {}
    for sides, part in ((inward, 1.0), (outward, MADE_BY_CALLER)):
        for service, ways in sides.items():
            consistent = _consistency([money for _, money in ways]) * part
            amount = sum(m.lost_ms * min(1.0, m.off / NOTICEABLE) for _, m in ways) * consistent
            other, worst = max(ways, key=lambda way: (way[1].off, way[1].lost_ms))
            before = found.get(service, (0.0, 0.0, ""))
            name = other if worst.off >= before[1] else before[2]
            found[service] = (before[0] + amount, max(before[1], worst.off), name)
    return {name: each for name, each in found.items() if each[0] > 0}


def _consistency(ways: list[_Money]) -> float:
    """Part of the calls over these ways that were slow, relative to the slowest way."""
    most = max(way.slow_share for way in ways)
    calls = sum(way.calls for way in ways)
    if most <= 0 or not calls:
        return 0.0
    return sum(way.slow_share * way.calls for way in ways) / calls / most


def _money(binned: Binned, from_s: float, to_s: float) -> _Money:
    """What one place lost."""
    before = binned.between(float("-inf"), _first_bin(from_s))
    within = binned.between(_first_bin(from_s), to_s)
    durations = [value for each in before for value in each.values]
    if len(durations) < LEAST_USUAL or not within:
        return _Money(0.0, 0.0, 0.0, sum(each.count for each in within))
    usual = _usual(np.array(durations))
    earlier = [_lost(each, usual) for each in before]
    now = [_lost(each, usual) for each in within]
    earlier_s = max(BIN_S, (before[-1].place - before[0].place + 1) * BIN_S)
    now_s = max(BIN_S, to_s - _first_bin(from_s))
    # A stall or two in the past is no habit: the worst twentieth of the bins is left out.
    amounts = sorted(amount for amount, _ in earlier)
    habit = amounts[: len(amounts) - max(1, len(amounts) // 20)] or amounts
    usually = sum(habit) * now_s / earlier_s
    lost = sum(amount for amount, _ in now)
    calls = sum(each.count for each in within)
    slow = sum(share * each.count for (_, share), each in zip(now, within, strict=True))
    # The slow calls of one place come in bursts: what bins differ by is what noise is measured by.
    bins = now_s / BIN_S
    spread = float(np.std(habit)) * sqrt(bins)
    off = (lost - usually) / (spread + usual.scale_ms * sqrt(calls + 1.0))
    off *= min(1.0, slow / LEAST_SLOW)
    most = sorted((part for _, part in now), reverse=True)
    return _Money(max(0.0, lost - usually), max(0.0, off), most[min(1, len(most) - 1)], calls)


def _first_bin(from_s: float) -> float:
    """The bin in which something began is part of what is looked at."""
    return from_s // BIN_S * BIN_S


def _usual(durations: np.ndarray) -> _Usual:
    middle = float(np.median(durations))
    spread = 1.4826 * float(np.median(np.abs(durations - middle)))
    tail = (float(np.quantile(durations, 0.95)) - middle) / 1.65
    return _Usual(middle, max(spread, tail, RELATIVE_FLOOR * middle, FLOOR_MS))


def _lost(each: Bin, usual: _Usual) -> tuple[float, float]:
    """Milliseconds lost in one bin, and the share of its calls that were slow."""
    if not each.values:
        return 0.0, 0.0
    beyond = [usual.beyond_ms(value) for value in each.values]
    return sum(beyond) * each.count / len(beyond), sum(b > 0 for b in beyond) / len(beyond)


# --- failures -------------------------------------------------------------


def _failures(
    book: TraceBook, callees: Mapping[str, frozenset[str]], from_s: float, to_s: float
) -> list[Reason]:
    """Operations that fail more often than before, and no call of theirs explains it."""
    best: dict[str, Reason] = {}
    extra: dict[str, float] = defaultdict(float)
    for operation, binned in book.work.items():
        count, errors = tally(binned.between(_first_bin(from_s), to_s))
        if not errors:
            continue
        before, failed_before = tally(binned.between(float("-inf"), _first_bin(from_s)))
        share = (failed_before + 0.5) / (before + 10.0)
        expected = share * count
        off = (errors - expected) / sqrt(expected + 1.0)
        if off <= 0:
            continue
        extra[operation.service] += errors - expected
        reason = Reason(operation.service, Ground.FAILURES, surprise(off), operation.name)
        if reason.service not in best or reason.weight > best[reason.service].weight:
            best[reason.service] = reason
    total = sum(extra.values())
    return [
        reason._replace(weight=reason.weight * extra[name] / total)
        for name, reason in best.items()
        if not _is_told_by_callee(name, extra, callees)
    ] + [
        reason._replace(weight=0.3 * reason.weight * extra[name] / total)
        for name, reason in best.items()
        if _is_told_by_callee(name, extra, callees)
    ]


def _is_told_by_callee(
    name: str, extra: Mapping[str, float], callees: Mapping[str, frozenset[str]]
) -> bool:
    """Whether a callee fails about as much: a caller's client often does not hand the error on."""
    below = max((extra.get(callee, 0.0) for callee in callees.get(name, ())), default=0.0)
    return below * 2 >= extra[name]
