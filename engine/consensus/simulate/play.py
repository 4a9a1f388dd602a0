"""Playing one seed from the first draw to the verdict: what a worker process does."""

import msgspec

from engine.consensus.simulate.storm import Storm
from engine.consensus.simulate.trace import Tracer

SIZES = (4, 5, 6, 7)
"""Clusters that seeds take turns in, unless one size is asked for."""


class Played(msgspec.Struct, frozen=True):
    """What one seed came to."""

    seed: int
    n: int
    violation: str
    """Empty when everything held."""
    marks: tuple[str, ...]
    calm_ticks: int
    digest: str
    """Hash of the whole trace."""


def size_of(seed: int, agents: int | None = None) -> int:
    """How many replicas ``seed`` plays with."""
    return SIZES[seed % len(SIZES)] if agents is None else agents


def play(
    seed: int, n: int, only: frozenset[int] | None = None, tracer: Tracer | None = None
) -> Played:
    """Play ``seed`` with ``n`` replicas, with all that it drew or with the items ``only``."""
    tracer = tracer or Tracer()
    storm = Storm(n, (n - 1) // 3, seed, only=only, tracer=tracer)
    violation = ""
    try:
        storm.run()
    except Exception as error:
        # Whatever an honest replica raises is as bad as what the checker finds.
        violation = f"{type(error).__name__}: {error}"
    marks = tuple(sorted(storm.cluster.marks))
    return Played(seed, n, violation, marks, storm.calm_ticks, tracer.digest)
