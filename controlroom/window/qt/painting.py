"""Cards and labels with a ``QPainter``: on a widget of the window, or on a picture off screen."""

from collections import OrderedDict
from collections.abc import Callable, Sequence

from PySide6.QtCore import QPoint, QPointF, QRect, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QFontMetricsF, QPainter, QPen, QPixmap

from controlroom.window.cards import Bar, Card, Row, Span, Spark, Text
from controlroom.window.qt.fonts import BODY, LARGE, SMALL, font
from controlroom.window.scene.labels import Label, Placed
from controlroom.window.scene.palette import BAD, DIM, INK, OK, Colour

PAD, LINE, LINE_LARGE, BAR_HIGH, SPARK_HIGH = 14, 20, 28, 28, 34
_PANEL = QColor(8, 15, 31, 214)
_EDGE = QColor(120, 152, 214, 62)
_TRACK = QColor(42, 60, 104)
_TICK = QColor(255, 255, 255)
_LABEL_LINE, _SUB_LINE, _LABEL_PAD = 17, 14, 6
MAX_PIXMAPS = 512


def qcolor(colour: Colour, opacity: float = 1.0) -> QColor:
    """Qt's form of a colour."""
    return QColor(*colour, round(255 * opacity))


class Sheet:
    """One pixmap that everything is painted on in turn; what is kept is a copy.

    PySide (6.11) takes six references to None for each new thing that is painted on, and never gives
    them back; for one that it has seen before it takes none.
    """

    def __init__(self) -> None:
        self._pixmap = QPixmap()

    def painted(
        self, width: float, height: float, ratio: float, paint: Callable[[QPainter], None]
    ) -> QPixmap:
        """What ``paint`` paints at the painter's origin, so large in logical pixels."""
        size = QSize(round(width * ratio), round(height * ratio))
        if size.width() > self._pixmap.width() or size.height() > self._pixmap.height():
            self._pixmap = QPixmap(size.expandedTo(self._pixmap.size()))
        self._pixmap.setDevicePixelRatio(ratio)
        self._pixmap.fill(Qt.GlobalColor.transparent)
        painter = QPainter(self._pixmap)
        paint(painter)
        painter.end()
        return self._pixmap.copy(QRect(QPoint(), size))


# --- cards --------------------------------------------------------------------------------------------


def height_of(card: Card) -> int:
    """How high a card is, in pixels."""
    title = LINE if card.title else 0
    return round(2 * PAD - 6 + title + sum(map(_row_height, card.rows)))


def _row_height(row: Row) -> int:
    match row:
        case Text():
            return LINE_LARGE if row.large else LINE
        case Bar():
            return BAR_HIGH
        case Spark():
            return SPARK_HIGH


def paint_card(painter: QPainter, card: Card, width: int) -> None:
    """Paint a card at the painter's origin, ``width`` pixels wide."""
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    frame = QRectF(0.5, 0.5, width - 1, height_of(card) - 1)
    painter.setPen(QPen(qcolor(card.edge, 0.55) if card.edge else _EDGE, 1))
    painter.setBrush(_PANEL)
    painter.drawRoundedRect(frame, 9, 9)
    if card.edge is not None:
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(qcolor(card.edge))
        painter.drawRoundedRect(QRectF(0.5, 10, 3, height_of(card) - 20), 1.5, 1.5)
    y = float(PAD - 3)
    if card.title:
        _line(painter, (Span(card.title, DIM),), PAD, y, SMALL, bold=True)
        y += LINE
    for row in card.rows:
        _row(painter, row, y, width)
        y += _row_height(row)


def _row(painter: QPainter, row: Row, y: float, width: int) -> None:
    match row:
        case Text(spans, right, large):
            size = LARGE if large else BODY
            _line(painter, spans, PAD, y, size, bold=large, high=_row_height(row))
            if right:
                start = width - PAD - sum(_width(span, BODY, bold=False) for span in right)
                _line(painter, right, start, y, BODY, high=_row_height(row))
        case Bar():
            _bar(painter, row, y, width)
        case Spark():
            _spark(painter, row, y, width)


def _width(span: Span, size: int, *, bold: bool) -> float:
    return QFontMetricsF(font(size, mono=span.mono, bold=bold)).horizontalAdvance(span.text)


def _line(
    painter: QPainter,
    spans: Sequence[Span],
    x: float,
    y: float,
    size: int,
    *,
    bold: bool = False,
    high: int = LINE,
) -> None:
    for span in spans:
        chosen = font(size, mono=span.mono, bold=bold)
        painter.setFont(chosen)
        painter.setPen(qcolor(span.colour))
        measure = QFontMetricsF(chosen)
        base = y + (high + measure.ascent() - measure.descent()) / 2
        painter.drawText(QPointF(x, base), span.text)
        x += measure.horizontalAdvance(span.text)


