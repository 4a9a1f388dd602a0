"""What a screen replays: states and messages with their times, as a live engine would have told them."""

from collections.abc import Callable
from pathlib import Path

import msgspec

from engine.stream.state import ScreenState
from engine.vocabulary import TraceEvent


class Frame(msgspec.Struct, frozen=True, gc=False):
    """A state, and when the engine had it."""

    at_ns: int
    """The engine's CLOCK_MONOTONIC, as in ``TraceEvent``."""
    state: ScreenState


class Recording(msgspec.Struct, frozen=True):
    """A whole run, read from its ledger and what lies beside it."""

    source: str
    """The ledger's file."""
    frames: tuple[Frame, ...]
    """In order of time; at least one."""
    messages: tuple[TraceEvent, ...] = ()
    """In the order in which the engine had them."""
    missing: tuple[str, ...] = ()
    """What did not lie beside the ledger, in words for people."""


Progress = Callable[[str], None]
"""Told what is being read."""
ReadRecording = Callable[[Path, Progress], Recording]
"""Reads the recording that belongs to a ledger; ``main.py`` hands it to the screens.

Raises ``engine.codec.Malformed`` with one line that names the file, the place and the remedy.
"""
