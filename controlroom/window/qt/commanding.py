"""From a key or a button to a signed command: ask once, hold what was shown, sign, send, tell."""

from collections.abc import Callable

from PySide6.QtCore import QObject, Signal
from PySide6.QtWidgets import QWidget

from controlroom import orders
from controlroom.hand import Hand, PlainOrder, PlanOrder
from controlroom.window.qt.question import Box, Line, Question
from controlroom.window.session import Session
from engine.stream.commands import Shown
from engine.stream.link import NotFound
from engine.stream.wire import Command, Reply
from engine.vocabulary import MAX_TEXT, IncidentKey

REPLAYED = "this is a replay: nothing can be ordered"
Say = Callable[[str, bool], None]
"""Tells the viewer a line, and whether it is good news."""


class Commanding(QObject):
    """The window's hand: everything that leaves it towards the engine."""

    opened = Signal(Box)
    """A box lies over the window and takes its keys."""

    def __init__(
        self,
        ground: QWidget,
        session: Session,
        hand: Hand,
        send: Callable[[Command], None],
        say: Say,
    ) -> None:
        """Ask over ``ground``, order through ``send``."""
        super().__init__(ground)
        self._ground = ground
        self._session = session
        self._hand = hand
        self._send = send
        self.say = say
        """Tells the viewer a line."""
        self.question: Question | None = None

    def give(self, action: str) -> None:
        """Do what an order's button or key asks for."""
        if not self.may_order():
            return
        live = self._session.store.live
        match action:
            case "approve" if orders.can_answer(live):
                self._about_plan(
                    "Approve this plan?", "approval", lambda by, it, now: by.approve(it, now)
                )
            case "refuse" if orders.can_refuse(live):
                self._about_plan(
                    "Refuse this plan?", "refusal", lambda by, it, now: by.refuse(it, now)
                )
            case "undo" if orders.can_undo(live):
                self._about_plan("Undo this plan?", "undo", lambda by, it, now: by.undo(it, now))
            case "take-over" if orders.can_take_over(live):
                self._about_plan(
                    "Take this incident over? The swarm then only watches.",
                    "take-over",
                    lambda by, it, now: by.take_over(it, now),
                )
            case "freeze":
                self._turn(frozen=orders.is_frozen(live))
            case "note" if live.incident is not None:
                self._note(IncidentKey(live.incident.key))
            case _:
                self.say(f"{action}: there is nothing to order that about now", False)

    def may_order(self) -> bool:
        """Whether there is an engine to order from; says so where there is none."""
        if not self._session.live:
            self.say(REPLAYED, False)
        return self._session.live

    def check(self) -> None:
        """Look whether an open question still makes sense."""
        if self.question is not None:
            self.question.check(self._session.store.live)

    def tell(self, reply: Reply) -> None:
        """Say what the engine answered."""
        words, good = self._hand.told(reply)
        logged = good and not words.startswith(("deploy ", "drill "))
        self.say(f"{words} into the log" if logged else words, good)

    # --- asking -------------------------------------------------------------------------------------

    def _about_plan(self, title: str, what: str, order: PlanOrder) -> None:
        """Ask about exactly what is shown; what has moved on meanwhile makes the question void."""
        store = self._session.store
        row = self._session.shown.incident
        if row is None:
            return
        shown = Shown.of(row)
        if reason := orders.why_void(shown, store.live):
            self.say(f"{what}: {reason}; go back to live first", False)
            return
        question = Question(
            self._ground, title, orders.described(row), lambda live: orders.why_void(shown, live)
        )
        self.ask(question, what, lambda by, now_ms: order(by, shown, now_ms))

    def _turn(self, *, frozen: bool) -> None:
        title = "Thaw: let automation go on?" if frozen else "Freeze all automation?"
        about = (
            "The swarm may act again, as far as the policy lets it."
            if frozen
            else "Nothing will be done to the fleet until somebody thaws it. Watching goes on."
        )
        question = Question(
            self._ground,
            title,
            [about],
            lambda live: (
                "" if orders.is_frozen(live) == frozen else "somebody else has just done so"
            ),
        )
        what = "thaw" if frozen else "freeze"
        self.ask(question, what, lambda by, now: by.thaw(now) if frozen else by.freeze(now))

    def ask(self, question: Question, what: str, order: PlainOrder) -> None:
        """Open ``question``; a yes lets ``order`` leave, unless the question is void by then."""
        self.question = question

        def answered(yes: bool) -> None:
            self.question = None
            if not yes:
                return
            # Once more: between the last look and the key a state may have come.
            reason = question.void_reason
            if reason:
                self.say(f"{what} not sent: {reason}", False)
            else:
                self.leave(what, order)

        question.answered.connect(answered)
        self.open(question)

    def open(self, box: Box) -> None:
        """Lay ``box`` over the window, with the keys."""
        self.opened.emit(box)
        box.open()

    def _note(self, incident: IncidentKey) -> None:
        title, about = "A note for the record", f"It decides nothing. {incident}"
        line = Line(self._ground, title, about, MAX_TEXT)
        line.written.connect(
            lambda words: self.leave("note", lambda by, now: by.note(incident, words, now))
        )
        self.open(line)

    def leave(self, what: str, order: PlainOrder) -> None:
        """Sign ``order``, which ``what`` names in words, and let it leave."""
        try:
            command = self._hand.sign(what, order, self._session.store.epoch)
        except (NotFound, ValueError) as error:
            self.say(f"{what} not sent: {error}", False)
            return
        self._send(command)
