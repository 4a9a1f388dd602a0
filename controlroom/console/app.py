"""The console: one timer paints what the store shows, and keys become signed commands."""

import time
from collections.abc import Callable, Iterable, Mapping
from datetime import tzinfo
from enum import StrEnum
from typing import ClassVar

from textual.app import App, SystemCommand
from textual.binding import Binding, BindingType
from textual.screen import Screen
from textual.worker import Worker, WorkerState

from controlroom import drills, orders
from controlroom.console.commanding import Commanding
from controlroom.console.deploy_screen import DeployScreen
from controlroom.console.incident_screen import IncidentScreen
from controlroom.console.modals import Choice, Details, Question
from controlroom.console.panel import Panel
from controlroom.console.theme import THEME
from controlroom.replaying import PlaceLike, Replayed
from controlroom.store import Store

FRAME_S = 0.1
ABOUT_INCIDENTS = frozenset(
    {"approve", "refuse", "take_over", "undo", "note", "step", "deploy", "drill"}
)
"""Actions that mean nothing in the Deploy mode, where their incident is not in sight."""


class Leave(StrEnum):
    """How the viewer left the console."""

    ALONE = "alone"
    """The console closes and everything else goes on."""
    STOP = "stop"
    """Whoever started the console shall stop everything."""


class Leaving(Question):
    """Asks what becomes of the run that was started together with the console."""


