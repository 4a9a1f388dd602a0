"""What the panels over the scene say, as rows of words and bars (pure).

Who paints them decides the pixels; here is what is told, and that each status has a glyph and a
word beside its colour.
"""

from typing import NamedTuple

from controlroom.window.scene.model import Frame
from controlroom.window.scene.palette import BAD, DIM, GOLD, HEALTH, INK, KINDS, OK, WARN, Colour
from engine.stream.state import IncidentRow, ScreenState, SwarmRow

LONG = 96
"""Characters of a line that is cut, with an ellipsis, where it would be longer."""


class Span(NamedTuple):
    """Words of one colour."""

    text: str
    colour: Colour = INK
    mono: bool = False


class Text(NamedTuple):
    """One line of words; ``right`` stands at the right edge."""

    spans: tuple[Span, ...]
    right: tuple[Span, ...] = ()
    large: bool = False


class Bar(NamedTuple):
    """How far something has come, with a mark where it is enough."""

    label: str
    value: float
    total: float
    enough: float
    """0 where there is no mark."""
    colour: Colour
    words: str


class Spark(NamedTuple):
    """A share over time, per mille, oldest first; the newest stands at the right edge."""

    values: tuple[int, ...]
    room: int
    """Values for which there is room: what is not known yet stays empty at the left."""


Row = Text | Bar | Spark


class Card(NamedTuple):
    """One panel."""

    title: str
    rows: tuple[Row, ...]
    edge: Colour | None = None
    """Colour of the edge, where the panel itself has a status."""


def text(words: str, colour: Colour = INK, *, mono: bool = False, large: bool = False) -> Text:
    """One line of one colour."""
    return Text((Span(cut(words), colour, mono),), large=large)


def wrapped(words: str, colour: Colour = INK, most: int = 6, wide: int = 44) -> list[Row]:
    """Words over several lines of so many characters; what does not fit is cut, with an ellipsis."""
    lines: list[str] = []
    line = ""
    for word in cut(words, 400).split(" "):
        if line and len(line) + 1 + len(word) > wide:
            lines.append(line)
            line = word
        else:
            line = f"{line} {word}" if line else word
    lines.append(line)
    if len(lines) > most:
        lines = [*lines[: most - 1], lines[most - 1] + " …"]
    return [text(it, colour) for it in lines]


def cut(words: str, most: int = LONG) -> str:
    """``words``, printable, at most so many characters long."""
    said = "".join(letter if letter.isprintable() else "·" for letter in words)
    return said if len(said) <= most else said[: most - 1] + "…"


# --- the incident -----------------------------------------------------------------------------------


def incident_card(state: ScreenState) -> Card:
    """What is wrong, how bad it is, what is to be done about it."""
    row = state.incident
    if row is None:
        return Card("INCIDENT", (*_nothing(state), *_slo(state)))
    word, colour = _status(row)
    took_ms = (row.closed_ms or state.at_ms) - row.opened_ms
    since = f"{'took' if row.closed_ms else 'for'} {_span(took_ms)}"
    rows: list[Row] = [
        Text((Span(cut(row.title, 34), INK),), large=True),
        Text((Span(word, colour),), (Span(since, DIM, mono=True),)),
        *_slo(state),
    ]
    rows += [
        Text((Span("suspects  " if not i else "          ", DIM, mono=True), Span(cut(it, 40))))
        for i, it in enumerate(row.hypotheses[:2])
    ]
    rows += _plan(row, state)
    return Card("INCIDENT  " + cut(row.key, 28), tuple(rows), colour)


def _nothing(state: ScreenState) -> list[Row]:
    if not state.services and not state.agents:
        return [text("○ no data yet", DIM, large=True)]
    if state.slo is not None and not state.slo.green:
        return [text("! SLO is red", WARN, large=True), text("nothing claimed yet", DIM)]
    return [text("✓ No incident", OK, large=True)]


def _status(row: IncidentRow) -> tuple[str, Colour]:
    word = cut(row.status, 20)
    if row.status in ("recovered", "subsided", "unfounded"):
        return f"✓ {word}", OK
    if row.status in ("handed over", "taken over"):
        return f"■ {word}", WARN
    if row.needs_approval:
        return "! waits for an operator", WARN
    if row.status == "claimed":
        return f"? {word}", WARN
    # On its way to a repair, but not mended yet: the cross is for what nothing is done about.
    answered = row.status in ("proposed", "decided", "certified", "acted")
    return (f"▸ {word}", KINDS["commit"].colour) if answered else (f"✖ {word}", BAD)


def _slo(state: ScreenState) -> list[Row]:
    slo = state.slo
    if slo is None:
        return []
    word, colour = ("✓ green", OK) if slo.green else ("✖ red", BAD)
    said = Text(
        (Span(f"{cut(slo.subject, 16)} SLO ", DIM), Span(word, colour)),
        (Span(f"{100 * slo.success:.0f} % good", INK, mono=True),),
    )
    return [said, Spark(slo.history, 120)]


