"""The one widget of the console: shows lines that somebody else has drawn, and redraws what changed.

Each line becomes a strip once and is kept until the line, the width or the theme changes; only
rows that differ are refreshed. It scrolls by an offset of its own, because a virtual size would
lay the whole screen out again with every line added.
"""

from collections.abc import Sequence
from typing import ClassVar

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Region
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from controlroom.console.draw.text import Line, Role


class Panel(Widget, can_focus=True):
    """Lines under a title. Follows the end when told to, until the viewer scrolls away."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "panel--chosen",
        *(f"panel--{role.value}" for role in Role),
    }
    DEFAULT_CSS = """
    Panel {
        .panel--dim { color: $text-muted; }
        .panel--strong { text-style: bold; }
        .panel--accent { color: $text-accent; }
        .panel--head { color: $text-muted; text-style: italic; }
        .panel--ok { color: $text-success; }
        .panel--warn { color: $text-warning; }
        .panel--broken { color: $text-error; text-style: bold; }
        .panel--chosen { background: $boost; text-style: bold; }
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "choose(-1)", "Up", show=False, id="panel.up"),
        Binding("down,j", "choose(1)", "Down", show=False, id="panel.down"),
        Binding("pageup,ctrl+u", "page(-1)", "Page up", show=False, id="panel.page-up"),
        Binding("pagedown,ctrl+d", "page(1)", "Page down", show=False, id="panel.page-down"),
        Binding("home,g", "end(-1)", "First", show=False, id="panel.first"),
        Binding("end,G", "end(1)", "Last", show=False, id="panel.last"),
        Binding("enter", "open", "Details", show=False, id="panel.open"),
    ]

    class Opened(Message):
        """The viewer wants to see the chosen thing whole."""

        def __init__(self, panel: "Panel") -> None:
            super().__init__()
            self.panel = panel

    def __init__(self, *, id: str, follow: bool = False, choosing: bool = True) -> None:  # noqa: A002 -- as Textual names it
        super().__init__(id=id)
        self._follow = follow
        self._following = follow
        self.can_focus = choosing
        self._head: Line | None = None
        self._lines: Sequence[Line] = ()
        self._top = 0
        self.chosen = ""
        self._strips: dict[tuple[Line, int, bool], Strip] = {}
        self._styles: dict[str, Style] = {}

    # --- what it shows ------------------------------------------------------------------------

    def show(self, lines: Sequence[Line], head: Line | None = None) -> None:
        """Show ``lines``; rows that are as before are not drawn again."""
        old_head, old, old_top = self._head, self._lines, self._top
        self._head, self._lines = head, lines
        self._scroll_into_range()
        if old_head != head or old_top != self._top:
            self.refresh()
        elif old is not lines:
            self._refresh_changed(old, lines)
        self._say_what_is_hidden()

    @property
    def chosen_text(self) -> str:
        """The lines of the chosen thing; all lines when nothing is chosen."""
        lines = [line.text.rstrip() for line in self._lines if line.key == self.chosen]
        return "\n".join(lines or [line.text.rstrip() for line in self._lines])

    def _refresh_changed(self, old: Sequence[Line], new: Sequence[Line]) -> None:
        first = 0 if self._head is None else 1
        rows = range(self.size.height - first)
        changed = [
            row
            for row in rows
            if _at(old, row + self._top) is not _at(new, row + self._top)
            and _at(old, row + self._top) != _at(new, row + self._top)
        ]
        if changed:
            width = self.size.width
            self.refresh(*(Region(0, row + first, width, 1) for row in changed))

    def _say_what_is_hidden(self) -> None:
        below = len(self._lines) - self._top - self._room
        said = f"↓ {below} more" if below > 0 else (f"↑ {self._top} more" if self._top else "")
        if self.border_subtitle != said:
            self.border_subtitle = said

    @property
    def _room(self) -> int:
        return max(1, self.size.height - (self._head is not None))

    def _scroll_into_range(self) -> None:
        last = max(0, len(self._lines) - self._room)
        self._top = last if self._following else min(self._top, last)

    # --- drawing ------------------------------------------------------------------------------

    def render_line(self, y: int) -> Strip:
        """One row."""
        width = self.size.width
        if self._head is not None:
            if y == 0:
                return self._strip(self._head, width, chosen=False)
            y -= 1
        line = _at(self._lines, y + self._top)
        if line is None:
            return Strip.blank(width, self._style("plain"))
        chosen = self.has_focus and bool(line.key) and line.key == self.chosen
        return self._strip(line, width, chosen=chosen)

    def _strip(self, line: Line, width: int, *, chosen: bool) -> Strip:
        known = self._strips.get((line, width, chosen))
        if known is not None:
            return known
        if len(self._strips) > 1024:
            self._strips.clear()
        mark = self._style("chosen") if chosen else Style.null()
        segments = [Segment(span.text, self._style(span.role.value) + mark) for span in line.spans]
        strip = Strip(segments).simplify().adjust_cell_length(width, self._style("plain") + mark)
        self._strips[line, width, chosen] = strip
        return strip

    def _style(self, name: str) -> Style:
        style = self._styles.get(name)
        if style is None:
            style = self.get_component_rich_style(f"panel--{name}", partial=name == "chosen")
            self._styles[name] = style
        return style

    def notify_style_update(self) -> None:
        """Forget what was drawn in the old theme."""
        super().notify_style_update()
        self._strips.clear()
        self._styles.clear()

    # --- moving -------------------------------------------------------------------------------

    def on_resize(self, _event: events.Resize) -> None:
        """Keep the offset sensible."""
        self._scroll_into_range()

    def on_focus(self) -> None:
        """Show what is chosen."""
        self.refresh()

    def on_blur(self) -> None:
        """Hide what is chosen."""
        self.refresh()

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        """Scroll with the wheel."""
        event.stop()
        self._scroll(2)

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        """Scroll with the wheel."""
        event.stop()
        self._scroll(-2)

    def on_click(self, event: events.Click) -> None:
        """Choose what was clicked; a second click opens it."""
        line = _at(self._lines, event.y - self.gutter.top - (self._head is not None) + self._top)
        if line is None or not line.key:
            return
        if line.key == self.chosen and event.chain > 1:
            self.post_message(self.Opened(self))
        self.chosen = line.key
        self.refresh()

    def action_choose(self, by: int) -> None:
        """Choose the next thing up or down."""
        keys = list(dict.fromkeys(line.key for line in self._lines if line.key))
        if not keys:
            return
        if self.chosen in keys:
            place = max(0, min(len(keys) - 1, keys.index(self.chosen) + by))
        else:
            place = len(keys) - 1 if self._following else 0
        self.chosen = keys[place]
        self._bring_into_view()

    def action_page(self, by: int) -> None:
        """Scroll by a page."""
        self._scroll(by * max(1, self._room - 1))

    def action_end(self, which: int) -> None:
        """Go to the first or the last line."""
        keys = [line.key for line in self._lines if line.key]
        if keys:
            self.chosen = keys[0 if which < 0 else -1]
        self._scroll(which * len(self._lines))

    def action_open(self) -> None:
        """See the chosen thing whole."""
        self.post_message(self.Opened(self))

    def _bring_into_view(self) -> None:
        rows = [place for place, line in enumerate(self._lines) if line.key == self.chosen]
        if rows[0] < self._top:
            self._scroll(rows[0] - self._top)
        elif rows[-1] >= self._top + self._room:
            self._scroll(rows[-1] - self._top - self._room + 1)
        self.refresh()

    def _scroll(self, by: int) -> None:
        last = max(0, len(self._lines) - self._room)
        self._top = max(0, min(last, self._top + by))
        self._following = self._follow and self._top == last
        self._say_what_is_hidden()
        self.refresh()


def _at(lines: Sequence[Line], place: int) -> Line | None:
    return lines[place] if 0 <= place < len(lines) else None
