"""The 3D view: a VTK picture in the window, drawn once a frame, and the pointer over it.

``update()`` and never ``render()``: that one would draw twice a frame.
"""

from collections.abc import Callable
from typing import Any

from PySide6.QtCore import QPointF, Qt, Signal
from PySide6.QtGui import QMouseEvent, QWheelEvent
from PySide6.QtWidgets import QWidget
from pyvistaqt import QtInteractor

from controlroom.window.qt.pacer import Pacer
from controlroom.window.scene.build import Stage, point_camera
from controlroom.window.scene.eye import Eye
from controlroom.window.scene.model import Buffers

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
        self.pacer = Pacer(self, self._draw)
        self._pressed: QPointF | None = None
        self._dragged: QPointF | None = None
        self.setMouseTracking(True)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)

    # --- the loop -----------------------------------------------------------------------------------

    @property
    def frames(self) -> int:
        """Frames that have been shown."""
        return self.pacer.frames

    def start(self) -> None:
        """Begin to draw."""
        self.pacer.start()

    def stop(self) -> None:
        """Draw no more."""
        self.pacer.stop()

    def _draw(self) -> None:
        eye = self._make_frame(max(1, self.width()), max(1, self.height()))
        point_camera(self.renderer, eye)
        self.stage.refresh()
        self.update()
        self.drawn.emit()

    def paintGL(self) -> None:
        """Draw, unless the window is being taken down."""
        if not self.pacer.stopped:
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
