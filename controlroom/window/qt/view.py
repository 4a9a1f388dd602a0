"""The 3D view: the scene on a canvas, drawn once a frame, and the pointer over it."""

from collections.abc import Callable
from typing import Any

from PySide6.QtCore import QPointF, Qt, Signal
from PySide6.QtGui import QMouseEvent, QResizeEvent, QWheelEvent
from PySide6.QtWidgets import QWidget

from controlroom.window.qt.canvas import Canvas, CardCanvas, PaintedCanvas
from controlroom.window.qt.graphics import Drawing
from controlroom.window.qt.pacer import Pacer
from controlroom.window.scene.eye import Eye
from controlroom.window.scene.model import Buffers

CLICK_PX = 4
"""A pointer that moved less than this between press and release has clicked."""

MakeFrame = Callable[[int, int], Eye]
"""Writes the next frame into the buffers, for a picture of that size, and says by which eye."""


class SceneView(QWidget):
    """The scene in a widget; knows nothing of what it shows.

    Args:
        parent: the widget it fills.
        buffers: the memory that frames are written into.
        make_frame: called once for every frame, in the GUI's thread.
        drawing: how it is drawn.
    """

    clicked = Signal(QPointF)
    visited = Signal(QPointF)
    hovered = Signal(QPointF)
    turned = Signal(float, float)
    panned = Signal(float, float)
    zoomed = Signal(float)
    drawn = Signal()

    def __init__(
        self, parent: QWidget, buffers: Buffers, make_frame: MakeFrame, drawing: Drawing
    ) -> None:
        super().__init__(parent)
        self._make_frame = make_frame
        made = (PaintedCanvas if drawing.painted else CardCanvas)(self, buffers, drawing)
        made.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        made.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self._widget: QWidget = made
        self.canvas: Canvas = made
        self.pacer = Pacer(self, self.canvas.shown, self._draw)
        self._pressed: QPointF | None = None
        self._dragged: QPointF | None = None
        self.setMouseTracking(True)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)

    # --- the loop -----------------------------------------------------------------------------------

    @property
    def frames(self) -> int:
        """Frames that have been shown."""
        return self.pacer.frames

    @property
    def renderer(self) -> Any:  # noqa: ANN401 -- VTK's stubs know its events by number only
        """What VTK draws the scene with."""
        return self.canvas.renderer

    def start(self) -> None:
        """Begin to draw."""
        self.pacer.start()

    def stop(self) -> None:
        """Draw no more."""
        self.pacer.stop()

    def give_back(self) -> None:
        """Draw no more, ever, and leave nothing behind."""
        self.stop()
        self.canvas.give_back()

    def _draw(self) -> None:
        eye = self._make_frame(max(1, self.width()), max(1, self.height()))
        self.canvas.show_frame(eye)
        self.drawn.emit()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """The canvas fills it."""
        super().resizeEvent(event)
        self._widget.setGeometry(self.rect())

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
