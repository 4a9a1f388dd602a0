"""Environments, and what is done to the chosen one: as lines."""

from collections.abc import Iterable
from datetime import tzinfo

from controlroom.console.draw.text import (
    GLYPHS,
    ROLES,
    Column,
    Line,
    Role,
    Span,
    clean,
    clock,
    fitting,
    head_line,
    health_span,
    table_line,
    wrapped,
)
from controlroom.deploys import rows_of
from engine.stream.state import DeployRow, Health, ScreenState

__all__ = ["environment_lines", "list_lines", "run_lines", "top_text"]

_COLUMNS = (
    Column("environment", 12, 9),
    Column("health", 9, 8),
    Column("run", 5, 6, right=True),
    Column("stands at", 13, 7),
    Column("drift", 14, 4),
    Column("build", 24, 3),
    Column("target", 0, 5),
)
_BAD_ENDS = ("failed", "refused", "rolled back")


def environment_lines(state: ScreenState, width: int) -> tuple[Line, list[Line]]:
    """The head and one line an environment."""
    columns = fitting(_COLUMNS, width)
    lines = [table_line(row.environment, _cells(row), columns, width) for row in rows_of(state)]
    return head_line(columns, width), lines or [
        Line(
            "", (Span("this engine deploys nothing: it was started without a deployer", Role.DIM),)
        )
    ]


def run_lines(row: DeployRow | None, width: int, zone: tzinfo | None) -> list[Line]:
    """Where the newest run of the chosen environment stands, and each of its stacks."""
    said = [Line("said", (Span(text, Role.DIM),)) for text in _told(row.said, width)] if row else []
    if row is None or not row.phase:
        nothing = "no run yet: a applies" if row is not None else "choose an environment"
        return said or [Line("", (Span(nothing, Role.DIM),))]
    working = Span(" at work", Role.ACCENT) if row.busy else Span("")
    role = Role.BROKEN if row.phase in _BAD_ENDS else Role.STRONG
    when = clock(row.began_ms, zone)
    head = (Span(f"run {row.run} since {when} "), Span(f"{row.phase}", role), working)
    lines = [Line("run", head)]
    if row.plan:
        named = ", typing its name" if row.needs_name else ""
        text = f"plan {row.plan[:12]} waits: a approves{named}"
        lines.append(Line("plan", (Span(text, Role.WARN),)))
    lines += [Line("why", (Span(text, Role.WARN),)) for text in _told(row.reason, width)]
    return lines + said + list_lines(row.stacks, width)


def list_lines(entries: Iterable[str], width: int, nothing: str = "") -> list[Line]:
    """Entries that begin with a word for their health, wrapped below their glyph."""
    lines = []
    for number, entry in enumerate(entries):
        word, _, text = entry.partition(" ")
        health = Health(word) if word in set(Health) else Health.UNKNOWN
        first = True
        for part in wrapped(clean(text), width - 2):
            glyph = Span(f"{GLYPHS[health]} " if first else "  ", ROLES[health])
            lines.append(Line(f"{number}", (glyph, Span(part))))
            first = False
    return lines or [Line("", (Span(nothing, Role.DIM),))]


def top_text(state: ScreenState, chosen: str) -> tuple[Span, ...]:
    """The line above: what is deployed where, so that nobody deploys to the wrong place."""
    row = state.deploys.get(chosen)
    if row is None:
        return (Span(" DEPLOY ", Role.STRONG),)
    return (
        Span(" DEPLOY ", Role.STRONG),
        Span(f" {clean(row.target)} ", Role.ACCENT),
        health_span(row.health),
    )


def _cells(row: DeployRow) -> dict[str, Span]:
    phase = row.phase or "no run"
    role = Role.BROKEN if phase in _BAD_ENDS else Role.ACCENT if row.busy else Role.PLAIN
    drifted = row.drift not in ("", "none", "not looked at")
    return {
        "environment": Span(clean(row.environment), Role.STRONG),
        "health": health_span(row.health),
        "run": Span(str(row.run) if row.run else "–"),
        "stands at": Span(f"{'▸ ' if row.busy else ''}{clean(phase)}", role),
        "drift": Span(
            f"▲ {clean(row.drift)}" if drifted else row.drift or "–",
            Role.WARN if drifted else Role.DIM,
        ),
        "build": Span(clean(row.build) or "–"),
        "target": Span(clean(row.target), Role.DIM),
    }


def _told(text: str, width: int) -> list[str]:
    return wrapped(clean(text), width) if text else []
