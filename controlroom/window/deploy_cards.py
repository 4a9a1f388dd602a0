"""What the deploy drawer says of an environment: its run, its checks, the plan's hazards (pure)."""

from collections.abc import Sequence

from controlroom.window.cards import Card, Row, Span, Text, cut, text, wrapped
from controlroom.window.inspecting import fact, heading
from controlroom.window.scene.palette import BAD, DIM, HEALTH, INK, KINDS, WARN
from engine.stream.state import DeployRow, Health

__all__ = ["deploy_card", "environment_words"]

_BAD_ENDS = ("failed", "refused", "rolled back")
_MOST_LINES = 8
_MOST_RUNS = 4
_PART_LINES = 3


def environment_words(row: DeployRow) -> str:
    """An environment in a few words, for its button."""
    at_work = "▸ " if row.busy else ""
    return f"{HEALTH[row.health].glyph} {row.environment}   {at_work}{row.phase or 'no run'}"


def deploy_card(row: DeployRow | None) -> Card:
    """What is known of one environment."""
    if row is None:
        said = "This engine deploys nothing: it was started without a deployer."
        return Card("DEPLOY", tuple(wrapped(said, DIM)))
    status = HEALTH[row.health]
    rows: list[Row] = [
        text(row.environment, INK, large=True),
        *wrapped(row.target, DIM, most=2),
        fact("health", f"{status.glyph} {status.word}", status.colour),
        fact(
            "drift", row.drift or "–", INK if row.drift in ("", "none", "not looked at") else WARN
        ),
        *_run(row),
        *_lines("stacks", row.stacks),
        *_lines("health checks", row.checks, "not asked yet"),
        *_lines("hazards of the plan", row.hazards, "no plan yet"),
        *_lines("runs", row.history[:_MOST_RUNS]),
    ]
    return Card("DEPLOY", tuple(rows), status.colour)


def _run(row: DeployRow) -> list[Row]:
    if not row.phase:
        return [text("○ no run yet", DIM)]
    ended_badly = row.phase in _BAD_ENDS
    glyph, colour = ("▸", KINDS["pre-prepare"].colour) if row.busy else ("●", INK)
    glyph, colour = ("✖", BAD) if ended_badly else (glyph, colour)
    rows: list[Row] = [
        heading(f"run {row.run}, build {cut(row.build, 22) or '–'}"),
        text(f"{glyph} {row.phase}{', at work' if row.busy else ''}", colour),
    ]
    if row.plan:
        named = ", typing its name" if row.needs_name else ""
        rows.append(text(f"! plan {row.plan[:12]} waits for a yes{named}", WARN))
    if row.reason:
        rows += wrapped(row.reason, BAD if ended_badly else WARN, most=_PART_LINES)
    return rows


def _lines(title: str, entries: Sequence[str], nothing: str = "") -> list[Row]:
    """Entries that begin with a word for their health; those that there is no room for are counted."""
    if not entries:
        return [heading(title), text(nothing, DIM)] if nothing else []
    rows: list[Row] = [heading(title)]
    for entry in entries[:_MOST_LINES]:
        word, _, words = entry.partition(" ")
        known = word in set(Health)
        status = HEALTH[Health(word) if known else Health.UNKNOWN]
        said = words if known else entry
        rows.append(Text((Span(f"{status.glyph} ", status.colour), Span(cut(said, 52)))))
    if len(entries) > _MOST_LINES:
        rows.append(text(f"and {len(entries) - _MOST_LINES} more", DIM))
    return rows
