"""A deployment from the window: asked about as in the console, then the signed order."""

from PySide6.QtWidgets import QWidget

from controlroom.deploys import asks_name, asks_yes, described, meant, row_of, why_not, why_void
from controlroom.hand import PlainOrder
from controlroom.store import Store
from controlroom.window.qt.commanding import Commanding
from controlroom.window.qt.question import Line, Question
from engine.stream.deploying import DeployVerb
from engine.stream.state import DeployRow

LONGEST_NAME = 32


class Deploying:
    """Asks over ``ground`` and orders through ``hand``."""

    def __init__(self, hand: Commanding, ground: QWidget, store: Store) -> None:
        self._hand = hand
        self._ground = ground
        self._store = store

    def order(self, environment: str, wanted: DeployVerb) -> None:
        """Order something of an environment; whatever can hurt is asked about first."""
        if not self._hand.may_order():
            return
        row = row_of(self._store.live, environment)
        verb = meant(row, wanted)
        if (reason := why_not(row, verb)) or row is None:
            self._hand.say(f"{verb.value}: {reason}", False)
            return
        title = f"{verb.value.capitalize()} {row.environment}?"
        if asks_name(row, verb):
            about = "\n".join(described(row, verb))
            line = Line(self._ground, f"{title} Type its name.", about, LONGEST_NAME)
            line.written.connect(lambda typed: self._named(row, verb, typed))
            self._hand.open(line)
        elif asks_yes(verb):
            question = Question(
                self._ground, title, described(row, verb), lambda live: why_void(row, verb, live)
            )
            self._hand.ask(question, *self._signed(row, verb, ""))
        else:
            self._leave(row, verb, "")

    def _named(self, row: DeployRow, verb: DeployVerb, typed: str) -> None:
        if typed == row.environment:
            self._leave(row, verb, typed)
        else:
            self._hand.say(f"{verb.value} not sent: {typed!r} is another name", False)

    def _leave(self, row: DeployRow, verb: DeployVerb, typed: str) -> None:
        if reason := why_void(row, verb, self._store.live):
            self._hand.say(f"{verb.value} not sent: {reason}", False)
        else:
            self._hand.leave(*self._signed(row, verb, typed))

    @staticmethod
    def _signed(row: DeployRow, verb: DeployVerb, typed: str) -> tuple[str, PlainOrder]:
        return (
            f"deploy {verb.value} {row.environment}",
            lambda by, now_ms: by.deploy(verb, row.environment, now_ms, plan=row.plan, typed=typed),
        )
