"""What lies over the scene: labels that stay with their things, and panels that say how it stands."""

from collections.abc import Sequence

from PySide6.QtCore import QRect, Qt
from PySide6.QtGui import QPainter, QPaintEvent, QPixmap, QRegion
from PySide6.QtWidgets import QWidget

from controlroom.window.cards import Card
from controlroom.window.qt.painting import LabelPainter, Sheet, height_of, paint_card
from controlroom.window.scene.eye import Eye
from controlroom.window.scene.labels import Label, Placed, placed


class LabelLayer(QWidget):
    """Labels over the whole view; repaints only where one has changed."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self.setAttribute(Qt.WidgetAttribute.WA_NoSystemBackground)
        self._painter = LabelPainter(self.devicePixelRatioF())
        self._shown: list[Placed] = []
        self._drawn: list[tuple[str, int, int, int]] = []

    @property
    def shown(self) -> Sequence[Placed]:
        """The labels on screen."""
        return self._shown

    def show_labels(self, wanted: Sequence[Label], eye: Eye, covered: Sequence[QRect] = ()) -> None:
        """Show as many of ``wanted`` as there is room for outside what is covered."""
        taken = [(it.left(), it.top(), it.right(), it.bottom()) for it in covered]
        found = placed(wanted, eye, self._painter.measure, taken)
        drawn = [
            (f"{it.label.title}\n{it.label.sub}", round(it.x), round(it.y), round(20 * it.opacity))
            for it in found
        ]
        if drawn == self._drawn:
            return
        region = self._region()
        self._shown, self._drawn = found, drawn
        self.update(region.united(self._region()))

    def clear(self) -> None:
        """Show none."""
        region = self._region()
        self._shown, self._drawn = [], []
        self.update(region)

    def _region(self) -> QRegion:
        region = QRegion()
        for it in self._shown:
            width, height = self._painter.measure(it.label)
            left = round(it.x - width / 2)
            box = QRect(left - 1, round(it.y) - 1, round(width) + 3, round(height) + 3)
            region = region.united(box)
        return region

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint the labels that the event touches."""
        painter = QPainter(self)
        painter.setClipRegion(event.region())
        self._painter.paint(painter, self._shown)
        painter.end()


class Panel(QWidget):
    """One card; painted into a pixmap when it says something new, and from there to the screen."""

    def __init__(self, parent: QWidget, width: int) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self.setAttribute(Qt.WidgetAttribute.WA_NoSystemBackground)
        self._wide = width
        self._card: Card | None = None
        self._sheet = Sheet()
        self._pixmap = QPixmap()
        self.painted = 0
        """How often it was painted anew."""

    @property
    def card(self) -> Card | None:
        """What it says."""
        return self._card

    def show_card(self, card: Card | None, width: int | None = None) -> None:
        """Say something; nothing hides it."""
        wide = width or self._wide
        if card is None:
            self._card = None
            self.hide()
            return
        if card == self._card and wide == self._wide:
            return
        self._card, self._wide = card, wide
        high = height_of(card)
        if (self.width(), self.height()) != (wide, high):
            self.resize(wide, high)
        self._pixmap = self._sheet.painted(
            wide, high, self.devicePixelRatioF(), lambda painter: paint_card(painter, card, wide)
        )
        self.painted += 1
        self.update()
        self.setAccessibleName(card.title)

    def paintEvent(self, _event: QPaintEvent) -> None:
        """Put the pixmap on the screen."""
        painter = QPainter(self)
        painter.drawPixmap(0, 0, self._pixmap)
        painter.end()
