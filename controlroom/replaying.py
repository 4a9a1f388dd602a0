"""A recording in the place of an engine: the same events, at the pace at which they happened."""

import asyncio
from collections.abc import Callable
from typing import Protocol

from engine.stream.commands import Operator
from engine.stream.connection import Connected, LinkEvent, Received
from engine.stream.link import NotConnected, NotFound
from engine.stream.recording import Recording
from engine.stream.wire import Command, Snapshot

SKIPPED_S = 3.0
"""So long a stretch without a change is played; of a longer one, no more than this."""
REPLAYED = 0
"""The epoch of a recording: no engine has it."""


class LinkLike(Protocol):
    """What a screen asks of its connection."""

    async def run(self) -> None:
        """Tell what happens until cancelled."""

    def hurry(self) -> None:
        """Try again now instead of waiting."""

    async def send(self, command: Command) -> None:
        """Send a command.

        Raises:
            NotConnected: it did not leave.
        """


class PlaceLike(Protocol):
    """Where a screen looks: ``engine.stream.runs.Place``, or a recording."""

    def operator(self) -> Operator:
        """Who gives commands here.

        Raises:
            NotFound: nobody does.
        """
        ...

    def link(self, on_event: Callable[[LinkEvent], None]) -> LinkLike:
        """What tells ``on_event`` everything that happens."""
        ...


class Replayed:
    """A recording as a place to look at."""

    def __init__(
        self, recording: Recording, monotonic_ns: Callable[[], int], *, at_once: bool = False
    ) -> None:
        """Play ``recording`` by the clock that is handed in, or tell all of it at once."""
        self._recording = recording
        self._monotonic_ns = monotonic_ns
        self._longest_s = 0.0 if at_once else SKIPPED_S

    def operator(self) -> Operator:
        """Nobody gives commands to the past.

        Raises:
            NotFound: always.
        """
        raise NotFound("this is a replay: nothing can be ordered here")

    def link(self, on_event: Callable[[LinkEvent], None]) -> "ReplayLink":
        """Plays the recording to ``on_event``."""
        return ReplayLink(self._recording, on_event, self._monotonic_ns, self._longest_s)


class ReplayLink:
    """Tells a recording from its beginning to its end."""

    def __init__(
        self,
        recording: Recording,
        on_event: Callable[[LinkEvent], None],
        monotonic_ns: Callable[[], int],
        longest_s: float,
    ) -> None:
        """Nothing is told before ``run``; it pauses no longer than ``longest_s`` anywhere."""
        self._longest_s = longest_s
        self._recording = recording
        self._on_event = on_event
        self._monotonic_ns = monotonic_ns

    async def run(self) -> None:
        """Play; returns at the end."""
        self._on_event(Connected(self._recording.source))
        due_s = self._monotonic_ns() / 1e9
        before_ns = self._recording.frames[0].at_ns
        for number, frame in enumerate(self._recording.frames, 1):
            due_s += min(self._longest_s, max(0, frame.at_ns - before_ns) / 1e9)
            before_ns = frame.at_ns
            await asyncio.sleep(max(0.0, due_s - self._monotonic_ns() / 1e9))
            snapshot = Snapshot(REPLAYED, number, frame.state)
            self._on_event(Received(snapshot, self._monotonic_ns()))

    def hurry(self) -> None:
        """There is nothing to wait for."""

    async def send(self, command: Command) -> None:
        """Refuse.

        Raises:
            NotConnected: always.
        """
        raise NotConnected(f"{command.id}: this is a replay, nothing was sent")
