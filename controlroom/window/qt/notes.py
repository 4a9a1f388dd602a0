"""Short messages to the viewer, and the sentences of the presentation."""

from PySide6.QtCore import QPointF, QRect, QRectF, Qt, QTimer
from PySide6.QtGui import QFont, QFontMetricsF, QPainter, QPaintEvent, QPixmap
from PySide6.QtWidgets import QLabel, QWidget

from controlroom.window.captions import Caption
from controlroom.window.cards import Card, Row, text
from controlroom.window.qt.fonts import CAPTION, SMALL, TITLE, font
from controlroom.window.qt.painting import Sheet, qcolor
from controlroom.window.scene.palette import DIM, INK, Colour

TOAST_MS = 4_000
CAPTION_HIGH = 132


class Toast(QLabel):
    """One line that leaves by itself."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setObjectName("toast")
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self._leaving = QTimer(self)
        self._leaving.setSingleShot(True)
        self._leaving.timeout.connect(self.hide)
        self.hide()

    def say(self, words: str, *, good: bool = True) -> None:
        """Show a line for some seconds."""
        self.setText(f"{'✓' if good else '✖'}  {words}")
        self.adjustSize()
        parent = self.parentWidget()
        if parent is not None:
            self.move((parent.width() - self.width()) // 2, parent.height() - 120)
        self.show()
        self.raise_()
        self._leaving.start(TOAST_MS)


class CaptionStrip(QWidget):
    """The sentence of the presentation, large, across the lower part of the picture."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self.setFixedHeight(CAPTION_HIGH)
        self.caption: Caption | None = None
        self._sheet = Sheet()
        self._painted: tuple[Caption | None, int] = (None, 0)
        self._pixmap = QPixmap()
        self.hide()

    def say(self, caption: Caption) -> None:
        """Show a sentence."""
        if caption != self.caption:
            self.caption = caption
            self.setAccessibleName(f"{caption.title}. {caption.sub}")
            self.update()

    @property
    def covered(self) -> QRect:
        """What the sentence covers of the window."""
        if self.caption is None:
            return QRect()
        return _box(self.caption, self.width()).toAlignedRect().translated(self.pos())

    def paintEvent(self, _event: QPaintEvent) -> None:
        """Put the sentence on the screen; where the scene is painted, that is once a frame."""
        if self._painted != (self.caption, self.width()):
            self._painted = (self.caption, self.width())
            self._pixmap = self._sheet.painted(
                self.width(), CAPTION_HIGH, self.devicePixelRatioF(),
                lambda painter: paint_caption(painter, self.caption, self.width()),
            )  # fmt: skip
        painter = QPainter(self)
        painter.drawPixmap(0, 0, self._pixmap)
        painter.end()


def _rows(caption: Caption) -> tuple[tuple[str, QFont, Colour, float], ...]:
    """Words, font, colour and base line of each row."""
    return (
        (caption.eyebrow, font(SMALL + 1, mono=True), caption.colour, 26.0),
        (caption.title, font(CAPTION + 4, bold=True), INK, 66.0),
        (caption.sub, font(TITLE), DIM, 98.0),
    )


def _box(caption: Caption, width: int) -> QRectF:
    """What a sentence covers of a strip of ``width`` pixels."""
    widest = max(
        QFontMetricsF(chosen).horizontalAdvance(words) for words, chosen, _, _ in _rows(caption)
    )
    wide = min(width - 40.0, widest + 72)
    return QRectF((width - wide) / 2, 0, wide, 118)


def paint_caption(painter: QPainter, caption: Caption | None, width: int) -> None:
    """Paint a sentence at the painter's origin, across ``width`` pixels."""
    if caption is None:
        return
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    rows, box = _rows(caption), _box(caption, width)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(qcolor((4, 8, 18), 0.72))
    painter.drawRoundedRect(box, 14, 14)
    painter.setBrush(qcolor(caption.colour))
    painter.drawRoundedRect(QRectF(width / 2 - 22, 0, 44, 3), 1.5, 1.5)
    for words, chosen, colour, base in rows:
        measure = QFontMetricsF(chosen)
        said = measure.elidedText(words, Qt.TextElideMode.ElideRight, box.width() - 48)
        painter.setFont(chosen)
        painter.setPen(qcolor(colour))
        x = (width - measure.horizontalAdvance(said)) / 2
        painter.drawText(QPointF(x, base), said)


def waiting_card(reason: str, retry_s: int, address: str) -> Card:
    """What the window says while there is no engine."""
    again = f"next try in {retry_s} s" if retry_s else "trying now"
    rows: list[Row] = [
        text("○  Waiting for an engine", INK, large=True),
        text(reason or "looking for one", DIM),
        text(again, DIM, mono=True),
    ]
    if address:
        rows.append(text(address, DIM, mono=True))
    return Card("", tuple(rows))


def stale_card(reason: str, age_s: float, retry_s: int) -> Card:
    """What the window says when it shows what is no longer current."""
    again = f"; next try in {retry_s} s" if retry_s else ""
    words = f"✖ NOT CONNECTED  shown is what was {age_s:.0f} s ago{again}"
    return Card("", (text(words, (255, 90, 54)), text(reason, DIM)), (255, 90, 54))
