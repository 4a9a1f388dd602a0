"""What lies over the scene for a moment: a question, a line to write, a list to read."""

from collections.abc import Callable, Sequence

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import (
    QFrame,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from engine.stream.state import ScreenState

Void = Callable[[ScreenState], str]
"""Why a question no longer makes sense, given the live state; empty while it does."""
WIDE = 460


class Box(QFrame):
    """A frame in the middle of its parent that takes the keys while it is there."""

    closed = Signal()

    def __init__(self, parent: QWidget, title: str, width: int = WIDE) -> None:
        super().__init__(parent)
        self.setObjectName("box")
        self.setFixedWidth(width)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setAccessibleName(title)
        self.rows = QVBoxLayout(self)
        self.rows.setContentsMargins(22, 18, 22, 18)
        self.rows.setSpacing(7)
        self.say(title, "title")

    def say(self, words: str, name: str = "") -> QLabel:
        """Add a line of words."""
        label = QLabel(self)
        label.setObjectName(name)
        # Words come from elsewhere: they are shown as they are, never read as markup.
        label.setTextFormat(Qt.TextFormat.PlainText)
        label.setText(words)
        label.setWordWrap(True)
        self.rows.addWidget(label)
        return label

    def open(self) -> None:
        """Show it in the middle, with the keys."""
        self.adjustSize()
        parent = self.parentWidget()
        if parent is not None:
            x, y = (parent.width() - self.width()) // 2, (parent.height() - self.height()) // 2
            self.move(max(0, x), max(0, y))
        self.show()
        self.raise_()
        self.setFocus()

    def leave(self) -> None:
        """Close it for good."""
        self.hide()
        self.closed.emit()
        self.deleteLater()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Escape and enter close it; no key goes further."""
        if event.key() in (Qt.Key.Key_Escape, Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self.leave()
        event.accept()


class Question(Box):
    """Asks once. Enter and escape say no; only y, or its button, says yes.

    A question about something that has moved on is void: it says so, and every key says no.
    """

    answered = Signal(bool)

    def __init__(
        self, parent: QWidget, title: str, about: Sequence[str], void: Void | None = None
    ) -> None:
        super().__init__(parent, title)
        self._is_void = void
        self.void_reason = ""
        for line in about:
            self.say(line, "mono" if "  " in line else "")
        self._said = self.say("", "void")
        self._said.hide()
        buttons = QHBoxLayout()
        self.no = QPushButton("no   Enter", self)
        self.yes = QPushButton("yes   Y", self)
        self.yes.setObjectName("careful")
        for button, answer in ((self.no, False), (self.yes, True)):
            button.setFocusPolicy(Qt.FocusPolicy.NoFocus)
            button.clicked.connect(lambda _=False, answer=answer: self._answer(yes=answer))
            buttons.addWidget(button)
        self.rows.addLayout(buttons)

    def check(self, live: ScreenState) -> None:
        """Look whether the question still makes sense."""
        reason = self._is_void(live) if self._is_void is not None else ""
        if reason and not self.void_reason:
            self.void_reason = reason
            self._said.setText(f"✖ VOID  {reason}. Any key closes this.")
            self._said.show()
            self.yes.setEnabled(False)
            self.adjustSize()

    def _answer(self, *, yes: bool) -> None:
        said = yes and not self.void_reason
        self.leave()
        self.answered.emit(said)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Take an answer."""
        event.accept()
        if event.isAutoRepeat():
            return
        safe = event.key() in (Qt.Key.Key_Escape, Qt.Key.Key_Return, Qt.Key.Key_Enter)
        if safe or self.void_reason:
            self._answer(yes=False)
        elif event.key() == Qt.Key.Key_Y:
            self._answer(yes=True)


class Choose(Box):
    """Offers some things by digit and button. Enter and escape choose none of them."""

    chosen = Signal(str)

    def __init__(self, parent: QWidget, title: str, choices: Sequence[tuple[str, str]]) -> None:
        """Offer ``choices``: the name that ``chosen`` gives, and its words."""
        super().__init__(parent, title)
        self._names = [name for name, _ in choices]
        for number, (name, words) in enumerate(choices, 1):
            button = QPushButton(f"{number}   {name}   {words}", self)
            button.setFocusPolicy(Qt.FocusPolicy.NoFocus)
            button.clicked.connect(lambda _=False, name=name: self._choose(name))
            self.rows.addWidget(button)
        self.say("A digit chooses   Enter or Esc: none of them", "dim")

    def _choose(self, name: str) -> None:
        self.leave()
        self.chosen.emit(name)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Take a digit."""
        place = event.key() - Qt.Key.Key_1
        if 0 <= place < len(self._names):
            event.accept()
            self._choose(self._names[place])
        else:
            super().keyPressEvent(event)


class Line(Box):
    """One line to write; empty when the viewer thinks better of it."""

    written = Signal(str)

    def __init__(self, parent: QWidget, title: str, about: str, most: int) -> None:
        super().__init__(parent, title)
        self.say(about, "dim")
        self.edit = QLineEdit(self)
        self.edit.setMaxLength(most)
        self.edit.returnPressed.connect(self._done)
        self.rows.addWidget(self.edit)
        self.say("Enter sends   Esc cancels", "dim")
        self.setFocusProxy(self.edit)

    def _done(self) -> None:
        words = self.edit.text().strip()
        self.leave()
        if words:
            self.written.emit(words)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Escape leaves; what else there is to press is the line's."""
        if event.key() == Qt.Key.Key_Escape:
            self.leave()
        event.accept()


class KeyHelp(Box):
    """Which key does what, the viewer's own keys included."""

    def __init__(
        self, parent: QWidget, groups: Sequence[tuple[str, Sequence[tuple[str, str]]]]
    ) -> None:
        super().__init__(parent, "Keys", 780)
        grid = QGridLayout()
        grid.setHorizontalSpacing(14)
        grid.setVerticalSpacing(3)
        for place, (group, lines) in enumerate(groups):
            column, row = 2 * (place % 2), 20 * (place // 2)
            self._cell(grid, group.upper(), "dim", row, column + 1)
            for number, (keys, words) in enumerate(lines, 1):
                self._cell(grid, keys, "mono", row + number, column)
                self._cell(grid, words, "", row + number, column + 1)
        self.rows.addLayout(grid)
        self.say(
            "Pointer: drag turns, Shift+drag pans, the wheel zooms, a click inspects, a double "
            "click visits. Your own keys: keys.toml, table [window].",
            "dim",
        )

    def _cell(self, grid: QGridLayout, words: str, name: str, row: int, column: int) -> None:
        label = QLabel(words, self)
        label.setObjectName(name)
        label.setTextFormat(Qt.TextFormat.PlainText)
        grid.addWidget(label, row, column)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Any key closes it."""
        event.accept()
        if event.key() not in (Qt.Key.Key_Shift, Qt.Key.Key_Control, Qt.Key.Key_Alt):
            self.leave()
