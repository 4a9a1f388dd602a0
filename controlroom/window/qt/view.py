"""The 3D view: a VTK picture in the window, drawn once a frame, and the pointer over it.

Paced by ``frameSwapped``: the next frame is made when the last one is on screen, but not before a
sixtieth of a second has passed, since a screen without vsync would take hundreds. ``update()`` and
never ``render()``: that one would draw twice.
"""

import time
from collections.abc import Callable
from typing import Any

from PySide6.QtCore import QPointF, Qt, QTimer, Signal
from PySide6.QtGui import QMouseEvent, QWheelEvent
from PySide6.QtWidgets import QWidget
from pyvistaqt import QtInteractor

from controlroom.window.scene.build import Stage, point_camera
from controlroom.window.scene.eye import Eye
from controlroom.window.scene.model import Buffers

FRAME_S = 1 / 60
EARLY_S = 0.0015
"""A frame that is due this soon is made at once."""
HEARTBEAT_MS = 250
"""A window that the screen does not show is not told of frames: it looks after itself."""
CLICK_PX = 4
"""A pointer that moved less than this between press and release has clicked."""

MakeFrame = Callable[[int, int], Eye]
"""Writes the next frame into the buffers, for a picture of that size, and says by which eye."""


class SceneView(QtInteractor):
    """The scene in a widget; knows nothing of what it shows.

    Args:
        parent: the widget it fills.
        buffers: the memory that frames are written into.
        make_frame: called once for every frame, in the GUI's thread.
        samples: of multi-sampling; 0 for none.
    """

    clicked = Signal(QPointF)
    visited = Signal(QPointF)
    hovered = Signal(QPointF)
    turned = Signal(float, float)
    panned = Signal(float, float)
    zoomed = Signal(float)
    drawn = Signal()

    def __init__(
        self, parent: QWidget, buffers: Buffers, make_frame: MakeFrame, samples: int = 0
    ) -> None:
        super().__init__(parent, auto_update=False, multi_samples=samples)
        self._make_frame = make_frame
        self.stage = Stage(self.renderer, buffers)
        self.frames = 0
        self.intervals: list[float] = []
        """Seconds between the newest swaps, at most 4096."""
        self._swapped_s = 0.0
        self._begun_s = 0.0
        self._pressed: QPointF | None = None
        self._dragged: QPointF | None = None
        self._stopped = False
        self._due = QTimer(self)
        self._due.setSingleShot(True)
        self._due.setTimerType(Qt.TimerType.PreciseTimer)
        self._due.timeout.connect(self._draw)
        self._heartbeat = QTimer(self)
        self._heartbeat.timeout.connect(self._wake)
        self.frameSwapped.connect(self._after_swap)
        self.setMouseTracking(True)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)

    # --- the loop -----------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin to draw."""
        self._heartbeat.start(HEARTBEAT_MS)
        self._draw()

    def stop(self) -> None:
        """Draw no more."""
        self._stopped = True
        self._heartbeat.stop()
        self._due.stop()

    def _draw(self) -> None:
        if self._stopped:
            return
        self._begun_s = time.perf_counter()
        eye = self._make_frame(max(1, self.width()), max(1, self.height()))
        point_camera(self.renderer, eye)
        self.stage.refresh()
        self.update()
        self.drawn.emit()

    def _after_swap(self) -> None:
        now_s = time.perf_counter()
        if self._swapped_s:
            self.intervals.append(now_s - self._swapped_s)
            del self.intervals[:-4096]
        self._swapped_s = now_s
        self.frames += 1
        if self._stopped or self._due.isActive():
            return
        left_s = self._begun_s + FRAME_S - now_s
        self._due.start(max(0, round(left_s * 1000)) if left_s > EARLY_S else 0)

    def _wake(self) -> None:
        """Nothing was swapped for a while: the window was hidden, or is about to be shown."""
        idle_s = time.perf_counter() - max(self._swapped_s, self._begun_s)
        if idle_s * 1000 > HEARTBEAT_MS and not self._due.isActive():
            self._draw()

    def paintGL(self) -> None:
        """Draw, unless the window is being taken down."""
        if not self._stopped:
            super().paintGL()  # type: ignore[no-untyped-call]

    # --- what draws it ------------------------------------------------------------------------------

    def capabilities(self) -> str:
        """What the graphics driver says of itself; usable once the view has been shown."""
        window: Any = self.ren_win
        return str(window.ReportCapabilities())

    def set_samples(self, samples: int) -> None:
        """Smooth edges with so many samples a pixel."""
        window: Any = self.ren_win
        window.SetMultiSamples(samples)

    # --- the pointer --------------------------------------------------------------------------------

    def mousePressEvent(self, ev: QMouseEvent) -> None:
        """A drag or a click begins."""
        self._pressed = self._dragged = ev.position()
        ev.accept()

    def mouseMoveEvent(self, ev: QMouseEvent) -> None:
        """Turn with the left button, pan with another one or with shift."""
        at = ev.position()
        if self._dragged is None:
            self.hovered.emit(at)
            return
        moved = at - self._dragged
        self._dragged = at
        if not ev.buttons() & Qt.MouseButton.LeftButton or (
            ev.modifiers() & Qt.KeyboardModifier.ShiftModifier
        ):
            self.panned.emit(moved.x(), moved.y())
        else:
            self.turned.emit(moved.x(), moved.y())

    def mouseReleaseEvent(self, ev: QMouseEvent) -> None:
        """A click, if the pointer has stayed."""
        pressed, self._pressed, self._dragged = self._pressed, None, None
        if pressed is None or ev.button() != Qt.MouseButton.LeftButton:
            return
        if (ev.position() - pressed).manhattanLength() <= CLICK_PX:
            self.clicked.emit(ev.position())

    def mouseDoubleClickEvent(self, ev: QMouseEvent) -> None:
        """Visit what is there."""
        self.visited.emit(ev.position())

    def wheelEvent(self, ev: QWheelEvent) -> None:
        """Nearer, farther."""
        self.zoomed.emit(ev.angleDelta().y() / 120)
        ev.accept()

    def keyPressEvent(self, ev: Any) -> None:  # noqa: ANN401 -- as the base class has it
        """Keys are the window's."""
        ev.ignore()

    def keyReleaseEvent(self, ev: Any) -> None:  # noqa: ANN401 -- as the base class has it
        """Keys are the window's."""
        ev.ignore()
