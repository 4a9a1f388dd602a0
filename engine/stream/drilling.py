"""An operator's orders to rehearse: signed like everything he commands, and not for the log.

The agents read the log, and none of them may learn what is about to break: so the order goes to the
engine's drills alone, checked as strictly as an operation would be (``orders``).
"""

from typing import Protocol

import msgspec

from engine.stream.state import DrillRow
from engine.vocabulary import AuthorId, Digest

__all__ = ["ABOUT", "DrillOrder", "Drills"]

ABOUT = "drill"
"""What ``Command.about`` says for these."""


class DrillOrder(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """An experiment that an operator wants done to the fleet."""

    cluster: Digest
    author: AuthorId
    counter: int
    experiment: str
    """By its name in ``DrillRow.offers``."""
    seed: int
    """What chance draws: onset, and the target where the experiment leaves it open."""
    not_after_ms: int


class Drills(Protocol):
    """What the engine knows of drills; handed in by ``main.py``, since the product knows of no faults."""

    @property
    def row(self) -> DrillRow:
        """What screens show: that a drill runs, never what it breaks while it does."""
        ...

    async def order(self, order: DrillOrder) -> str:
        """Begin what an operator ordered; why not, or empty."""
        ...

    async def close(self) -> None:
        """End the drill that was ordered, if it still runs: its fault is taken out first."""
        ...
