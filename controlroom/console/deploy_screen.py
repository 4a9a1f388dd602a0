"""The Deploy mode: environments, the newest run with its hazards, the checks, and the way back."""

from datetime import tzinfo
from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.screen import Screen
from textual.widgets import Footer

from controlroom.console.draw.deploy import environment_lines, list_lines, run_lines, top_text
from controlroom.console.draw.text import Line
from controlroom.console.modals import Choice, NameInput, Question
from controlroom.console.panel import Panel
from controlroom.deploys import (
    LOCAL,
    asks_name,
    asks_yes,
    described,
    meant,
    not_asked,
    proven,
    row_of,
    why_not,
    why_void,
)
from engine.stream.deploying import DeployVerb
from engine.stream.state import DeployRow, ScreenState

if TYPE_CHECKING:
    from controlroom.console.commanding import Commanding
    from controlroom.store import Store

__all__ = ["DeployScreen"]

PANELS = ("environments", "run", "hazards", "checks", "runs")
_INSET = 2
SHORT = 30
"""Below so many lines the hazards and the history make room."""
SURE = (Choice("y", "yes", "yes"),)
_ACTIONS = {
    "plan": DeployVerb.PLAN,
    "apply": DeployVerb.APPLY,
    "check": DeployVerb.HEALTH,
    "roll_back": DeployVerb.ROLLBACK,
    "destroy": DeployVerb.DESTROY,
}


class DeployScreen(Screen[None]):
    """What is deployed where, and what a person may do about it."""

    AUTO_FOCUS = "#environments"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("a", "order('apply')", "apply or approve", id="deploy.apply"),
        Binding("p", "order('plan')", "plan", id="deploy.plan"),
        Binding("h", "order('check')", "check health", id="deploy.check"),
        Binding("b", "order('roll_back')", "roll back", id="deploy.roll-back"),
        Binding("x", "order('destroy')", "destroy", show=False, id="deploy.destroy"),
        Binding("escape,d", "leave", "incident", id="deploy.leave"),
    ]

    def __init__(self, store: "Store", hand: "Commanding", zone: tzinfo | None) -> None:
        super().__init__()
        self._store = store
        self._hand = hand
        self._zone = zone
        self._painted: tuple[ScreenState, str] | None = None
        self._top = Panel(id="top", choosing=False)
        self._panels = {name: Panel(id=name, choosing=True) for name in PANELS}

    def compose(self) -> ComposeResult:
        """Environments above; run and checks side by side; hazards and runs below."""
        panels = self._panels
        yield self._top
        with Vertical(id="deploy"):
            yield panels["environments"]
            with Horizontal(classes="row"):
                yield panels["run"]
                yield panels["checks"]
            with Horizontal(classes="row rest"):
                yield panels["hazards"]
                yield panels["runs"]
        yield Footer(compact=True)

    def on_mount(self) -> None:
        """Name the panels; the environment that needs no account is chosen first."""
        titles = {"run": "newest run", "checks": "health", "hazards": "plan", "runs": "history"}
        for name, panel in self._panels.items():
            panel.border_title = titles.get(name, name)
        self._panels["environments"].chosen = LOCAL

    def on_resize(self) -> None:
        """Everything is laid out anew."""
        self._painted = None
        self.set_class(self.size.height < SHORT, "short")

    def paint(self, store: "Store", _now_ns: int) -> None:
        """Show what ``store`` shows; cheap when nothing has changed."""
        state, chosen = store.shown, self.chosen
        if self._painted is not None and self._painted == (state, chosen):
            return
        self._painted = (state, chosen)
        row = row_of(state, chosen)
        self._top.show([Line("", top_text(state, chosen))])
        head, lines = environment_lines(state, self._width("environments"))
        self._panels["environments"].show(lines, head)
        self._panels["run"].show(run_lines(row, self._width("run"), self._zone))
        self._panels["checks"].border_title = f"health{proven(row)}"
        for name, entries, nothing in (
            ("checks", row.checks if row else (), not_asked(row)),
            ("hazards", row.hazards if row else (), "no plan yet: p plans"),
            ("runs", row.history if row else (), "no run yet"),
        ):
            self._panels[name].show(list_lines(entries, self._width(name), nothing))

    @property
    def chosen(self) -> str:
        """The environment that orders are about."""
        return self._panels["environments"].chosen or LOCAL

    def chosen_text(self, _state: ScreenState) -> str:
        """What the viewer would copy."""
        panel = self.focused
        return panel.chosen_text if isinstance(panel, Panel) else ""

    def _width(self, name: str) -> int:
        return max(20, self._panels[name].size.width or self.size.width - _INSET)

    # --- orders ---------------------------------------------------------------------------------

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Which keys mean something now."""
        if action != "order":
            return True
        row = row_of(self._store.live, self.chosen)
        return not why_not(row, meant(row, _ACTIONS[str(parameters[0])])) or None

    def action_order(self, name: str) -> None:
        """Order something of the chosen environment; whatever can hurt is asked about first."""
        verb = meant(row_of(self._store.live, self.chosen), _ACTIONS[name])
        row = row_of(self._store.shown, self.chosen)
        if (reason := why_not(row, verb)) or row is None:
            self.app.notify(f"{verb.value}: {reason}", severity="warning")
            return
        if asks_name(row, verb):
            about = f"{verb.value.capitalize()} {row.environment}? Type its name."
            self.app.push_screen(
                NameInput(about, described(row, verb)), lambda typed: self._named(row, verb, typed)
            )
        elif asks_yes(verb):
            question = Question(
                f"{verb.value.capitalize()} {row.environment}?",
                described(row, verb),
                SURE,
                "no",
                lambda live: why_void(row, verb, live),
            )
            self.app.push_screen(question, lambda answer: self._answered(row, verb, answer))
        else:
            self._leave(row, verb, "")

    def _named(self, row: DeployRow, verb: DeployVerb, typed: str | None) -> None:
        if typed and typed == row.environment:
            self._leave(row, verb, typed)
        elif typed:
            self.app.notify(f"{verb.value} not sent: {typed!r} is another name", severity="warning")

    def _answered(self, row: DeployRow, verb: DeployVerb, answer: str | None) -> None:
        if answer == "yes":
            self._leave(row, verb, "")

    def _leave(self, row: DeployRow, verb: DeployVerb, typed: str) -> None:
        if reason := why_void(row, verb, self._store.live):
            self.app.notify(f"{verb.value} not sent: {reason}", severity="warning")
            return
        self._hand.deploy(
            f"deploy {verb.value} {row.environment}",
            lambda by, now_ms: by.deploy(verb, row.environment, now_ms, plan=row.plan, typed=typed),
        )

    def action_leave(self) -> None:
        """Back to the incident."""
        self.dismiss()
