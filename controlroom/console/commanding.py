"""From a key to a signed command: ask once, hold what was shown, sign, send, tell what came of it."""

from collections.abc import Callable
from typing import Any

from textual.app import App

from controlroom import drills, orders
from controlroom.console.modals import Choice, NoteInput, Question
from controlroom.hand import Hand, PlainOrder, PlanOrder
from controlroom.replaying import LinkLike, PlaceLike
from controlroom.store import Store
from engine.stream.commands import Shown
from engine.stream.link import NotConnected, NotFound
from engine.stream.wire import Command, Reply
from engine.vocabulary import IncidentKey

SURE = (Choice("y", "yes", "yes"),)


class Commanding:
    """The console's hand: everything that leaves it towards the engine."""

    def __init__(
        self,
        app: App[Any],
        store: Store,
        place: PlaceLike,
        link: LinkLike,
        unix_ms: Callable[[], int],
    ) -> None:
        self._app = app
        self._store = store
        self._link = link
        self._hand = Hand(place, unix_ms)

    def about_plan(self, title: str, what: str, order: PlanOrder) -> None:
        """Ask about exactly what is shown; what has moved on meanwhile makes the question void."""
        store = self._store
        row = store.shown.incident
        if row is None:
            return
        shown = Shown.of(row)

        def answered(answer: str | None) -> None:
            if answer != "yes":
                return
            if reason := orders.why_void(shown, store.live):
                self._app.notify(f"{what} not sent: {reason}", severity="warning")
                return
            self._leave(what, lambda by, now_ms: order(by, shown, now_ms))

        question = Question(
            title,
            orders.described(row),
            SURE,
            "no",
            lambda live: orders.why_void(shown, live),
        )
        self._app.push_screen(question, answered)

    def turn(self, title: str, about: str, what: str, order: PlainOrder) -> None:
        """Ask whether to freeze or to thaw; void once somebody else has done it."""
        before = orders.is_frozen(self._store.live)

        def answered(answer: str | None) -> None:
            if answer == "yes":
                self._leave(what, order)

        question = Question(
            title,
            [about],
            SURE,
            "no",
            lambda live: (
                "" if orders.is_frozen(live) == before else "somebody else has just done so"
            ),
        )
        self._app.push_screen(question, answered)

    def note(self) -> None:
        """Ask for a remark about the incident that is shown."""
        row = self._store.shown.incident
        if row is None:
            return
        incident = IncidentKey(row.key)

        def written(text: str | None) -> None:
            if text:
                self._leave("note", lambda by, now_ms: by.note(incident, text, now_ms))

        self._app.push_screen(NoteInput(), written)

    def drill(self, now_ms: int) -> None:
        """Ask which drill, and then whether really; void once somebody else has begun one."""
        found = drills.offers(self._store.live)
        choices = [Choice(str(n), offer.name, offer.name) for n, offer in enumerate(found, 1)]
        by_name = {offer.name: offer for offer in found}
        seed = drills.seed_of(now_ms)

        def chosen(name: str | None) -> None:
            offer = by_name.get(name or "")
            if offer is None:
                return
            about = drills.described(offer, seed, self._store.live)
            self._app.push_screen(
                Question(drills.QUESTION, about, SURE, "no", drills.why_not),
                lambda answer: self._begin(offer.name, seed, answer),
            )

        lines = [f"{offer.name:14} {offer.summary}" for offer in found]
        self._app.push_screen(
            Question("Start a drill?", lines, choices, "no", drills.why_not), chosen
        )

    def _begin(self, experiment: str, seed: int, answer: str | None) -> None:
        if answer != "yes":
            return
        if reason := drills.why_not(self._store.live):
            self._app.notify(f"drill not sent: {reason}", severity="warning")
            return
        self._leave("drill", lambda by, now_ms: by.drill(experiment, seed, now_ms))

    def deploy(self, what: str, order: PlainOrder) -> None:
        """Send an order about a deployment, which whoever calls has asked about."""
        self._leave(what, order)

    def tell(self, reply: Reply) -> None:
        """Say what the engine answered."""
        words, good = self._hand.told(reply)
        if good:
            where = "" if words.startswith(("deploy ", "drill ")) else " into the log"
            self._app.notify(words + where, timeout=3)
        else:
            self._app.notify(words, severity="error")

    def _leave(self, what: str, order: PlainOrder) -> None:
        """Sign an order with the operator's own key, and let it leave."""
        try:
            command = self._hand.sign(what, order, self._store.epoch)
        except (NotFound, ValueError) as error:
            self._app.notify(f"{what} not sent: {error}", severity="error")
            return
        self._app.run_worker(self._send(what, command), exit_on_error=False)

    async def _send(self, what: str, command: Command) -> None:
        try:
            await self._link.send(command)
        except NotConnected as error:
            self._app.notify(f"{what}: {error}", severity="error")
