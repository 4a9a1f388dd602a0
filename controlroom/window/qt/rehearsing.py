"""A drill from the window: which one, whether really, and then the signed order."""

import time

from PySide6.QtWidgets import QWidget

from controlroom import drills
from controlroom.store import Store
from controlroom.window.qt.commanding import Commanding
from controlroom.window.qt.question import Choose, Question


class Rehearsing:
    """Asks over ``ground`` and orders through ``hand``."""

    def __init__(self, hand: Commanding, ground: QWidget, store: Store) -> None:
        self._hand = hand
        self._ground = ground
        self._store = store

    def offer(self) -> None:
        """Offer the experiments, where one may be ordered now."""
        if not self._hand.may_order():
            return
        live = self._store.live
        if reason := drills.why_not(live):
            self._hand.say(f"drill: {reason}", False)
            return
        found = {offer.name: offer for offer in drills.offers(live)}
        box = Choose(
            self._ground,
            "Start a drill?",
            [(offer.name, offer.summary) for offer in found.values()],
        )
        box.chosen.connect(lambda name: self._confirm(found[name]))
        self._hand.open(box)

    def _confirm(self, offer: drills.Offer) -> None:
        seed = drills.seed_of(time.time_ns() // 1_000_000)
        about = drills.described(offer, seed, self._store.live)
        question = Question(self._ground, drills.QUESTION, about, drills.why_not)
        self._hand.ask(question, "drill", lambda by, now_ms: by.drill(offer.name, seed, now_ms))
