"""The stream in a thread of its own: the GUI takes what came, at its own pace."""

import asyncio
import contextlib
import threading
from collections import deque

from engine.stream.connection import (
    Answered,
    Connected,
    Happened,
    LinkEvent,
    Received,
    Waiting,
)
from engine.stream.link import NotConnected, Wish
from engine.stream.runs import Place
from engine.stream.wire import Command, Lane, Reply

NEWEST = 3
"""Snapshots that wait for the next frame: whoever is late wants the newest ones."""
MAX_HAPPENED = 512
"""Batches of trace events that wait; what is dropped is counted."""
WISH = Wish(hz=20, lanes=(Lane.TRACE,))
STOP_WITHIN_S = 3.0


class Feed:
    """Runs a link in a daemon thread and holds what it tells until ``take``."""

    def __init__(self, place: Place) -> None:
        """Nothing runs before ``start``."""
        self._place = place
        self._snapshots: deque[Received] = deque(maxlen=NEWEST)
        self._others: deque[LinkEvent] = deque(maxlen=MAX_HAPPENED)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._work: asyncio.Task[None] | None = None
        self._ready = threading.Event()
        self._thread: threading.Thread | None = None
        self.dropped = 0
        """Batches of messages that this window was too slow for."""
        self.failure = ""
        """Why the thread ended by itself; empty while it has not."""

    @property
    def running(self) -> bool:
        """Whether the thread lives."""
        return self._thread is not None and self._thread.is_alive()

    def start(self) -> None:
        """Begin to follow."""
        self._thread = threading.Thread(target=self._run, name="window feed", daemon=True)
        self._thread.start()
        self._ready.wait(STOP_WITHIN_S)

    def stop(self) -> None:
        """End the thread; returns when it has ended."""
        if self._thread is None:
            return
        loop, work = self._loop, self._work
        if loop is not None and work is not None and not loop.is_closed():
            loop.call_soon_threadsafe(work.cancel)
        self._thread.join(STOP_WITHIN_S)
        self._thread = None

    def take(self) -> tuple[list[Received], list[LinkEvent]]:
        """The newest states, and everything else in order, since the last time."""
        states = [self._snapshots.popleft() for _ in range(len(self._snapshots))]
        others = [self._others.popleft() for _ in range(len(self._others))]
        return states, others

    def send(self, command: Command) -> None:
        """Let a command leave; ``take`` gives the engine's answer, or why it did not leave."""
        loop = self._loop
        if loop is None or loop.is_closed():
            self._others.append(Answered(Reply(command.id, accepted=False, reason=_DOWN)))
            return
        asyncio.run_coroutine_threadsafe(self._send(command), loop)

    # --- in the thread ------------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            asyncio.run(self._follow())
        except Exception as error:  # a bug of ours must be seen, not end a thread in silence
            self.failure = f"{type(error).__name__}: {error}"
            self._ready.set()

    async def _follow(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._link = self._place.link(self._happened, WISH)
        self._work = asyncio.ensure_future(self._link.run())
        self._ready.set()
        with contextlib.suppress(asyncio.CancelledError):
            await self._work

    async def _send(self, command: Command) -> None:
        try:
            await self._link.send(command)
        except NotConnected as error:
            self._others.append(Answered(Reply(command.id, accepted=False, reason=str(error))))

    def _happened(self, event: LinkEvent) -> None:
        match event:
            case Received():
                self._snapshots.append(event)
            case Connected() | Waiting() | Happened() | Answered():
                self.dropped += len(self._others) == MAX_HAPPENED
                self._others.append(event)


_DOWN = "not connected: the command was not sent"