class ConsoleApp(App[Leave]):
    """The terminal screen of one engine.

    Args:
        place: where to look for the engine, its token and the operator's key.
        started_by_up: whether leaving must ask what becomes of the run.
        keymap: the viewer's own keys, by what they do.
        zone: time zone of the clock on the screen; the machine's own without it.
        monotonic_ns: the clock that ages are told by.
        unix_ms: the clock that commands are stamped by.
    """

    TITLE = "Incident Commander"
    CSS_PATH = "console.tcss"
    ENABLE_COMMAND_PALETTE = True
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("a", "approve", "approve", id="approve"),
        Binding("r", "refuse", "refuse", id="refuse"),
        Binding("space", "freeze", "freeze", id="freeze"),
        Binding("space", "thaw", "thaw", id="thaw"),
        Binding("t", "take_over", "take over", id="take-over"),
        Binding("u", "undo", "undo", show=False, id="undo"),
        Binding("n", "note", "note", id="note"),
        Binding("p", "pause", "pause", id="pause"),
        Binding("left_square_bracket", "step(-1)", "earlier", show=False, id="earlier"),
        Binding("right_square_bracket", "step(1)", "later", show=False, id="later"),
        Binding("left_curly_bracket", "step(-10)", "much earlier", show=False, id="much-earlier"),
        Binding("right_curly_bracket", "step(10)", "much later", show=False, id="much-later"),
        Binding("y", "copy", "copy", id="copy"),
        Binding("d", "deploy", "deploy", id="deploy"),
        Binding("b", "drill", "break: a drill", show=False, id="drill"),
        Binding("question_mark", "keys", "keys", key_display="?", id="keys"),
        Binding("q", "leave", "quit", id="quit"),
        # Before whatever has the focus: it is what a hand does that wants out of any terminal program.
        Binding("ctrl+c", "interrupt", "quit", show=False, system=True, priority=True),
    ]

    def __init__(
        self,
        place: PlaceLike,
        *,
        started_by_up: bool = False,
        keymap: Mapping[str, str] | None = None,
        zone: tzinfo | None = None,
        monotonic_ns: Callable[[], int] = time.monotonic_ns,
        unix_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        super().__init__()
        self.place = place
        self.store = Store(replayed=isinstance(place, Replayed))
        self._started_by_up = started_by_up
        self._own_keys = dict(keymap or {})
        self._zone = zone
        self._monotonic_ns = monotonic_ns
        self._allowed: tuple[object, ...] = ()
        self._unix_ms = unix_ms
        self._link = place.link(self.store.take)
        self._hand = Commanding(self, self.store, place, self._link, unix_ms)

    def on_mount(self) -> None:
        """Open the screen, start the link and the one timer."""
        self.register_theme(THEME)
        self.theme = THEME.name
        self.set_keymap(self._own_keys)
        self.push_screen(IncidentScreen(self._zone))
        self._start_link()
        self.set_interval(FRAME_S, self._frame)

    # --- following the engine -----------------------------------------------------------------

    def _start_link(self) -> None:
        self.run_worker(self._link.run(), name="link", exclusive=True, exit_on_error=False)

    def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        """A link that breaks by a bug of ours is told and started again: the screen stays."""
        if event.worker.name == "link" and event.state is WorkerState.ERROR:
            self.log.error("link failed", error=repr(event.worker.error))
            self.notify(f"the link failed: {event.worker.error!r}", severity="error")
            self.set_timer(1.0, self._start_link)

    def _frame(self) -> None:
        """Paint what has changed since the last frame."""
        for reply in self.store.replies():
            self._hand.tell(reply)
        for said in self.store.news():
            self.notify(said, severity="error" if "✖" in said else "information", timeout=10)
        allowed = self._what_is_allowed()
        if allowed != self._allowed:
            self._allowed = allowed
            self.refresh_bindings()
        now_ns = self._monotonic_ns()
        with self.batch_update():
            for screen in self.screen_stack:
                if isinstance(screen, IncidentScreen | DeployScreen):
                    screen.paint(self.store, now_ns)
                elif isinstance(screen, Question):
                    screen.check(self.store.live)

    def _what_is_allowed(self) -> tuple[object, ...]:
        live = self.store.live
        return (
            orders.can_answer(live),
            orders.can_refuse(live),
            orders.can_take_over(live),
            orders.can_undo(live),
            orders.is_frozen(live),
            live.incident is not None,
            self.store.is_empty,
            drills.why_not(live),
            *live.deploys.values(),
        )

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Which keys mean something now: ``None`` greys a key, ``False`` takes it away."""
        live = self.store.live
        if isinstance(self.screen, DeployScreen) and action in ABOUT_INCIDENTS:
            return False
        match action:
            case "approve":
                return orders.can_answer(live) or None
            case "refuse":
                return orders.can_refuse(live) or None
            case "take_over":
                return orders.can_take_over(live) or None
            case "undo":
                return orders.can_undo(live) or None
            case "deploy":
                return bool(live.deploys) or None
            case "drill":
                return not drills.why_not(live) or None
            case "note":
                return live.incident is not None or None
            case "freeze":
                return not orders.is_frozen(live)
            case "thaw":
                return orders.is_frozen(live)
            case _:
                return True

    # --- commands -----------------------------------------------------------------------------

    def action_approve(self) -> None:
        """Say yes to the plan that is shown."""
        self._hand.about_plan(
            "Approve this plan?", "approval", lambda by, shown, now: by.approve(shown, now)
        )

    def action_refuse(self) -> None:
        """Say no to the plan that is shown."""
        self._hand.about_plan(
            "Refuse this plan?", "refusal", lambda by, shown, now: by.refuse(shown, now)
        )

    def action_undo(self) -> None:
        """Fire the undo of the plan that is shown."""
        self._hand.about_plan("Undo this plan?", "undo", lambda by, shown, now: by.undo(shown, now))

    def action_take_over(self) -> None:
        """Take the incident out of the swarm's hands."""
        self._hand.about_plan(
            "Take this incident over? The swarm then only watches.",
            "take-over",
            lambda by, shown, now: by.take_over(shown, now),
        )

    def action_freeze(self) -> None:
        """Stop all automation."""
        self._hand.turn(
            "Freeze all automation?",
            "Nothing will be done to the fleet until somebody thaws it. Watching goes on.",
            "freeze",
            lambda by, now: by.freeze(now),
        )

    def action_thaw(self) -> None:
        """Let automation go on."""
        self._hand.turn(
            "Thaw: let automation go on?",
            "The swarm may act again, as far as the policy lets it.",
            "thaw",
            lambda by, now: by.thaw(now),
        )

    def action_drill(self) -> None:
        """Break something for real."""
        self._hand.drill(self._unix_ms())

    def action_note(self) -> None:
        """Write a remark into the record."""
        self._hand.note()

    # --- looking ------------------------------------------------------------------------------

    def action_pause(self) -> None:
        """Hold what is shown, or go on live."""
        if self.store.paused:
            self.store.resume()
        else:
            self.store.pause()

    def action_step(self, by: int) -> None:
        """Look at an earlier or later state."""
        self.store.step(by)

    def action_deploy(self) -> None:
        """Go to the Deploy mode."""
        if not isinstance(self.screen, DeployScreen):
            self.push_screen(DeployScreen(self.store, self._hand, self._zone))

    def action_copy(self) -> None:
        """Copy what is chosen."""
        screen = self.screen
        text = ""
        if isinstance(screen, IncidentScreen | DeployScreen):
            text = screen.chosen_text(self.store.shown)
        if text:
            self.copy_to_clipboard(text)
            lines = text.count("\n") + 1
            self.notify(f"copied {lines} line{'s' if lines > 1 else ''}", timeout=2)

    def on_panel_opened(self, message: Panel.Opened) -> None:
        """Show the chosen thing whole."""
        screen = self.screen
        if isinstance(screen, IncidentScreen | DeployScreen):
            text = screen.chosen_text(self.store.shown)
            if text:
                self.push_screen(Details(str(message.panel.border_title or ""), text))

    def action_keys(self) -> None:
        """Show which key does what, the viewer's own keys included."""
        commanding: list[str] = []
        moving: list[str] = []
        for _, binding, enabled, _ in self.screen.active_bindings.values():
            if binding.description and not binding.system:
                off = "" if enabled else "   (not now)"
                row = f"{self.get_key_display(binding):>12}  {binding.description.lower()}{off}"
                (commanding if binding.id in own_key_ids() else moving).append(row)
        legend = "● ok   ▲ warn   ✖ broken   ○ unknown   ♛ leads   ◂ suffers from"
        self.push_screen(Details("keys", "\n".join([*commanding, "", *moving, "", legend])))

    def action_leave(self) -> None:
        """Quit; asks what becomes of the run when it was started together with the console."""
        if not self._started_by_up:
            self.exit(Leave.ALONE)
            return

        def answered(answer: str | None) -> None:
            if answer and answer != "stay":
                self.exit(Leave(answer))

        self.push_screen(
            Leaving(
                "Leave the console?",
                ["The fleet, the swarm and the engine were started together with it."],
                (
                    Choice("s", "stop everything (ctrl+c too)", Leave.STOP.value),
                    Choice("l", "leave it running", Leave.ALONE.value),
                ),
                "stay",
            ),
            answered,
        )

    def action_interrupt(self) -> None:
        """Ctrl-C: quit; a second one, while it is asked what becomes of the run, stops everything."""
        if isinstance(self.screen, Leaving):
            self.screen.dismiss(Leave.STOP.value)
        else:
            self.action_leave()

    def get_system_commands(self, screen: Screen[object]) -> Iterable[SystemCommand]:
        """All keys that mean something now, in the command palette, and Textual's own."""
        for _, binding, enabled, _ in screen.active_bindings.values():
            if binding.id in own_key_ids() and enabled:
                action = binding.action

                async def run(action: str = action) -> None:
                    await self.run_action(action)

                title = binding.description.capitalize()
                yield SystemCommand(title, f"key {self.get_key_display(binding)}", run)
        for command in super().get_system_commands(screen):
            if command.title not in ("Keys", "Quit"):
                yield command


def own_key_ids() -> set[str]:
    """What a keymap file may name."""
    bindings = [*ConsoleApp.BINDINGS, *Panel.BINDINGS, *DeployScreen.BINDINGS]
    return {binding.id for binding in bindings if isinstance(binding, Binding) and binding.id}
