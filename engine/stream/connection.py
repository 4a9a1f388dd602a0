"""What a link tells the screen behind it, and when it tries again (pure)."""

import random

import msgspec

from engine.stream.wire import Event, Reply, Snapshot

FIRST_DELAY_S = 0.25
LONGEST_DELAY_S = 8.0
"""Long enough to leave a starting engine alone, short enough that nobody reaches for a restart."""


class Connected(msgspec.Struct, frozen=True):
    """The engine answered; its state comes next."""

    address: str


class Waiting(msgspec.Struct, frozen=True):
    """There is no connection: why, and when the next try is."""

    reason: str
    retry_ns: int
    """Monotonic nanoseconds of the next try."""
    attempt: int


class Received(msgspec.Struct, frozen=True):
    """The state as it is now."""

    snapshot: Snapshot
    received_ns: int
    """Monotonic nanoseconds at which it arrived."""


class Answered(msgspec.Struct, frozen=True):
    """The engine's reply to a command."""

    reply: Reply


class Happened(msgspec.Struct, frozen=True):
    """Events of the lanes that were asked for, in order, each once."""

    events: tuple[Event, ...]
    lost: int = 0
    """How many before them the engine does not have any more."""


LinkEvent = Connected | Waiting | Received | Happened | Answered


def delay_s(attempt: int, rng: random.Random) -> float:
    """Seconds to wait before try number ``attempt`` (from 1), jittered.

    Between half of and the whole of a doubling span, so that a thousand screens that lost the same
    engine do not come back in one moment.
    """
    span = min(LONGEST_DELAY_S, FIRST_DELAY_S * float(1 << min(attempt - 1, 16)))
    return span * rng.uniform(0.5, 1.0)
