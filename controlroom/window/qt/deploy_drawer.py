"""The deploy drawer: environments, what is known of the chosen one, and what may be ordered of it."""

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QFrame, QLabel, QPushButton, QScrollArea, QVBoxLayout, QWidget

from controlroom.deploys import LOCAL, meant, row_of, rows_of, why_not
from controlroom.window.deploy_cards import deploy_card, environment_words
from controlroom.window.qt.drawer import INSET, WIDE
from controlroom.window.qt.overlay import Panel
from engine.stream.deploying import DeployVerb
from engine.stream.state import ScreenState

_VERBS = (
    (DeployVerb.PLAN, "Plan"),
    (DeployVerb.APPLY, "Apply"),
    (DeployVerb.HEALTH, "Check health"),
    (DeployVerb.ROLLBACK, "Roll back"),
    (DeployVerb.DESTROY, "Destroy"),
)
_MOST_ENVIRONMENTS = 8


class DeployDrawer(QFrame):
    """At the right edge, in the drawer's place."""

    ordered = Signal(str, str)
    """Environment and verb."""

    def __init__(self, parent: QWidget, *, replayed: bool) -> None:
        super().__init__(parent)
        self.setObjectName("drawer")
        self.setFixedWidth(WIDE)
        self.chosen = LOCAL
        """The environment that orders are about."""
        self._replayed = replayed
        self._rows = QVBoxLayout(self)
        self._rows.setContentsMargins(INSET, INSET, INSET, INSET)
        self._rows.setSpacing(6)
        self._environments = [self._button() for _ in range(_MOST_ENVIRONMENTS)]
        for place, button in enumerate(self._environments):
            button.setCheckable(True)
            button.clicked.connect(lambda _=False, place=place: self._choose(place))
            self._rows.addWidget(button)
        self._card = Panel(self, WIDE - 2 * INSET - 12)
        scroll = QScrollArea(self)
        scroll.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        scroll.setWidget(self._card)
        self._rows.addWidget(scroll, 1)
        self._verbs: dict[DeployVerb, QPushButton] = {}
        for verb, words in _VERBS:
            button = self._button(words)
            button.clicked.connect(
                lambda _=False, verb=verb: self.ordered.emit(self.chosen, verb.value)
            )
            self._verbs[verb] = button
            self._rows.addWidget(button)
        self._verbs[DeployVerb.DESTROY].setObjectName("careful")
        self._why = QLabel(self)
        self._why.setObjectName("dim")
        self._why.setWordWrap(True)
        self._rows.addWidget(self._why)
        self._names: list[str] = []
        self._said: tuple[object, ...] = ()

    def button(self, verb: DeployVerb) -> QPushButton:
        """The button of one order."""
        return self._verbs[verb]

    def environment(self, name: str) -> QPushButton:
        """The button of one environment.

        Raises:
            ValueError: it is not among those that are shown.
        """
        return self._environments[self._names.index(name)]

    def show_state(self, state: ScreenState) -> None:
        """Say how the environments stand; the same as before costs nothing."""
        said = (state.deploys, self.chosen)
        if said == self._said:
            return
        self._said = said
        found = rows_of(state)[:_MOST_ENVIRONMENTS]
        self._names = [row.environment for row in found]
        if self._names and self.chosen not in self._names:
            self.chosen = self._names[0]
        for place, button in enumerate(self._environments):
            button.setVisible(place < len(found))
            if place < len(found):
                button.setText(environment_words(found[place]))
                button.setChecked(found[place].environment == self.chosen)
        row = row_of(state, self.chosen)
        self._card.show_card(deploy_card(row))
        self._card.show()
        for verb, words in _VERBS:
            really = meant(row, verb)
            button = self._verbs[verb]
            button.setEnabled(not self._replayed and not why_not(row, really))
            button.setText("Approve the plan" if really is DeployVerb.APPROVE else words)
        self._why.setText("This is a replay: nothing can be ordered." if self._replayed else "")
        self._why.setVisible(self._replayed)

    def _button(self, words: str = "") -> QPushButton:
        button = QPushButton(words, self)
        button.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        return button

    def _choose(self, place: int) -> None:
        self.chosen = self._names[place]
        self._said = ()
