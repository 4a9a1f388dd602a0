"""Gauges of votes: what each replica has collected, against the real quorum (pure).

Only what its receiver took counts, plus its own word once it has spoken, and only for one digest:
what contradicts it is shown from the other end.
"""

from typing import NamedTuple

import numpy as np

from controlroom.window.scene.buffers import Mask, Numbers
from controlroom.window.scene.messages import Messages, Rows
from controlroom.window.scene.palette import KIND_NAMES

PRE_PREPARE, PREPARE, COMMIT = (KIND_NAMES.index(n) for n in ("pre-prepare", "prepare", "commit"))
HOLD_S = 2.4
"""A round stays on the gauges for so long at most, while others are waiting."""
LINGER_S = 0.4
"""A full gauge is seen for so long."""
LOOK_BACK_S = 9.0
_ENOUGH = 40_000
"""Rows that are looked at; a swarm that sends more in these seconds is counted by its newest."""


class Tally(NamedTuple):
    """The votes of one round as every replica sees them at one moment."""

    view: int
    sequence_number: int
    prepares: Numbers
    """For each agent, distinct members whose PREPARE or PRE-PREPARE it has, its own included."""
    commits: Numbers
    against: Numbers
    """Members whose vote it has for another digest."""
    began_s: float
    more: int
    """Rounds that are under way besides."""
    took_ms: float
    """Real time from the first to the last message of the round that is known."""


def tally(messages: Messages, members: int, t_s: float) -> Tally | None:
    """The round that the gauges show at ``t_s``: the oldest one that is still on screen."""
    rows = messages.votes(t_s - LOOK_BACK_S, t_s)
    if len(rows.number) > _ENOUGH:
        rows = rows.where(np.arange(len(rows.number) - _ENOUGH, len(rows.number)))
    if not len(rows.number):
        return None
    name = rows.view * (1 << 40) + rows.sequence_number
    rounds, inverse = np.unique(name, return_inverse=True)
    began = np.full(len(rounds), np.inf)
    np.minimum.at(began, inverse, rows.leave_s)
    ended = np.full(len(rounds), -np.inf)
    np.maximum.at(ended, inverse, rows.arrive_s)
    last = np.minimum(np.maximum(ended, began + 0.6) + LINGER_S, began + HOLD_S)
    shown = np.flatnonzero((began <= t_s) & (last >= t_s))
    recent = shown if len(shown) else np.flatnonzero(began <= t_s)
    if not len(recent):
        return None
    chosen = recent[np.argmin(began[recent])] if len(shown) else recent[np.argmax(began[recent])]
    return _count(rows.where(inverse == chosen), members, t_s, float(began[chosen]), len(shown) - 1)


def _count(rows: Rows, members: int, t_s: float, began_s: float, more: int) -> Tally:
    digests, places = np.unique(rows.digest, return_inverse=True)
    main = digests[np.argmax(np.bincount(places))]
    same = rows.digest == main
    heard = rows.arrive_s <= t_s
    prepare = (rows.kind == PREPARE) | (rows.kind == PRE_PREPARE)
    commit = rows.kind == COMMIT
    return Tally(
        int(rows.view[0]),
        int(rows.sequence_number[0]),
        _distinct(rows, same & prepare, heard, members, t_s),
        _distinct(rows, same & commit, heard, members, t_s),
        _against(rows, ~same & heard, members),
        began_s,
        max(0, more),
        float(rows.flight_ms.max()),
    )


def _distinct(rows: Rows, chosen: Mask, heard: Mask, members: int, t_s: float) -> Numbers:
    """For each agent, how many members' votes it has; a folded row stands for its records."""
    got = chosen & heard
    single = got & (rows.records == 1)
    pairs = np.unique(rows.receiver[single].astype(np.int64) * members + rows.sender[single])
    found = np.bincount(pairs // members, minlength=members)
    spoken = np.unique(rows.sender[chosen & (rows.leave_s <= t_s)])
    found[spoken] += 1
    for place in np.flatnonzero(got & (rows.records > 1)):
        found[rows.receiver[place]] += int(rows.records[place]) - 1
    return np.minimum(found, members).astype(np.int64)


def _against(rows: Rows, chosen: Mask, members: int) -> Numbers:
    pairs = np.unique(rows.receiver[chosen].astype(np.int64) * members + rows.sender[chosen])
    return np.bincount(pairs // members, minlength=members).astype(np.int64)


def same(one: Tally, other: Tally) -> bool:
    """Whether two tallies say the same."""
    return (
        (one.view, one.sequence_number, one.began_s, one.more)
        == (other.view, other.sequence_number, other.began_s, other.more)
        and np.array_equal(one.prepares, other.prepares)
        and np.array_equal(one.commits, other.commits)
        and np.array_equal(one.against, other.against)
    )
