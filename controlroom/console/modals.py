"""Questions, the note, the details and the keys: what lies over the screen for a moment."""

from collections.abc import Callable, Sequence
from typing import ClassVar, NamedTuple

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Input, Label, Static

from engine.stream.state import ScreenState
from engine.vocabulary import MAX_TEXT

Void = Callable[[ScreenState], str]
"""Why a question no longer makes sense, given the live state; empty while it does."""


class Choice(NamedTuple):
    """One answer to a question."""

    key: str
    word: str
    value: str


class Question(ModalScreen[str]):
    """Asks once. Enter and escape give the safe answer; only the named key gives another.

    A question about something that has moved on is void: it says so, and every key is the safe
    answer.
    """

    def __init__(
        self,
        title: str,
        about: Sequence[str],
        choices: Sequence[Choice],
        safe: str,
        void: Void | None = None,
    ) -> None:
        super().__init__()
        self._title = title
        self._about = about
        self._choices = choices
        self._safe = safe
        self._is_void = void
        self._said = Static("", id="void", markup=False)
        self.void_reason = ""

    def compose(self) -> ComposeResult:
        """A box in the middle."""
        with Vertical(classes="box"):
            yield Label(self._title, classes="box-title", markup=False)
            for line in self._about:
                yield Static(line, markup=False)
            yield self._said
            answers = "   ".join(f"{choice.key} {choice.word}" for choice in self._choices)
            yield Label(f"{answers}   enter {self._safe}", classes="box-keys", markup=False)

    def check(self, live: ScreenState) -> None:
        """Look whether the question still makes sense."""
        reason = self._is_void(live) if self._is_void is not None else ""
        if reason and not self.void_reason:
            self.void_reason = reason
            self._said.update(f"✖ VOID  {reason}. Any key closes this.")
            self.add_class("void")

    def on_key(self, event: events.Key) -> None:
        """Take an answer."""
        event.stop()
        event.prevent_default()
        if self.void_reason or event.key in ("enter", "escape"):
            self.dismiss(self._safe)
            return
        for choice in self._choices:
            if event.key == choice.key:
                self.dismiss(choice.value)
                return


class NoteInput(ModalScreen[str]):
    """One line for the record; empty when the viewer thinks better of it."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "cancel", "Cancel")]

    def compose(self) -> ComposeResult:
        """A box with an input."""
        with Vertical(classes="box"):
            yield Label("A note for the record; it decides nothing", classes="box-title")
            yield Input(max_length=MAX_TEXT, placeholder="what you know, saw or did")
            yield Label("enter sends   escape cancels", classes="box-keys")

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Done."""
        self.dismiss(event.value.strip())

    def action_cancel(self) -> None:
        """Never mind."""
        self.dismiss("")


class NameInput(ModalScreen[str]):
    """A name that has to be typed before something that cannot be taken back; empty: not done."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "cancel", "Cancel")]

    def __init__(self, title: str, about: Sequence[str]) -> None:
        super().__init__()
        self._title = title
        self._about = about

    def compose(self) -> ComposeResult:
        """A box with what it is about, and an input."""
        with Vertical(classes="box"):
            yield Label(self._title, classes="box-title", markup=False)
            for line in self._about:
                yield Static(line, markup=False)
            yield Input(max_length=32, placeholder="its name")
            yield Label("enter does it   escape cancels", classes="box-keys")

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Done."""
        self.dismiss(event.value.strip())

    def action_cancel(self) -> None:
        """Never mind."""
        self.dismiss("")


class Details(ModalScreen[None]):
    """A text whole, to be read and copied."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,enter,q", "dismiss", "Close"),
        Binding("y", "copy", "Copy"),
    ]

    def __init__(self, title: str, text: str) -> None:
        super().__init__()
        self._title = title
        self._text = text

    def compose(self) -> ComposeResult:
        """A box that scrolls."""
        with VerticalScroll(classes="box"):
            yield Label(self._title, classes="box-title", markup=False)
            yield Static(self._text, markup=False)
            yield Label("y copies   escape closes", classes="box-keys")

    def action_copy(self) -> None:
        """To the clipboard of the terminal."""
        self.app.copy_to_clipboard(self._text)
        self.app.notify("copied", timeout=2)
