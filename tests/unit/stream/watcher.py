"""A link that runs and remembers what it told."""

import asyncio
import random
from collections.abc import Callable
from typing import TYPE_CHECKING

from engine.clock import SystemClock
from engine.stream.connection import Happened, LinkEvent, Received, Waiting
from engine.stream.link import Link, Target, Wish

if TYPE_CHECKING:
    from engine.stream.state import ScreenState
    from engine.stream.wire import Event

TOKEN = "t" * 43


class Watcher:
    """Runs a link and keeps the last state, the events, and why it waited."""

    def __init__(self, find: Callable[[], Target], wish: Wish | None = None) -> None:
        self.state: ScreenState | None = None
        self.received = 0
        self.told: list[Event] = []
        self.lost = 0
        self.reasons: list[str] = []
        self.link = Link(find, self._take, SystemClock(), random.Random(1), wish)

    def _take(self, event: LinkEvent) -> None:
        match event:
            case Received(snapshot):
                self.state = snapshot.state
                self.received += 1
            case Happened(events, lost):
                self.told += events
                self.lost += lost
            case Waiting(reason):
                self.reasons.append(reason)
            case _:
                pass

    async def __aenter__(self) -> "Watcher":
        self._task = asyncio.create_task(self.link.run())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
