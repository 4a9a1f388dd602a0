"""A Qt binding that loses references to None kills the window within half a minute of frames.

PySide6 6.12.0 did so on Python 3.11, in nearly every call; the pin keeps it out, this would show it.
"""

import sys
from typing import TYPE_CHECKING

import pytest
from PySide6.QtCore import QPointF, QRectF, QTimer
from PySide6.QtGui import QColor, QImage, QPainter, QPixmap
from PySide6.QtWidgets import QLabel, QWidget
from pytestqt.qtbot import QtBot

from controlroom.window.captions import Caption
from controlroom.window.cards import Card, text
from controlroom.window.qt.notes import CaptionStrip
from controlroom.window.qt.overlay import Panel
from controlroom.window.qt.painting import LabelPainter
from controlroom.window.scene.palette import INK
from controlroom.window.scene.placing import Label, Side

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


def test_panels_and_labels_that_are_painted_anew_take_no_references_to_none(qtbot: QtBot) -> None:
    ground, picture = QWidget(), QPixmap(300, 140)
    qtbot.addWidget(ground)
    panel, labels, strip = Panel(ground, 300), LabelPainter(), CaptionStrip(ground)

    def paint(number: int) -> None:
        panel.show_card(Card("COUNCIL", (text(f"round {number}"),)))
        labels.measure(Label("a", (0.0, 0.0, 0.0), "a", f"{number}/s", INK, 1, (Side.ABOVE,)))
        strip.say(Caption("NOW", f"sentence {number}", "", INK))
        strip.render(picture)

    for number in range(10):
        paint(number)
    before = sys.getrefcount(None)
    for number in range(10, CALLS):
        paint(number)

    assert abs(sys.getrefcount(None) - before) <= NOISE
