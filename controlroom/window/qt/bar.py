"""The transport bar: what is shown when, with what happened marked on it."""

from collections.abc import Sequence
from datetime import UTC, datetime, tzinfo
from typing import NamedTuple

from PySide6.QtCore import QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import (
    QFontMetricsF,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPen,
    QPixmap,
    QPolygonF,
)
from PySide6.QtWidgets import QWidget

from controlroom.window.qt.fonts import BODY, SMALL, font
from controlroom.window.qt.painting import qcolor
from controlroom.window.scene.episode import NOT_DONE, UNKNOWN
from controlroom.window.scene.palette import BAD, DIM, GOLD, INK, KINDS, LINE, OK, WARN, Colour
from controlroom.window.timeline import Mark
from controlroom.window.transport import Mode, Shown
from engine.stream.state import ScreenState

HEIGHT = 46
_LEFT, _RIGHT = 150, 196
LIVE_SPAN_S = 180.0
"""A live bar shows the last three minutes while it follows."""
_LOOKS: dict[str, tuple[Colour, str]] = {
    "opened": (BAD, "▲"),
    "open": (BAD, "▲"),
    "diagnosed": (WARN, "◆"),
    "proposed": (KINDS["pre-prepare"].colour, "●"),
    "assessed": (KINDS["prepare"].colour, "·"),
    "asks": (WARN, "■"),
    "decided": (KINDS["commit"].colour, "◆"),
    "certificate": (GOLD, "■"),
    "acted": (GOLD, "▼"),
    "undone": (WARN, "▲"),
    "convicted": (BAD, "✖"),
    "recovered": (OK, "·"),
    "closed": (OK, "●"),
}
_TOLD = frozenset(_LOOKS)


def _look_of(mark: Mark) -> tuple[Colour, str]:
    """How a mark looks; an action that was not carried out does not look like one that was."""
    if mark.entry.outcome in (NOT_DONE, UNKNOWN):
        return (BAD, "✖") if mark.entry.outcome == NOT_DONE else (WARN, "■")
    return _LOOKS[mark.entry.kind]


class Passage(NamedTuple):
    """What the bar shows."""

    shown: Shown
    first_s: float
    last_s: float
    marks: Sequence[Mark]
    state: ScreenState
    live: bool


