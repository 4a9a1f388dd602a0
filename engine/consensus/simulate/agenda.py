"""Virtual time: what is to happen, by when it is due and then in the order of asking."""

import heapq
from collections import deque
from collections.abc import Callable

Action = Callable[[], None]


class Agenda:
    """Actions by the millisecond at which they are due. One millisecond holds many."""

    def __init__(self, now_ms: int) -> None:
        self.now_ms = now_ms
        self._due: dict[int, deque[Action]] = {}
        self._times: list[int] = []

    def at(self, delay_ms: int, action: Action) -> None:
        """Have ``action`` happen in ``delay_ms``, after all that is due then already."""
        due_ms = self.now_ms + delay_ms
        actions = self._due.get(due_ms)
        if actions is None:
            self._due[due_ms] = deque((action,))
            heapq.heappush(self._times, due_ms)
        else:
            actions.append(action)

    def run(self, for_ms: int, until: Callable[[], bool], every_ms: int) -> bool:
        """Let time pass; True as soon as ``until`` holds, which is asked at most ``every_ms``."""
        end_ms, checked_ms = self.now_ms + for_ms, 0
        while self._times and self._times[0] <= end_ms:
            self.now_ms = self._times[0]
            actions = self._due[self.now_ms]
            while actions:
                actions.popleft()()
                if self.now_ms > checked_ms + every_ms:
                    checked_ms = self.now_ms
                    if until():
                        return True
            del self._due[heapq.heappop(self._times)]
        self.now_ms = end_ms
        return until()
