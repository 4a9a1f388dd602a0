"""What the scene is drawn on: the window itself by a graphics card, or a picture by the processor."""

from math import sqrt
from typing import Any, Protocol

from PySide6.QtCore import QRectF, QSize, Qt, Signal
from PySide6.QtGui import QImage, QPainter, QPaintEvent
from PySide6.QtWidgets import QWidget
from pyvistaqt import QtInteractor
from vtkmodules.vtkRenderingCore import vtkRenderer

from controlroom.window.qt.graphics import Drawing
from controlroom.window.scene.build import Stage, point_camera
from controlroom.window.scene.eye import Eye
from controlroom.window.scene.model import Buffers
from controlroom.window.scene.offscreen import Studio


class Canvas(Protocol):
    """A widget that shows the scene."""

    renderer: vtkRenderer
    stage: Stage
    shown: Any
    """Qt's signal that a frame is on screen."""

    def show_frame(self, eye: Eye) -> None:
        """Show what the buffers hold, as ``eye`` sees it."""
        ...

    def give_back(self) -> None:
        """Let go of everything that was drawn with."""
        ...


class CardCanvas(QtInteractor):
    """A graphics card draws into the window.

    ``update()`` and never ``render()``: that one would draw twice a frame.
    """

    def __init__(self, parent: QWidget, buffers: Buffers, drawing: Drawing) -> None:
        super().__init__(parent, auto_update=False, multi_samples=drawing.samples)
        self.stage = Stage(self.renderer, buffers, plain=drawing.plain)
        self.shown = self.frameSwapped
        self._over = False

    def show_frame(self, eye: Eye) -> None:
        """Show what the buffers hold, as ``eye`` sees it."""
        point_camera(self.renderer, eye)
        self.stage.refresh()
        self.update()

    def paintGL(self) -> None:
        """Draw, unless the window is being taken down."""
        if not self._over:
            super().paintGL()  # type: ignore[no-untyped-call]

    def give_back(self) -> None:
        """Let go of everything that was drawn with."""
        self._over = True
        self.stage.close()
        self.close()


class PaintedCanvas(QWidget):
    """The processor draws a picture, and it is painted like any other widget."""

    shown = Signal()

    def __init__(self, parent: QWidget, buffers: Buffers, drawing: Drawing) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_OpaquePaintEvent)
        self._most_pixels = drawing.most_pixels
        self._studio = Studio(buffers, 1, 1, drawing.samples, plain=drawing.plain)
        self.renderer, self.stage = self._studio.renderer, self._studio.stage
        self._image = QImage()
        self._fresh = False

    @property
    def picture(self) -> QImage:
        """What was drawn last."""
        return self._image

    def show_frame(self, eye: Eye) -> None:
        """Show what the buffers hold, as ``eye`` sees it."""
        size = drawn_size(self.size() * self.devicePixelRatioF(), self._most_pixels)
        self._studio.resize(size.width(), size.height())
        pixels = self._studio.pixels(eye)
        height, width, depth = pixels.shape
        drawn = QImage(pixels.data, width, height, depth * width, QImage.Format.Format_RGBX8888)
        # OpenGL's rows begin at the bottom; and what is of the screen's own format is painted faster.
        self._image = drawn.flipped().convertToFormat(QImage.Format.Format_RGB32)
        self._fresh = True
        self.update()

    def paintEvent(self, _event: QPaintEvent) -> None:
        """Put the picture on the screen, or those parts of it that something has lain over."""
        painter = QPainter(self)
        painter.setRenderHint(
            QPainter.RenderHint.SmoothPixmapTransform, self._image.width() < self.width()
        )
        painter.drawImage(QRectF(self.rect()), self._image)
        painter.end()
        if self._fresh:
            self._fresh = False
            self.shown.emit()

    def give_back(self) -> None:
        """Let go of everything that was drawn with."""
        self._studio.close()


def drawn_size(wanted: QSize, most_pixels: int) -> QSize:
    """The size of a picture in the shape of ``wanted``, of at most ``most_pixels`` (0: any) pixels."""
    pixels = max(1, wanted.width() * wanted.height())
    share = min(1.0, sqrt(most_pixels / pixels)) if most_pixels else 1.0
    return QSize(max(1, int(share * wanted.width())), max(1, int(share * wanted.height())))
