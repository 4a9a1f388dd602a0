"""Which services stopped making the calls that their work always made, as spans show it (pure).

A call that is not made leaves no span, no error and no line: only entries of a kind that used to
call somebody and do not any more. Fewer calls over five minutes may be chance; *none* for several
bins in a row is not. So what is weighed is the largest sum, over any run of bins, of how much more
likely "hardly any are made" is than habit (Page's cumulative sum, as in ``engine.detection``), less
the largest such sum of its past, and at least the logarithm of how many kinds of calls were looked at.
"""

from collections import defaultdict
from math import log

from engine.diagnosis.evidence import Ground, Reason
from engine.telemetry.bins import BIN_S, Binned, tally
from engine.telemetry.traces import Made, TraceBook

LEAST_USUAL = 15
"""Entries of a kind that make a habit."""
SHARE_FLOOR = 0.8
"""Of the entries: what fewer of them call is not missed."""
MOST_SHARE = 0.97
STOPPED = 0.1
"""Part of its usual calls that something makes which stopped making them."""
MOST_OF_BIN = 2.5
"""Nats: what happens within one bin has one cause more often than not."""
GONE = 0.1


def stopped(book: TraceBook, first_s: float, to_s: float) -> list[Reason]:
    """Services whose entries call less than entries of their kind used to; a bin begins at ``first_s``."""
    best: dict[str, Reason] = {}
    lacking: dict[str, float] = defaultdict(float)
    looked = log(1.0 + len(book.calls))
    for made, binned in book.calls.items():
        entries = book.entries[made.operation]
        asked = tally(entries.between(float("-inf"), first_s))[0]
        usual = tally(binned.between(float("-inf"), first_s))[0] / max(1, asked)
        if asked < LEAST_USUAL or usual < SHARE_FLOOR:
            continue
        nats, lost = _run(entries, binned, usual, first_s, to_s)
        often, _ = _run(entries, binned, usual, float("-inf"), first_s)
        weight = nats - max(looked, often)
        if weight <= 0.0:
            continue
        blamed = _who_stopped(book, made, first_s, to_s)
        lacking[blamed] += lost
        if blamed not in best or weight > best[blamed].weight:
            name = made.operation.name
            best[blamed] = Reason(blamed, Ground.MISSING, weight, name, made.callee)
    most = max(lacking.values(), default=1.0)
    return [r._replace(weight=r.weight * lacking[r.service] / most) for r in best.values()]


def _run(
    entries: Binned, calls: Binned, usual: float, first_s: float, to_s: float
) -> tuple[float, float]:
    """The largest sum of nats over a run of bins, and the calls that were missed in that run.

    ``usual`` is how many calls one entry makes.
    """
    came = {each.place: each.count for each in calls.between(first_s, to_s)}
    share = min(MOST_SHARE, usual)
    now = STOPPED * share
    nats = lost = best = lost_then = 0.0
    for each in entries.between(first_s, to_s):
        with_call = min(each.count, came.get(each.place, 0) / max(1.0, usual))
        without = each.count - with_call
        gain = with_call * log(now / share) + without * log((1.0 - now) / (1.0 - share))
        nats += min(MOST_OF_BIN, gain)
        lost += usual * each.count - came.get(each.place, 0)
        if nats <= 0.0:
            nats = lost = 0.0
        if nats > best:
            best, lost_then = nats, lost
    return best, max(0.0, lost_then)


def _who_stopped(book: TraceBook, made: Made, first_s: float, to_s: float) -> str:
    """The caller; but the callee where nobody reaches it any more and callers complain."""
    arrived = sum(
        tally(binned.between(first_s, to_s))[0]
        for operation, binned in book.entries.items()
        if operation.service == made.callee
    )
    bins = max(1.0, (to_s - first_s) / BIN_S)
    used_to = sum(
        _rate(binned, first_s)
        for operation, binned in book.entries.items()
        if operation.service == made.callee
    )
    failing = any(
        tally(binned.between(first_s, to_s))[1] > 0
        for operation, binned in book.work.items()
        if operation.service == made.operation.service
    )
    return made.callee if failing and arrived < GONE * used_to * bins else made.operation.service


def _rate(binned: Binned, first_s: float) -> float:
    """Entries a bin before."""
    before = binned.between(float("-inf"), first_s)
    span = before[-1].place - before[0].place + 1 if before else 1
    return sum(each.count for each in before) / span
