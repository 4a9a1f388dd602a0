"""Shares of counted things against their habit: how many of how many failed, came late, or came at all (pure).

A share is judged by a Bayes factor of the last seconds against the habit learnt so far
(``engine.senses.bayes``), on three time spans at once: the short one sees a total failure in two
counts, the long one a small share. Guards that a noisy, shared machine taught: one stall makes
everything late that is under way, and may fall on both sides of a count, so a share must show in
several counts, and without the worst of them. Things that are not counted any more although their
cause goes on are judged by how unlikely their silence is.
"""

from collections.abc import Sequence
from math import exp, log
from typing import NamedTuple

from engine.senses.bayes import log_bayes_factor

SPANS_MS = (3_500, 6_500, 12_500)
PRIOR_LOG_ODDS = -6.5
"""Anomalies are rare: what a Bayes factor has to overcome, for each look at each share."""
SILENCE_SPREAD = 8.0


class Tally(NamedTuple):
    """What was counted between two looks that follow each other."""

    begin_ms: int
    end_ms: int
    bad: int
    total: int


class Guard(NamedTuple):
    """How often a share must be off to be more than one stall of the machine."""

    least_steps: int
    worst_left_out: int


class Off(NamedTuple):
    """One judgement of a share: how many of how many, and how likely that is no habit."""

    permille: int = 0
    bad: int = 0
    total: int = 0


def off(
    tallies: Sequence[Tally], habit_share: float, habit_weight: float, guard: Guard, now_ms: int
) -> Off:
    """The likeliest of the spans; nothing when it shows in too few counts, or has stopped.

    ``tallies`` reach back ``SPANS_MS[-1]`` from ``now_ms``, oldest first.
    """
    bad_at = [tally.end_ms for tally in tallies if tally.bad]
    if len(bad_at) < guard.least_steps or bad_at[-1] < now_ms - SPANS_MS[0]:
        return Off()
    best = Off()
    for span_ms in SPANS_MS:
        inside = [tally for tally in tallies if tally.begin_ms >= now_ms - span_ms]
        if sum(tally.bad > 0 for tally in inside) < guard.least_steps:
            continue
        inside.sort(key=lambda tally: tally.bad)
        kept = inside[: len(inside) - guard.worst_left_out]
        bad, total = sum(tally.bad for tally in kept), sum(tally.total for tally in kept)
        factor = log_bayes_factor(bad, total, habit_share, habit_weight)
        permille = permille_from_log_odds(factor + PRIOR_LOG_ODDS)
        if permille > best.permille:
            best = Off(permille, bad, total)
    return best


def silence(expected: float) -> int:
    """How likely, per mille, it is no chance that none of ``expected`` things came.

    They come Poisson-like with a rate that varies (Gamma of shape ``SILENCE_SPREAD``).
    """
    if expected <= 0:
        return permille_from_log_odds(PRIOR_LOG_ODDS)
    factor = SILENCE_SPREAD * log(1.0 + expected / SILENCE_SPREAD)
    return permille_from_log_odds(factor + PRIOR_LOG_ODDS)


def permille_from_log_odds(log_odds: float) -> int:
    """Probability in thousandths, never quite certain: 1 to 999."""
    probability = 1.0 / (1.0 + exp(-max(-30.0, min(30.0, log_odds))))
    return max(1, min(999, round(1_000 * probability)))


def surely_greater(bad: int, total: int, than_bad: int, than_total: int, margin: float) -> bool:
    """Whether one share is above another by ``margin`` with 99 % (normal approximation, smoothed)."""
    if total <= 0 or than_total <= 0:
        return False
    first, second = (bad + 0.5) / (total + 1.0), (than_bad + 0.5) / (than_total + 1.0)
    variance = first * (1 - first) / (total + 1.0) + second * (1 - second) / (than_total + 1.0)
    return bool(first - second - margin > 2.33 * variance**0.5)
