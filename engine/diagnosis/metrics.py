"""What metrics say: time, failures, missing calls, resources, silence (pure).

Time and failures are accounted like money: of what a service loses, what its callees lose
explains a part, and the rest is its own. The account is kept for each family of metrics by
itself, so that units never meet; weighed by traffic where that is known, so that a slow trickle
does not outweigh a slow stream.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from engine.diagnosis.deviation import Cut, Deviation, Stretch, cut, deviations
from engine.diagnosis.evidence import Ground, Reason, surprise
from engine.diagnosis.families import Family, Measure, View, Views
from engine.telemetry.history import History
from engine.telemetry.rates import rated

NOTICEABLE = 1.0
"""Scales off habit from which on a loss counts in full."""
ELSEWHERE = 0.85
"""Part of a service's lost time that a callee explains which loses time by another measure."""
OUTWARD = 0.3
"""What is measured where calls leave a service weighs so much for the service itself."""
DOWN = 0.3
"""A resource that is used less weighs so much of one that is used more."""
ACTIVITY = 0.5
"""What a service does weighs so much of what it uses up: it follows what is asked of it."""
AVAILABILITY_FLOOR = 0.005
OTHER_FAMILY = 0.3
"""Where one metric was paged about, others of its measure weigh so much."""
REGULAR = 0.8
"""Part of the longest series' samples that a regular signal has."""
LEAST_REGULAR = 10
"""Samples before the stretch without which a signal is not missed."""
SILENT_WEIGHT = 8.0


class Seen(NamedTuple):
    """One signal with its deviation."""

    view: View
    metric: str
    deviation: Deviation


class MetricEvidence(NamedTuple):
    """What metrics say."""

    reasons: list[Reason]
    harm: dict[str, float]
    """By service: the largest deviation of its time and failures, own or not."""


def metric_evidence(
    history: History,
    callees: Mapping[str, frozenset[str]],
    stretch: Stretch,
    span_losses: Mapping[str, float],
    paged: str = "",
) -> MetricEvidence:
    """Reasons out of all metrics of the stretch.

    ``span_losses`` says, by service, how far the time that spans saw it lose is off its habit.
    """
    views = Views(history.services, callees)
    keyed = [
        (views.of(service, metric), service, metric, cut(rated(metric, series), *stretch))
        for (service, metric), series in history.series.items()
    ]
    seen = list(_seen((view, metric, each) for view, _, metric, each in keyed))
    traffic = _traffic(seen)
    reasons: list[Reason] = []
    harm: dict[str, float] = defaultdict(float)
    for measure, ground in (
        (Measure.LATENCY, Ground.TIME),
        (Measure.FAILURES, Ground.FAILURES),
        (Measure.AVAILABILITY, Ground.FAILURES),
    ):
        of_measure = [each for each in seen if each.view.family.measure is measure]
        for each in of_measure:
            subject = each.view.subject
            harm[subject] = max(harm[subject], _harm(each)[0])
        reasons += _accounts(of_measure, ground, callees, traffic, span_losses, paged)
    reasons += _missing(seen, callees)
    reasons += _resources(seen)
    reasons += _silent(keyed)
    return MetricEvidence(reasons, dict(harm))


def _seen(keyed: Iterable[tuple[View, str, Cut]]) -> Iterable[Seen]:
    listed = list(keyed)
    floors = {True: AVAILABILITY_FLOOR, False: None}
    for is_share in (False, True):
        part = [k for k in listed if (k[0].family.measure is Measure.AVAILABILITY) is is_share]
        floor = floors[is_share]
        cuts = [each for _, _, each in part]
        found = deviations(cuts) if floor is None else deviations(cuts, floor)
        for (view, metric, _), deviation in zip(part, found, strict=True):
            if deviation is not None:
                yield Seen(view, metric, deviation)


def _harm(seen: Seen) -> tuple[float, float]:
    """How far a signal is off in the direction that hurts, and by how much."""
    deviation = seen.deviation
    if seen.view.family.measure is Measure.AVAILABILITY:
        return deviation.down, deviation.down_amount
    return deviation.up, deviation.up_amount


# --- traffic -----------------------------------------------------------------------------------


def _traffic(seen: Iterable[Seen]) -> dict[str, float]:
    """How much is asked of each service now, by the measure that most services have."""
    by_family: dict[str, dict[str, float]] = defaultdict(dict)
    for each in seen:
        view = each.view
        if view.family.measure is Measure.TRAFFIC and view.witness == view.subject:
            by_family[view.family.name][view.subject] = max(each.deviation.now, 0.0)
    if not by_family:
        return {}
    name = max(by_family, key=lambda name: (len(by_family[name]), name))
    return by_family[name]


# --- accounts ----------------------------------------------------------------------------------


class _Loss(NamedTuple):
    """What one service loses by one family's measure."""

    off: float
    amount: float
    metric: str
    witness: str


