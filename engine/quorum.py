"""How many votes prove something: pure arithmetic over n replicas of which f may lie.

Two quorums must share at least f+1 replicas, so at least one honest one: 2q - n >= f + 1. The
smallest such q is ``(n + f + 2) // 2``. For n = 3f + 1 that is the well-known 2f + 1; for five
replicas and one traitor it is four (two quorums of three can meet in the traitor alone).
"""

from engine.codec import MAX_FRAME_BYTES

CHECKPOINT_PERIOD = 64
NEW_VIEW_BYTES = MAX_FRAME_BYTES * 3 // 4
"""No NEW-VIEW is longer: one that contradicts itself is evidence, and that must fit a batch, and a
batch with its certificate must fit a frame."""
VOTE_BYTES = 220
"""Upper bound of one encoded signed vote: 64 signature, 32 digest, 32 cluster, tags and numbers."""


def quorum_of(n: int, f: int) -> int:
    """The smallest safe quorum for ``n`` replicas of which ``f`` may be Byzantine.

    Raises:
        ValueError: no quorum is both safe and live for these numbers.
    """
    if f < 0 or n < 1:
        raise ValueError(f"n = {n} replicas with f = {f} faults is no cluster")
    quorum = (n + f + 2) // 2
    if 2 * quorum - n < f + 1:
        raise ValueError(f"quorums of {quorum} of {n} can meet in {f} liars alone")
    if quorum > n - f:
        raise ValueError(f"n = {n} cannot stay live with f = {f} faults: n must be at least 3f+1")
    return quorum


def checkpoint_period_of(n: int, f: int) -> int:
    """Batches between two checkpoints: 64, or as many as keep the largest NEW-VIEW short enough."""
    return min(CHECKPOINT_PERIOD, most_checkpoint_period_of(n, f))


def most_checkpoint_period_of(n: int, f: int) -> int:
    """The longest period with which the largest NEW-VIEW of ``n`` replicas is short enough.

    It holds a quorum of VIEW-CHANGEs, each with a proof for up to two periods of batches.
    """
    return NEW_VIEW_BYTES // (2 * quorum_of(n, f) ** 2 * VOTE_BYTES)


def view_change_bytes_of(n: int, f: int) -> int:
    """No VIEW-CHANGE is longer: a NEW-VIEW holds a quorum of them, and evidence can hold two."""
    return NEW_VIEW_BYTES // quorum_of(n, f)


def weak_quorum_of(f: int) -> int:
    """Votes of which at least one is honest: f + 1."""
    return f + 1
