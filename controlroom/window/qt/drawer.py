"""The drawer: what is known about the chosen thing, and what an operator may order now."""

from typing import TYPE_CHECKING, NamedTuple

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QFrame, QLabel, QPushButton, QScrollArea, QVBoxLayout, QWidget

from controlroom import drills, orders
from controlroom.window.cards import Card
from controlroom.window.qt.overlay import Panel
from engine.stream.state import ScreenState

if TYPE_CHECKING:
    from collections.abc import Sequence

WIDE = 372
INSET = 12


class Order(NamedTuple):
    """A button of the drawer."""

    action: str
    words: str
    allowed: bool


def orders_of(live: ScreenState, keys: dict[str, str], *, replayed: bool) -> list[Order]:
    """The orders, in a fixed order, with which of them may be given now."""
    frozen = orders.is_frozen(live)
    found = (
        ("approve", "Approve the plan", orders.can_answer(live)),
        ("refuse", "Refuse the plan", orders.can_refuse(live)),
        ("freeze", "Thaw automation" if frozen else "‖  Freeze all automation", bool(live.swarm)),
        ("take-over", "Take the incident over", orders.can_take_over(live)),
        ("undo", "Undo what was done", orders.can_undo(live)),
        ("note", "Write a note", live.incident is not None),
        ("drill", "⚡  Start a drill", not drills.why_not(live)),
        ("deploy", "Deploy …", bool(live.deploys)),
    )
    return [
        Order(action, f"{words}   {keys.get(action, '')}".rstrip(), allowed and not replayed)
        for action, words, allowed in found
    ]


class Drawer(QFrame):
    """At the right edge, over the scene."""

    ordered = Signal(str)

    def __init__(self, parent: QWidget, keys: dict[str, str], *, replayed: bool) -> None:
        super().__init__(parent)
        self.setObjectName("drawer")
        self.setFixedWidth(WIDE)
        self._keys = keys
        self._replayed = replayed
        self._shown: list[Order] = []
        layout = QVBoxLayout(self)
        layout.setContentsMargins(INSET, INSET, INSET, INSET)
        layout.setSpacing(6)
        self._card = Panel(self, WIDE - 2 * INSET - 12)
        scroll = QScrollArea(self)
        scroll.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        scroll.setWidget(self._card)
        layout.addWidget(scroll, 1)
        self._hint = QLabel("Click an agent, a service, a link or a message to inspect it.", self)
        self._hint.setObjectName("dim")
        self._hint.setWordWrap(True)
        layout.addWidget(self._hint)
        self._buttons: dict[str, QPushButton] = {}
        for order in orders_of(ScreenState(), keys, replayed=replayed):
            button = QPushButton(order.words, self)
            button.setFocusPolicy(Qt.FocusPolicy.NoFocus)
            button.setEnabled(False)
            action = order.action
            button.clicked.connect(lambda _=False, action=action: self.ordered.emit(action))
            self._buttons[action] = button
            layout.addWidget(button)
        if replayed:
            note = QLabel("This is a replay: nothing can be ordered.", self)
            note.setObjectName("dim")
            layout.addWidget(note)

    @property
    def card(self) -> Card | None:
        """What it says about the chosen thing."""
        return self._card.card

    def button(self, action: str) -> QPushButton:
        """The button of one order."""
        return self._buttons[action]

    def inspect(self, card: Card | None) -> None:
        """Say what is known about the chosen thing."""
        self._card.show_card(card)
        self._card.setVisible(card is not None)
        self._hint.setVisible(card is None)

    def allow(self, live: ScreenState) -> None:
        """Enable what may be ordered now."""
        wanted: Sequence[Order] = orders_of(live, self._keys, replayed=self._replayed)
        if wanted == self._shown:
            return
        self._shown = list(wanted)
        for order in wanted:
            button = self._buttons[order.action]
            button.setText(order.words)
            button.setEnabled(order.allowed)