def _accounts(
    seen: list[Seen],
    ground: Ground,
    callees: Mapping[str, frozenset[str]],
    traffic: Mapping[str, float],
    span_losses: Mapping[str, float],
    paged: str,
) -> list[Reason]:
    """For each family, whose loss is not explained by its callees, as a share of all such loss."""
    by_family: dict[Family, dict[str, _Loss]] = defaultdict(dict)
    worst: dict[str, float] = defaultdict(float, span_losses)
    for each in seen:
        subject, family = each.view.subject, each.view.family
        off, amount = _harm(each)
        if family.outward and callees.get(subject):
            # Whom it calls is known, and says better itself how it does.
            continue
        if not family.outward:
            worst[subject] = max(worst[subject], off)
        loss = _Loss(off, amount * traffic.get(subject, 1.0), each.metric, each.view.witness)
        known = by_family[family].get(subject)
        if known is None or loss.amount > known.amount:
            by_family[family][subject] = loss
    is_about = any(family.name == paged for family in by_family)
    best: dict[str, Reason] = {}
    for family, losses in by_family.items():
        part = OTHER_FAMILY if is_about and family.name != paged else 1.0
        for reason in _of_family(family, losses, ground, callees, worst):
            reason = reason._replace(weight=part * reason.weight)
            if reason.service not in best or reason.weight > best[reason.service].weight:
                best[reason.service] = reason
    return list(best.values())


def _of_family(
    family: Family,
    losses: Mapping[str, _Loss],
    ground: Ground,
    callees: Mapping[str, frozenset[str]],
    worst: Mapping[str, float],
) -> Iterable[Reason]:
    felt = {n: loss.amount * min(1.0, loss.off / NOTICEABLE) for n, loss in losses.items()}
    own = {
        name: amount * (1.0 - _explained(name, losses[name], losses, callees, worst))
        for name, amount in felt.items()
        if amount > 0
    }
    total = max(sum(own.values()), max(felt.values(), default=0.0))
    if total <= 0:
        return
    # Who is ahead goes by money; how much all this says, by how surprising the money is.
    says = sum(surprise(losses[name].off) * amount for name, amount in own.items()) / total
    most = max(own.values())
    for name, amount in own.items():
        loss = losses[name]
        weight = says * amount / most * (OUTWARD if family.outward else 1.0)
        if weight > 0:
            witness = loss.witness if loss.witness != name else ""
            yield Reason(name, ground, weight, loss.metric, witness)


def _explained(
    name: str,
    loss: _Loss,
    losses: Mapping[str, _Loss],
    callees: Mapping[str, frozenset[str]],
    worst: Mapping[str, float],
) -> float:
    """Which part of a service's loss its callees explain."""
    # In order: a sum of the same numbers in another order differs in its last digit.
    below = sorted(callees.get(name, frozenset()))
    same = sum(
        losses[callee].amount * min(1.0, losses[callee].off / NOTICEABLE)
        for callee in below
        if callee in losses
    )
    explained = min(1.0, same / loss.amount)
    elsewhere = max((worst.get(callee, 0.0) for callee in below), default=0.0)
    if elsewhere >= max(NOTICEABLE, loss.off):
        explained = max(explained, ELSEWHERE)
    return explained


# --- calls that stopped --------------------------------------------------------------------------


def _missing(seen: Iterable[Seen], callees: Mapping[str, frozenset[str]]) -> list[Reason]:
    """Callers that ask less of a callee than before, although they are asked as much themselves."""
    drops: dict[str, tuple[float, float, str]] = {}
    for each in seen:
        view, deviation = each.view, each.deviation
        if view.family.measure is not Measure.TRAFFIC or view.family.outward:
            continue
        share = 1.0 - deviation.now / deviation.habit if deviation.habit > 0 else 0.0
        known = drops.get(view.subject, (0.0, 0.0, ""))
        drops[view.subject] = max(known, (max(0.0, share), deviation.down, each.metric))
    reasons: dict[str, Reason] = {}
    for caller, below in callees.items():
        own_drop = drops.get(caller, (0.0, 0.0, ""))[0]
        for callee in sorted(below):
            share, off, metric = drops.get(callee, (0.0, 0.0, ""))
            weight = surprise(off) * max(0.0, share - own_drop)
            if weight > 0 and (caller not in reasons or weight > reasons[caller].weight):
                reasons[caller] = Reason(caller, Ground.MISSING, weight, metric, callee)
    return list(reasons.values())


# --- a service's own matters ---------------------------------------------------------------------


def _resources(seen: Iterable[Seen]) -> list[Reason]:
    """The most surprising use of a resource by each service, and half of the second most."""
    found: dict[str, list[tuple[float, str]]] = defaultdict(list)
    for each in seen:
        if each.view.family.measure not in (Measure.RESOURCE, Measure.ACTIVITY, Measure.UNKNOWN):
            continue
        part = 1.0 if each.view.family.measure is Measure.RESOURCE else ACTIVITY
        up, down = surprise(each.deviation.up), DOWN * surprise(each.deviation.down)
        found[each.view.subject].append((part * max(up, down), each.metric))
    reasons = []
    for service, weights in found.items():
        weights.sort(reverse=True)
        weight = weights[0][0] + 0.5 * (weights[1][0] if len(weights) > 1 else 0.0)
        if weight > 0:
            reasons.append(Reason(service, Ground.RESOURCE, weight, weights[0][1]))
    return reasons


def _silent(keyed: Iterable[tuple[View, str, str, Cut]]) -> list[Reason]:
    """Services of whose regular signals most have stopped, while others go on."""
    usual, longest = 0, 0
    listed = list(keyed)
    for _, _, _, each in listed:
        usual, longest = max(usual, len(each.before)), max(longest, len(each.within))
    if longest < 3:
        return []
    counts: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for _, service, _, each in listed:
        if len(each.before) >= max(LEAST_REGULAR, REGULAR * usual):
            counts[service][0] += 1
            counts[service][1] += len(each.within) <= longest // 4
    return [
        Reason(
            service, Ground.SILENT, SILENT_WEIGHT * gone / regular, f"{gone} of {regular} signals"
        )
        for service, (regular, gone) in counts.items()
        if gone * 2 > regular
    ]
