"""The window without a window: the same scene, labels and panels, painted into pictures.

For films and for the pictures of the documentation. Needs no screen: VTK draws off screen and Qt
paints with its ``offscreen`` platform.
"""

import os
from datetime import UTC

import numpy as np
from PySide6.QtCore import QPoint, QRect
from PySide6.QtGui import QImage, QPainter, QRegion
from PySide6.QtWidgets import QApplication, QWidget

from controlroom.window.qt.bar import TransportBar
from controlroom.window.qt.drawer import Drawer
from controlroom.window.qt.fonts import load_fonts
from controlroom.window.qt.painting import LabelPainter
from controlroom.window.qt.panels import Panels
from controlroom.window.qt.style import SHEET
from controlroom.window.scene.eye import Eye
from controlroom.window.scene.labels import labels, placed
from controlroom.window.scene.model import Frame
from controlroom.window.scene.offscreen import SMOOTH, Picture, Studio
from controlroom.window.session import Session

SETTLES_S = 5.0
"""A camera has long arrived by then."""


def application() -> QApplication:
    """Qt for painting only, with the window's fonts; what runs already is kept."""
    running = QApplication.instance()
    if running is None:
        os.environ["QT_QPA_PLATFORM"] = "offscreen"
        running = QApplication(["main.py"])
        load_fonts()
    assert isinstance(running, QApplication)
    return running


class Photographer:
    """Takes pictures of a session.

    Args:
        session: of a recording, usually.
        width: of the pictures, in pixels.
        height: of the pictures, in pixels.
        presenting: with captions in place of panels.
        samples: a pixel, for smooth edges.
    """

    def __init__(
        self,
        session: Session,
        width: int = 1280,
        height: int = 800,
        *,
        presenting: bool = False,
        samples: int = SMOOTH,
    ) -> None:
        self._app = application()
        self._session = session
        self._image = QImage(width, height, QImage.Format.Format_RGB888)
        self._ground = QWidget()
        self._ground.setStyleSheet(SHEET)
        self._ground.resize(width, height)
        drawer = Drawer(self._ground, {}, replayed=not session.live)
        self.panels = Panels(self._ground, session, drawer, TransportBar(self._ground, UTC))
        self.panels.presenting = presenting
        self._free = self.panels.lay_out()
        self._labels = LabelPainter()
        self._framed = False
        self.studio = Studio(
            session.scene.buffers, self._free.width(), self._free.height(), samples
        )

    @property
    def renderer_name(self) -> str:
        """Who draws the scene."""
        return self.studio.renderer_name

    def picture(self, now_s: float) -> Picture:
        """What the window shows at ``now_s`` on its clock: ``(height, width, 3)``."""
        frame, eye = self.frame(now_s)
        scene = self.studio.picture(eye)
        height, width, _ = scene.shape
        self._image.fill(0)
        painter = QPainter(self._image)
        drawn = QImage(scene.tobytes(), width, height, 3 * width, QImage.Format.Format_RGB888)
        painter.drawImage(0, 0, drawn)
        self.panels.refresh(frame, now_s)
        self.write_labels(painter, frame, eye)
        self.write_panels(painter)
        painter.end()
        return pixels_of(self._image)

    def frame(self, now_s: float) -> tuple[Frame, Eye]:
        """Work out what is to be seen at ``now_s``, and by which eye."""
        width, height = self._free.width(), self._free.height()
        if not self._framed:
            # The camera finds out how large the council is from a frame, and flies there.
            self._session.frame(now_s - SETTLES_S, width, height)
            self._session.frame(now_s - SETTLES_S, width, height)
            self._framed = True
        return self._session.frame(now_s, width, height)

    def write_labels(self, painter: QPainter, frame: Frame, eye: Eye) -> int:
        """Paint the labels of ``frame``, clear of the panels; returns how many."""
        covered = [_box(it) for it in self.panels.covered()]
        found = placed(labels(frame, eye), eye, self._labels.measure, covered)
        self._labels.paint(painter, found)
        return len(found)

    def write_panels(self, painter: QPainter) -> None:
        """Paint the panels as they were refreshed last."""
        self._ground.render(painter, QPoint(), QRegion(), QWidget.RenderFlag.DrawChildren)

    def close(self) -> None:
        """Give everything back."""
        self.studio.close()
        self._ground.close()
        self._ground.deleteLater()


def _box(it: QRect) -> tuple[float, float, float, float]:
    return float(it.left()), float(it.top()), float(it.right()), float(it.bottom())


def pixels_of(image: QImage) -> Picture:
    """A picture's pixels, ``(height, width, 3)``."""
    image = image.convertToFormat(QImage.Format.Format_RGB888)
    rows = np.frombuffer(image.constBits(), np.uint8).reshape(image.height(), image.bytesPerLine())
    return rows[:, : 3 * image.width()].reshape(image.height(), image.width(), 3).copy()
