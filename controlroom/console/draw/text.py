"""Lines of text with roles in place of colours, and tables that drop columns to fit."""

import textwrap
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, tzinfo
from enum import StrEnum
from typing import NamedTuple

from rich.cells import cell_len, set_cell_size

from engine.stream.state import Health


class Role(StrEnum):
    """What a piece of text is; the theme says which colour that has."""

    PLAIN = "plain"
    DIM = "dim"
    STRONG = "strong"
    ACCENT = "accent"
    HEAD = "head"
    OK = "ok"
    WARN = "warn"
    BROKEN = "broken"


class Span(NamedTuple):
    """A piece of text in one role."""

    text: str
    role: Role = Role.PLAIN


class Line(NamedTuple):
    """One line; lines with the same key belong to the same thing and are chosen together."""

    key: str
    spans: tuple[Span, ...]

    @property
    def text(self) -> str:
        """Without the roles."""
        return "".join(span.text for span in self.spans)


GLYPHS = {Health.OK: "●", Health.WARN: "▲", Health.BROKEN: "✖", Health.UNKNOWN: "○"}
ROLES = {
    Health.OK: Role.OK,
    Health.WARN: Role.WARN,
    Health.BROKEN: Role.BROKEN,
    Health.UNKNOWN: Role.DIM,
}


def health_span(health: Health) -> Span:
    """A health as glyph, word and colour."""
    return Span(f"{GLYPHS[health]} {health.value}", ROLES[health])


def clean(text: str) -> str:
    """``text`` without anything that a terminal could take for an order."""
    return "".join(letter if letter.isprintable() else "·" for letter in text)


def fitted(text: str, width: int, *, right: bool = False) -> str:
    """``text`` in exactly ``width`` cells; cut text ends in an ellipsis."""
    if width <= 0:
        return ""
    length = cell_len(text)
    if length > width:
        return set_cell_size(text, width - 1) + "…"
    padding = " " * (width - length)
    return padding + text if right else text + padding


def wrapped(text: str, width: int) -> list[str]:
    """``text`` in lines of at most ``width`` cells; at least one line."""
    lines = textwrap.wrap(text, max(8, width), break_on_hyphens=False) or [""]
    return [fitted(line, width).rstrip() if cell_len(line) > width else line for line in lines]


def length_of(spans: Iterable[Span]) -> int:
    """Cells that ``spans`` take."""
    return sum(cell_len(span.text) for span in spans)


class Column(NamedTuple):
    """One column of a table."""

    title: str
    width: int
    """In cells; 0 takes what the others leave."""
    rank: int
    """Dropped in rising order when the line is too narrow; 9 stays."""
    right: bool = False


def fitting(columns: Sequence[Column], width: int, least: int = 10) -> list[Column]:
    """The columns that fit: the least important are dropped first, whole.

    Args:
        columns: in order.
        width: cells of a line.
        least: cells that a column of width 0 needs.
    """
    kept = list(columns)
    while len(kept) > 1:
        taken = sum((column.width or least) + 1 for column in kept) - 1
        loosest = min(kept, key=lambda column: column.rank)
        if taken <= width or loosest.rank >= 9:
            break
        kept.remove(loosest)
    return kept


def head_line(columns: Sequence[Column], width: int) -> Line:
    """The titles of ``columns``."""
    cells = {column.title: Span(column.title, Role.HEAD) for column in columns}
    return table_line("", cells, columns, width)


def table_line(key: str, cells: dict[str, Span], columns: Sequence[Column], width: int) -> Line:
    """One row: ``cells`` by column title, laid out in ``columns``."""
    fixed = sum(column.width for column in columns) + len(columns) - 1
    spans: list[Span] = []
    for place, column in enumerate(columns):
        cell = cells.get(column.title, Span(""))
        room = column.width or max(0, width - fixed)
        text = fitted(cell.text, room, right=column.right)
        spans.append(Span(text if place == len(columns) - 1 else text + " ", cell.role))
    return Line(key, tuple(spans))


def clock(at_ms: int, zone: tzinfo | None = None) -> str:
    """Time of day, local unless ``zone`` says otherwise."""
    return datetime.fromtimestamp(at_ms / 1000, UTC).astimezone(zone).strftime("%H:%M:%S")


def span_of_time(ms: int) -> str:
    """``41 s``, ``2:05 min`` or ``1:02 h``: short enough for a top line."""
    seconds = max(0, ms) // 1000
    if seconds < 100:
        return f"{seconds} s"
    if seconds < 6000:
        return f"{seconds // 60}:{seconds % 60:02} min"
    return f"{seconds // 3600}:{seconds // 60 % 60:02} h"


def percent(share: float) -> str:
    """``62 %``, with a digit more where it matters: ``0.4 %``, ``99.6 %``."""
    value = 100 * share
    if value in (0.0, 100.0) or 1 <= value < 99:
        return f"{value:.0f} %"
    return f"{value:.1f} %"


def milliseconds(value: float) -> str:
    """``4 ms``, ``1.9 s``."""
    return f"{value:.0f} ms" if value < 1000 else f"{value / 1000:.1f} s"
