"""The incident's story in order, each entry with its evidence."""

from datetime import tzinfo
from functools import lru_cache

from controlroom.console.draw.text import Line, Role, Span, clean, clock, fitted, wrapped
from engine.stream.state import TimelineEntry

WIDE = 74
"""From this width on, kind and author have columns of their own."""

_MARKS = {
    "opened": ("✖", Role.BROKEN),
    "corroborated": ("▲", Role.WARN),
    "warned": ("▲", Role.WARN),
    "diagnosed": ("◆", Role.ACCENT),
    "proposed": ("◇", Role.ACCENT),
    "approved": ("✓", Role.OK),
    "refused": ("✗", Role.BROKEN),
    "frozen": ("❄", Role.WARN),
    "thawed": ("●", Role.OK),
    "taken-over": ("■", Role.WARN),
    "handed over": ("■", Role.BROKEN),
    "open": ("✖", Role.BROKEN),
    "asks": ("▲", Role.WARN),
    "attempt": ("▼", Role.WARN),
    "undoing": ("◀", Role.WARN),
    "noted": ("“", Role.PLAIN),
    "decided": ("■", Role.STRONG),
    "certificate": ("■", Role.STRONG),
    "certified": ("·", Role.DIM),
    "acted": ("▶", Role.ACCENT),
    "undo-requested": ("◀", Role.WARN),
    "undone": ("◀", Role.WARN),
    "worse": ("▼", Role.BROKEN),
    "recovered": ("●", Role.OK),
    "closed": ("●", Role.OK),
    "convicted": ("✖", Role.BROKEN),
}
_VERDICTS = {
    "accept": ("✓", Role.OK),
    "reject": ("✗", Role.BROKEN),
    "abstain": ("–", Role.DIM),
}


def mark_of(entry: TimelineEntry) -> tuple[str, Role]:
    """The glyph and the colour of an entry; its word is its kind."""
    if entry.kind == "assessed":
        verdict = entry.text.partition(":")[0].partition(" ")[0]
        return _VERDICTS.get(verdict, ("·", Role.DIM))
    return _MARKS.get(entry.kind, ("·", Role.DIM))


def timeline_lines(
    entries: tuple[TimelineEntry, ...], width: int, zone: tzinfo | None = None
) -> list[Line]:
    """All entries, wrapped; the lines of one entry share its key."""
    lines: list[Line] = []
    if not entries:
        return [Line("", (Span("nothing has happened yet", Role.DIM),))]
    for entry in entries:
        lines += _entry_lines(entry, width, zone)
    return lines


def key_of(entry: TimelineEntry) -> str:
    """What names an entry for as long as it is shown, however far the list moves on."""
    return f"{entry.sequence_number}.{entry.kind}.{entry.who}.{entry.text}"


def whole_text(entry: TimelineEntry, zone: tzinfo | None = None) -> str:
    """An entry in one line, for copying and for the detail view."""
    said = f"{clock(entry.at_ms, zone)} #{entry.sequence_number} {entry.kind} by {entry.who}"
    return clean(f"{said}: {entry.text}")


@lru_cache(maxsize=1024)
def _entry_lines(entry: TimelineEntry, width: int, zone: tzinfo | None) -> tuple[Line, ...]:
    glyph, role = mark_of(entry)
    kind, who, text = clean(entry.kind), clean(entry.who), clean(entry.text)
    lead: tuple[Span, ...] = (
        Span(clock(entry.at_ms, zone) + " ", Role.DIM),
        Span(glyph + " ", role),
    )
    if width >= WIDE:
        lead += (Span(fitted(kind, 13), role), Span(fitted(who, 16), Role.DIM))
    else:
        text = f"{who}: {text}" if kind == "assessed" else f"{kind} by {who}: {text}"
    indent = sum(len(span.text) for span in lead)
    lines = wrapped(text, width - indent)
    key = key_of(entry)
    first = Line(key, (*lead, Span(lines[0], _text_role(entry, role))))
    rest = (Line(key, (Span(" " * indent + line, Role.PLAIN),)) for line in lines[1:])
    return (first, *rest)


def _text_role(entry: TimelineEntry, role: Role) -> Role:
    return (
        Role.STRONG
        if entry.kind in ("decided", "certificate", "closed")
        else (Role.DIM if role is Role.DIM else Role.PLAIN)
    )