class TransportBar(QWidget):
    """Shows the passage and lets it be scrubbed."""

    scrubbed = Signal(float)
    toggled = Signal()

    def __init__(self, parent: QWidget, zone: tzinfo | None) -> None:
        super().__init__(parent)
        self.setFixedHeight(HEIGHT)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.setAccessibleName("transport")
        self._painted = QPixmap()
        self.painted = 0
        """How often it was painted anew."""
        self._zone = zone
        self._passage: Passage | None = None
        self._said: tuple[object, ...] = ()

    def show_passage(self, passage: Passage) -> None:
        """Show ``passage``; repaints when a pixel of it has changed."""
        self._passage = passage
        said = (
            passage.shown.mode,
            passage.shown.speed,
            passage.shown.skipping,
            round(self._x_of(passage.shown.t_s)),
            self._clock(),
            len(passage.marks),
            round(passage.last_s - passage.first_s),
            self.width(),
        )
        if said != self._said:
            self._said = said
            self.painted += 1
            self.update()

    # --- geometry -----------------------------------------------------------------------------------

    def _span(self) -> tuple[float, float]:
        """The seconds at the ends of the track."""
        passage = self._passage
        if passage is None:
            return 0.0, 1.0
        first_s, last_s = passage.first_s, max(passage.last_s, passage.first_s + 1.0)
        if passage.live and passage.shown.t_s >= last_s - LIVE_SPAN_S:
            first_s = max(first_s, last_s - LIVE_SPAN_S)
        return first_s, last_s

    def _track(self) -> tuple[float, float]:
        return float(_LEFT), float(max(_LEFT + 40, self.width() - _RIGHT))

    def _x_of(self, t_s: float) -> float:
        left, right = self._track()
        first_s, last_s = self._span()
        share = (t_s - first_s) / (last_s - first_s)
        return left + (right - left) * min(1.0, max(0.0, share))

    def _t_of(self, x: float) -> float:
        left, right = self._track()
        first_s, last_s = self._span()
        return first_s + (last_s - first_s) * min(1.0, max(0.0, (x - left) / (right - left)))

    def x_of(self, t_s: float) -> int:
        """The pixel at which ``t_s`` stands."""
        return round(self._x_of(t_s))

    # --- painting -----------------------------------------------------------------------------------

    def paintEvent(self, _event: QPaintEvent) -> None:
        """Word, track, marks, clock."""
        passage = self._passage
        painter = QPainter(self)
        painter.drawPixmap(0, 0, self._ground())
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        if passage is not None:
            glyph, word, colour = self._word(passage)
            self._say(painter, 16, glyph, colour, size=BODY + 2)
            self._say(painter, 38, word, colour, bold=True)
            self._paint_track(painter, passage)
            right = self.width() - _RIGHT + 18
            self._say(painter, right, self._clock(), INK, mono=True)
            speed = f"{passage.shown.speed:g}×"
            self._say(painter, right + 98, speed, DIM, mono=True)
            if passage.shown.skipping:
                self._say(painter, right + 140, "skips", DIM, size=SMALL)
        painter.end()

    def _ground(self) -> QPixmap:
        """The bar's ground, painted once a size: smooth corners that wide cost 2 ms."""
        ratio = self.devicePixelRatioF()
        wanted = QSize(round(self.width() * ratio), round(HEIGHT * ratio))
        if self._painted.size() != wanted:
            self._painted = QPixmap(wanted)
            self._painted.setDevicePixelRatio(ratio)
            self._painted.fill(Qt.GlobalColor.transparent)
            painter = QPainter(self._painted)
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            painter.setPen(QPen(qcolor((120, 152, 214), 0.24), 1))
            painter.setBrush(qcolor((8, 15, 31), 0.84))
            painter.drawRoundedRect(QRectF(0.5, 0.5, self.width() - 1, HEIGHT - 1), 9, 9)
            painter.end()
        return self._painted

    @staticmethod
    def _word(passage: Passage) -> tuple[str, str, Colour]:
        match passage.shown.mode:
            case Mode.FOLLOWING:
                return "●", "LIVE", OK
            case Mode.PLAYING:
                return "▶", "PLAYING" if passage.live else "REPLAY", KINDS["pre-prepare"].colour
            case Mode.PAUSED:
                return "‖", "PAUSED", WARN

    def _paint_track(self, painter: QPainter, passage: Passage) -> None:
        left, right = self._track()
        middle = HEIGHT / 2
        at = self._x_of(passage.shown.t_s)
        painter.setPen(QPen(qcolor(LINE, 0.45), 2))
        painter.drawLine(QPointF(left, middle), QPointF(right, middle))
        painter.setPen(QPen(qcolor(KINDS["pre-prepare"].colour), 2))
        painter.drawLine(QPointF(left, middle), QPointF(at, middle))
        first_s, last_s = self._span()
        for mark in passage.marks:
            if mark.entry.kind in _TOLD and first_s <= mark.t_s <= last_s:
                self._paint_mark(painter, _look_of(mark), self._x_of(mark.t_s), middle)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(qcolor(INK))
        painter.drawRoundedRect(QRectF(at - 2, middle - 11, 4, 22), 2, 2)

    @staticmethod
    def _paint_mark(painter: QPainter, look: tuple[Colour, str], x: float, y: float) -> None:
        """A shape of its own for each kind: the colour only helps."""
        colour, glyph = look
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(qcolor(colour))
        size = 2.0 if glyph == "·" else 5.0
        match glyph:
            case "▲" | "▼":
                tip = -size if glyph == "▲" else size
                corners = [
                    QPointF(x, y + tip),
                    QPointF(x - size, y - tip),
                    QPointF(x + size, y - tip),
                ]
                painter.drawPolygon(QPolygonF(corners))
            case "◆":
                corners = [
                    QPointF(x, y - size),
                    QPointF(x + size, y),
                    QPointF(x, y + size),
                    QPointF(x - size, y),
                ]
                painter.drawPolygon(QPolygonF(corners))
            case "■":
                painter.drawRect(QRectF(x - size + 0.5, y - size + 0.5, 2 * size - 1, 2 * size - 1))
            case "✖":
                painter.setPen(QPen(qcolor(colour), 2.4))
                painter.drawLine(QPointF(x - 4, y - 4), QPointF(x + 4, y + 4))
                painter.drawLine(QPointF(x - 4, y + 4), QPointF(x + 4, y - 4))
            case _:
                painter.drawEllipse(QPointF(x, y), size, size)

    def _say(
        self, painter: QPainter, x: float, words: str, colour: Colour,
        *, size: int = BODY, mono: bool = False, bold: bool = False,
    ) -> None:  # fmt: skip
        chosen = font(size, mono=mono, bold=bold)
        measure = QFontMetricsF(chosen)
        painter.setFont(chosen)
        painter.setPen(qcolor(colour))
        painter.drawText(QPointF(x, (HEIGHT + measure.ascent() - measure.descent()) / 2), words)

    def _clock(self) -> str:
        """What the clock on the wall showed then."""
        passage = self._passage
        if passage is None or not passage.state.at_ms:
            return "--:--:--"
        at = datetime.fromtimestamp(passage.state.at_ms / 1000, UTC).astimezone(self._zone)
        return at.strftime("%H:%M:%S")

    # --- the pointer --------------------------------------------------------------------------------

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Scrub, or pause and go on at the word."""
        if event.position().x() < _LEFT - 8:
            self.toggled.emit()
        else:
            self.scrubbed.emit(self._t_of(event.position().x()))

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Scrub on."""
        if event.buttons() and event.position().x() >= _LEFT - 8:
            self.scrubbed.emit(self._t_of(event.position().x()))
