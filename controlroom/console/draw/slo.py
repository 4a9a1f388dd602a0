"""What the independent probe saw, second by second, on an honest time axis."""

from controlroom.console.draw.text import Line, Role, Span, clean, percent, span_of_time
from controlroom.console.draw.timeline import mark_of
from engine.stream.state import ScreenState, SloRow

_BLOCKS = " ▁▂▃▄▅▆▇█"
_SCALE = 5
"""Cells of the scale on the left."""
_FACTS = 13
"""Cells of the figures on the right."""
SECONDS = 120
"""Seconds that the axis spans, however few of them are known."""
_MARKED = ("opened", "acted", "recovered")


def slo_title(slo: SloRow | None, width: int) -> str:
    """What one column of the chart stands for."""
    if slo is None:
        return "SLO: no probe"
    seconds = seconds_a_column(width)
    each = "second by second" if seconds == 1 else f"worst of each {seconds} s"
    return f"{clean(slo.subject)} failing, {each}"


def slo_lines(state: ScreenState, width: int, height: int) -> list[Line]:
    """A chart of the share of failed requests, with figures beside it and a time axis below."""
    slo = state.slo
    if slo is None or height < 3 or width < 30:
        return []
    seconds = seconds_a_column(width)
    columns = -(-SECONDS // seconds)
    known = worst_by_column(slo.history[-SECONDS:], seconds)[-columns:]
    unknown = " " * (columns - len(known))
    bars = max(1, height - 2)
    facts = _facts(slo)
    lines = []
    for level in range(bars - 1, -1, -1):
        scale = "100 %" if level == bars - 1 else ("  0 %" if level == 0 else "     ")
        chart = unknown + "".join(_block(value, level, bars) for value in known)
        fact = facts[bars - 1 - level] if bars - 1 - level < len(facts) else Span("")
        lines.append(Line("", (Span(scale, Role.DIM), Span(chart, Role.BROKEN), Span("  "), fact)))
    base = _marks(state, columns, len(known), seconds)
    lines.append(Line("", (Span(" " * _SCALE), *base)))
    lines.append(Line("", (Span(" " * _SCALE + _axis(columns, seconds), Role.DIM),)))
    return lines


def seconds_a_column(width: int) -> int:
    """How many seconds one column must stand for."""
    room = max(1, width - _SCALE - _FACTS - 2)
    return -(-SECONDS // room)


def worst_by_column(history: tuple[int, ...], seconds: int) -> list[int]:
    """Failed per mille in the worst second of each column, oldest first; the newest is whole."""
    newest_first = history[::-1]
    return [
        1000 - min(newest_first[start : start + seconds])
        for start in range(0, len(newest_first), seconds)
    ][::-1]


def _block(failed: int, level: int, levels: int) -> str:
    eighths = round(failed * levels * 8 / 1000)
    if failed > 0:
        eighths = max(1, eighths)  # One failure in a thousand is seen, too.
    return _BLOCKS[max(0, min(8, eighths - 8 * level))]


def _facts(slo: SloRow) -> list[Span]:
    word = Span("● green", Role.OK) if slo.green else Span("✖ red", Role.BROKEN)
    return [
        word,
        Span(f"for {span_of_time(slo.held_ms)}"),
        Span(f"{percent(slo.success)} good"),
        Span("in last 10 s", Role.DIM),
    ]


def _marks(state: ScreenState, columns: int, known: int, seconds: int) -> list[Span]:
    """What happened when, in the glyphs of the timeline, over a base line as far as is known."""
    row = [Span(" ")] * (columns - known) + [Span("─", Role.DIM)] * known
    for entry in state.timeline:
        place = columns - 1 - (state.at_ms - entry.at_ms) // 1000 // seconds
        if entry.kind in _MARKED and 0 <= place < columns:
            row[place] = Span(*mark_of(entry))
    return row


def _axis(columns: int, seconds: int) -> str:
    first, middle = f"−{columns * seconds} s", f"−{columns * seconds // 2} s"
    if columns < 24:
        return first.ljust(max(0, columns - 3)) + "now"
    left = first.ljust(columns // 2 - len(middle) // 2) + middle
    return left.ljust(columns - 3) + "now"