def _bar(painter: QPainter, bar: Bar, y: float, width: int) -> None:
    words = Span(bar.words, INK, mono=True)
    _line(painter, (Span(bar.label, DIM),), PAD, y, SMALL + 1)
    start = width - PAD - _width(words, SMALL + 1, bold=False)
    _line(painter, (words,), start, y, SMALL + 1)
    left, room, top = float(PAD), width - 2.0 * PAD, y + 18
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(_TRACK)
    painter.drawRoundedRect(QRectF(left, top, room, 5), 2.5, 2.5)
    share = min(1.0, bar.value / bar.total) if bar.total else 0.0
    if share > 0:
        painter.setBrush(qcolor(bar.colour))
        painter.drawRoundedRect(QRectF(left, top, max(5.0, room * share), 5), 2.5, 2.5)
    if bar.enough and bar.total:
        painter.setBrush(_TICK)
        painter.drawRect(QRectF(left + room * bar.enough / bar.total - 1, top - 3, 2, 11))


def _spark(painter: QPainter, spark: Spark, y: float, width: int) -> None:
    """One column a value: high is good, and what failed hangs red from the top."""
    left, room = float(PAD), width - 2.0 * PAD
    high, top = SPARK_HIGH - 12.0, y + 5
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(QColor(255, 255, 255, 10))
    painter.drawRect(QRectF(left, top, room, high))
    each = room / max(1, spark.room)
    values = spark.values[-spark.room :]
    x = left + room - each * len(values)
    for value in values:
        share = min(1000, max(0, value)) / 1000
        painter.fillRect(
            QRectF(x, top + high * (1 - share), max(1.0, each - 0.6), high * share),
            qcolor(OK, 0.5 if share >= 0.995 else 0.32),
        )
        if share < 0.995:
            lost = max(2.0, high * (1 - share))
            painter.fillRect(QRectF(x, top, max(1.0, each - 0.6), lost), qcolor(BAD, 0.95))
        x += each


# --- labels -------------------------------------------------------------------------------------------


class LabelPainter:
    """Paints labels from pixmaps that are made once for each wording.

    Args:
        ratio: device pixels of one logical pixel.
    """

    def __init__(self, ratio: float = 1.0) -> None:
        self.ratio = ratio
        self._sheet = Sheet()
        self._made: OrderedDict[tuple[str, str, Colour, Colour], QPixmap] = OrderedDict()

    def measure(self, label: Label) -> tuple[float, float]:
        """Width and height in logical pixels that ``label`` needs."""
        pixmap = self._pixmap(label)
        return pixmap.width() / self.ratio, pixmap.height() / self.ratio

    def paint(self, painter: QPainter, found: Sequence[Placed]) -> None:
        """Draw labels where ``scene.labels.placed`` put them."""
        for placed in found:
            pixmap = self._pixmap(placed.label)
            painter.setOpacity(placed.opacity)
            left = round(placed.x - pixmap.width() / self.ratio / 2)
            painter.drawPixmap(QPointF(left, round(placed.y)), pixmap)
        painter.setOpacity(1.0)

    def _pixmap(self, label: Label) -> QPixmap:
        key = (label.title, label.sub, label.colour, label.sub_colour)
        found = self._made.get(key)
        if found is None:
            found = self._made[key] = _drawn(label, self.ratio, self._sheet)
            if len(self._made) > MAX_PIXMAPS:
                self._made.popitem(last=False)
        else:
            self._made.move_to_end(key)
        return found


def _drawn(label: Label, ratio: float, sheet: Sheet) -> QPixmap:
    """A label on a dark haze, so that it is read before bright things too."""
    title, sub = font(BODY, bold=True), font(SMALL, mono=True)
    wide = max(
        QFontMetricsF(title).horizontalAdvance(label.title),
        QFontMetricsF(sub).horizontalAdvance(label.sub),
    )
    high = _LABEL_LINE + (_SUB_LINE if label.sub else 0) + 3

    def paint(painter: QPainter) -> None:
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(4, 8, 18, 150))
        painter.drawRoundedRect(QRectF(0, 0, wide + 2 * _LABEL_PAD, high), 5, 5)
        for words, chosen, colour, base in (
            (label.title, title, label.colour, 14.0),
            (label.sub, sub, label.sub_colour, 14.0 + _SUB_LINE),
        ):
            painter.setFont(chosen)
            painter.setPen(qcolor(colour))
            x = _LABEL_PAD + (wide - QFontMetricsF(chosen).horizontalAdvance(words)) / 2
            painter.drawText(QPointF(x, base), words)

    return sheet.painted(wide + 2 * _LABEL_PAD, high, ratio, paint)