def _plan(row: IncidentRow, state: ScreenState) -> list[Row]:
    if not row.plan:
        return []
    rows: list[Row] = [
        Text((Span("plan      ", DIM, mono=True), Span(cut(row.plan.partition(" (")[0], 40)))),
        Text(
            (Span("risk      ", DIM, mono=True), Span(f"{cut(row.risk, 8)}, "),
             Span("reaches " + (cut(", ".join(row.blast_radius), 26) or "nothing"), DIM)),
        ),
    ]  # fmt: skip
    if row.threshold:
        total = state.swarm.n if state.swarm is not None else max(row.threshold, row.accepts)
        against = f", {row.rejects} against" if row.rejects else ""
        enough = row.accepts >= row.threshold
        glyph = "✓ " if enough else ""
        said = f"{glyph}{row.accepts} of {total}{against}"
        colour = OK if enough else KINDS["commit"].colour
        rows.append(Bar("accepts", row.accepts, total, row.threshold, colour, said))
    if row.certificate:
        rows.append(
            Text((Span("certificate  ", DIM), Span(f"▣ {row.certificate[:12]}", GOLD, mono=True)))
        )
    return rows


# --- the council ------------------------------------------------------------------------------------


def council_card(frame: Frame) -> Card:
    """Who leads, how many faults are left, how far the round on screen has come."""
    swarm, tally = frame.state.swarm, frame.tally
    if swarm is None:
        return Card("COUNCIL", (text("○ not heard yet", DIM),))
    well = sum(frame.well.values())
    glyph, colour = ("✓", OK) if well == swarm.n else ("!", WARN) if swarm.ready else ("✖", BAD)
    budget = WARN if swarm.budget < swarm.f else INK
    rows: list[Row] = [
        Text((Span(f"{glyph} {well} of {swarm.n} well", colour),),
             (Span(f"quorum {swarm.quorum}", INK, mono=True),)),
        Text((Span("primary ", DIM), Span(f"♛ {cut(swarm.primary, 18)}")),
             (Span(f"view {swarm.view}", DIM, mono=True),)),
        Text((Span("fault budget ", DIM), Span(f"{swarm.budget} of {swarm.f}", budget)),
             (Span(f"entry {swarm.executed}", DIM, mono=True),)),
    ]  # fmt: skip
    if tally is not None:
        more = f" +{tally.more}" if tally.more else ""
        rows.append(
            Text((Span(f"round {tally.sequence_number}{more}", INK),),
                 (Span(f"{tally.took_ms:.1f} ms in truth", DIM, mono=True),))
        )  # fmt: skip
        best = int(tally.prepares.max()), int(tally.commits.max())
        rows += [
            votes_bar(label, value, swarm)
            for label, value in zip(("prepare", "commit"), best, strict=True)
        ]
    if frame.turning:
        rows.append(text("○ the view changes", WARN))
    edge = WARN if swarm.budget < swarm.f else None
    return Card("COUNCIL", tuple(rows), edge)


def votes_bar(label: str, votes: int, swarm: SwarmRow) -> Bar:
    """How many votes of a phase there are, with the quorum marked."""
    done = votes >= swarm.quorum
    said = f"{'✓ ' if done else ''}{votes} of {swarm.n}"
    colour = OK if done else KINDS[label].colour
    return Bar(label, votes, swarm.n, swarm.quorum, colour, said)


# --- legend and notices -----------------------------------------------------------------------------


def legend_card(frame: Frame) -> Card:
    """What moves means what, and what is drawn together."""
    kinds: list[Row] = [
        Text((Span(f"{KINDS[kind].glyph} ", KINDS[kind].colour), Span(words, DIM)))
        for kind, words in (
            ("pre-prepare", "pre-prepare: the primary proposes"),
            ("prepare", "prepare: all repeat what they got"),
            ("commit", "commit: all bind themselves"),
            ("view-change", "view change: another one leads"),
        )
    ]
    kinds.append(Text((Span("✖ ", BAD), Span("refused by its receiver", DIM))))
    kinds.append(Text((Span("? ", DIM), Span("others received it, this one did not", DIM))))
    kinds.append(Text((Span("◷ ", WARN), Span("a quarter of a second or more under way", DIM))))
    kinds.append(Text((Span("≠ ", WARN), Span("two contradicting messages", DIM))))
    kinds.append(text("  ".join(f"{it.glyph} {it.word}" for it in HEALTH.values()), DIM))
    return Card("WHAT IT MEANS", (*kinds, *folded_rows(frame)))


def folded_rows(frame: Frame) -> list[Row]:
    """What is not drawn on its own: counted, never hidden."""
    return [
        Text((Span(f"{count} ", INK, mono=True), Span(what, DIM)))
        for what, count in frame.folded.items()
    ]


def notice_rows(state: ScreenState) -> tuple[Row, ...]:
    """What a person must know now, most urgent first."""
    rows: list[Row] = []
    if state.swarm is not None and state.swarm.frozen:
        rows.append(text("‖ FROZEN  all automation is stopped", WARN))
    if state.drill is not None and state.drill.running:
        rows.append(text(f"⚡ a drill runs  {state.drill.text}".rstrip(), KINDS["prepare"].colour))
    for notice in state.notices[:4]:
        rows += wrapped(f"! {notice}", WARN, most=2, wide=64)
    return tuple(rows)


def _span(milliseconds: int) -> str:
    seconds = max(0, milliseconds) / 1000
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes} min {rest:02} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def words_of(card: Card) -> str:
    """A card as plain text, to be copied."""
    lines = [card.title] if card.title else []
    for row in card.rows:
        match row:
            case Text(spans, right):
                left = "".join(span.text for span in spans)
                lines.append(f"{left}  {''.join(span.text for span in right)}".rstrip())
            case Bar():
                lines.append(f"{row.label}  {row.words}")
            case Spark():
                pass
    return "\n".join(lines)
