"""A Qt binding that loses references to None kills the window within half a minute of frames.

PySide6 6.12.0 did so on Python 3.11, in nearly every call; the pin keeps it out, this would show it.
"""

import sys
from typing import TYPE_CHECKING

import pytest
from PySide6.QtCore import QPointF, QRectF, QTimer
from PySide6.QtGui import QColor, QImage, QPainter, QPixmap
from PySide6.QtWidgets import QLabel
from pytestqt.qtbot import QtBot

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.window
CALLS = 200
NOISE = 20


def test_calls_that_a_frame_makes_lose_no_reference_to_none(qtbot: QtBot) -> None:
    image = QImage(64, 64, QImage.Format.Format_ARGB32_Premultiplied)
    painter, label, timer = QPainter(image), QLabel(), QTimer()
    qtbot.addWidget(label)
    pixmap = QPixmap(8, 8)
    pixmap.fill(QColor("red"))
    calls: dict[str, Callable[[], object]] = {
        "drawPixmap": lambda: painter.drawPixmap(QPointF(1, 1), pixmap),
        "drawRoundedRect": lambda: painter.drawRoundedRect(QRectF(0, 0, 5, 5), 1, 1),
        "setPen": lambda: painter.setPen(QColor("red")),
        "setOpacity": lambda: painter.setOpacity(0.5),
        "update": label.update,
        "setText": lambda: label.setText("x"),
        "move": lambda: label.move(1, 1),
        "start": lambda: timer.start(60_000),
        "stop": timer.stop,
    }
    lost: dict[str, int] = {}
    for name, call in calls.items():
        call()
        before = sys.getrefcount(None)
        for _ in range(CALLS):
            call()
        if sys.getrefcount(None) < before - NOISE:
            lost[name] = before - sys.getrefcount(None)
    painter.end()

    assert lost == {}
