"""The numbered moments of an incident at which the kill matrix strikes, and who is struck (pure)."""

import random
from collections.abc import Sequence
from enum import IntEnum

import msgspec


class Moment(IntEnum):
    """When a process is killed, in the order of an incident."""

    CALM = 1
    """Before anything is broken."""
    BROKEN = 2
    """The fault has taken effect."""
    OPEN = 3
    """f+1 agents see it."""
    PROPOSED = 4
    """A plan is before the council."""
    DECIDED = 5
    """The council has accepted it."""
    CERTIFIED = 6
    """A quorum has signed."""
    INTENDED = 7
    """The actuator's intent is on disk and the effect is under way."""
    ACTED = 8
    """The effect is done and on disk; whether the log has it is open."""


FOLLOWS = {
    Moment.OPEN: "open",
    Moment.PROPOSED: "proposed",
    Moment.DECIDED: "decided",
    Moment.CERTIFIED: "certificate",
}
"""Moments that are entries of the log, by the happening that shows them."""

RUNNER = "runner"
"""The drill runner, which holds the fault."""


class Cell(msgspec.Struct, frozen=True):
    """One kill: who, and when."""

    victim: str
    moment: Moment


def whole(victims: Sequence[str]) -> list[Cell]:
    """Every victim at every moment."""
    return [Cell(victim, moment) for victim in victims for moment in Moment]


def sample(victims: Sequence[str], seed: int) -> list[Cell]:
    """Every victim once and every moment at least once, drawn by ``seed``."""
    chance = random.Random(f"kill-matrix:{seed}")
    order = chance.sample(victims, len(victims))
    moments: list[Moment] = []
    while len(moments) < len(order):
        moments += chance.sample(list(Moment), len(Moment))
    return [Cell(victim, moment) for victim, moment in zip(order, moments, strict=False)]


class CellRecord(msgspec.Struct, frozen=True):
    """What came of one kill."""

    victim: str
    moment: str
    number: int
    """Of the moment."""
    killed: bool
    """Whether there was a process to kill at that moment, and it is gone."""
    calm_s: float | None
    """From the kill until nothing is broken and everybody is back."""
    fault_gone_s: float | None
    """For the runner: from its death until its fault was gone."""
    actions: int
    repeated: int
    orders_lost: int
    failure: str = ""


def repeated(intents: Sequence[str]) -> int:
    """How many of the orchestrator's recorded intents are for a key that it had begun before."""
    return len(intents) - len(set(intents))
