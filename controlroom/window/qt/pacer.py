"""When the next frame is drawn: after the last one is on screen, and not before it is due.

The next frame is made when the last one is on screen, but not before a sixtieth of a second has
passed, since a screen without vsync would take hundreds.
"""

import time
from collections import deque
from collections.abc import Callable

from PySide6.QtCore import QObject, Qt, QTimer, SignalInstance

FRAME_S = 1 / 60
EARLY_S = 0.0015
"""A frame that is due this soon is made at once."""
HEARTBEAT_MS = 250
"""A window that the screen does not show is not told of frames: it looks after itself."""
REMEMBERED = 4_096


class Pacer(QObject):
    """Calls ``draw`` for each frame that shall be shown.

    Args:
        owner: whoever it lives with.
        shown: tells that a frame is on screen.
        draw: makes the next frame and lets it be shown.
    """

    def __init__(
        self, owner: QObject, shown: SignalInstance, draw: Callable[[], None],
    ) -> None:  # fmt: skip
        super().__init__(owner)
        self.frame_s = FRAME_S
        """The least time between two frames; 0 for as many as there can be."""
        self.frames = 0
        self.intervals: deque[float] = deque(maxlen=REMEMBERED)
        """Seconds between the newest swaps."""
        self._draw = draw
        self._swapped_s = 0.0
        self._begun_s = 0.0
        self.stopped = False
        self._due = QTimer(self)
        self._due.setSingleShot(True)
        self._due.setTimerType(Qt.TimerType.PreciseTimer)
        self._due.timeout.connect(self._begin)
        self._heartbeat = QTimer(self)
        self._heartbeat.timeout.connect(self._wake)
        shown.connect(self._after_swap)

    def start(self) -> None:
        """Begin to draw."""
        self._heartbeat.start(HEARTBEAT_MS)
        self._begin()

    def stop(self) -> None:
        """Draw no more."""
        self.stopped = True
        self._heartbeat.stop()
        self._due.stop()

    def _begin(self) -> None:
        if not self.stopped:
            self._begun_s = time.perf_counter()
            self._draw()

    def _after_swap(self) -> None:
        now_s = time.perf_counter()
        if self._swapped_s:
            self.intervals.append(now_s - self._swapped_s)
        self._swapped_s = now_s
        self.frames += 1
        if self.stopped or self._due.isActive():
            return
        left_s = self._begun_s + self.frame_s - now_s
        self._due.start(max(0, round(left_s * 1000)) if left_s > EARLY_S else 0)

    def _wake(self) -> None:
        """Nothing was swapped for a while: the window was hidden, or is about to be shown."""
        idle_s = time.perf_counter() - max(self._swapped_s, self._begun_s)
        if idle_s * 1000 > HEARTBEAT_MS and not self._due.isActive():
            self._begin()
