"""An event loop that serves few sockets in one turn, so that no crowd delays what the clock has due.

asyncio takes everything that is ready before it looks at its timers again: a thousand screens that
speak in one moment would hold up the engine for thirty milliseconds. The kernel hands out what is
ready in turn, so that taking a few at a time starves nobody.
"""

import asyncio
import os
import select
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

SOCKETS_A_TURN = 8
"""Some 30 us each, and 1 ms for one that means harm: timers wait for no longer than that."""


class FewAtATime(selectors.EpollSelector):
    """The usual selector, that tells of at most ``SOCKETS_A_TURN`` sockets at once."""

    def __init__(self) -> None:
        super().__init__()
        # The same epoll instance by another descriptor: the parent's own object is private.
        self._same = select.epoll.fromfd(os.dup(self.fileno()))

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Sockets that are ready, and what for; an empty list after ``timeout`` seconds."""
        wait_s = None if timeout is None else max(timeout, 0.0)
        keys = self.get_map()
        found = []
        for descriptor, ready in self._same.poll(wait_s, SOCKETS_A_TURN):
            key = keys[descriptor]
            # An error or a hang-up (neither bit) wakes readers and writers.
            events = (selectors.EVENT_WRITE if ready & ~select.EPOLLIN else 0) | (
                selectors.EVENT_READ if ready & ~select.EPOLLOUT else 0
            )
            if events & key.events:
                found.append((key, events & key.events))
        return found

    def close(self) -> None:
        """Let go of the descriptors."""
        self._same.close()
        super().close()


def run(main: Coroutine[Any, Any, T]) -> T:
    """``asyncio.run`` with short turns."""
    with asyncio.Runner(loop_factory=_loop) as runner:
        return runner.run(main)


def _loop() -> asyncio.AbstractEventLoop:
    return asyncio.SelectorEventLoop(FewAtATime())
