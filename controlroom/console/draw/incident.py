"""The top line, the banners and the plan: what is wrong, how bad, and what is asked of a person."""

from datetime import tzinfo

from controlroom.console.draw.council import ready_agents
from controlroom.console.draw.text import (
    Line,
    Role,
    Span,
    clean,
    clock,
    length_of,
    percent,
    span_of_time,
    wrapped,
)
from controlroom.store import LinkStatus, Store
from engine.stream.state import Health, IncidentRow, ScreenState

_ENDED = {"recovered", "subsided", "unfounded"}
_WITH_PEOPLE = {"handed over", "taken over"}


class _Piece:
    """A part of the top line; the one with the lowest rank goes first when room is short."""

    def __init__(self, rank: int, *spans: Span, right: bool = False) -> None:
        self.rank, self.spans, self.right = rank, spans, right

    def dimmed(self) -> "_Piece":
        """The same words without their colours: they may no longer be true."""
        return _Piece(
            self.rank, *(Span(span.text, Role.DIM) for span in self.spans), right=self.right
        )


def top_line(store: Store, now_ns: int, width: int, zone: tzinfo | None = None) -> Line:
    """What, how bad, since when, can the swarm be trusted, how old is this."""
    state = store.shown
    told = [*_what(state, zone), *_how_bad(state), *_swarm(state)]
    if store.gaps:
        told.append(_Piece(0, Span(f"▲ {store.gaps} skipped", Role.WARN), right=True))
    if store.status(now_ns) in (LinkStatus.STALE, LinkStatus.WAITING):
        told = [piece.dimmed() for piece in told]
    pieces = [*told, _Piece(9, _age(store, now_ns), right=True)]
    while len(pieces) > 1 and _needed(pieces, 2) > width:
        pieces.remove(min(pieces, key=lambda piece: piece.rank))
    between = 3 if _needed(pieces, 3) <= width else 2
    left = _joined([piece for piece in pieces if not piece.right], between)
    right = _joined([piece for piece in pieces if piece.right], between)
    gap = max(1, width - 2 - length_of(left) - length_of(right))
    return Line("top", (Span(" "), *left, Span(" " * gap), *right, Span(" ")))


def _needed(pieces: list[_Piece], between: int) -> int:
    return 2 + sum(length_of(piece.spans) + between for piece in pieces) - between


def _joined(pieces: list[_Piece], between: int) -> list[Span]:
    spans: list[Span] = []
    for piece in pieces:
        spans += [Span(" " * between), *piece.spans] if spans else piece.spans
    return spans


def _what(state: ScreenState, zone: tzinfo | None) -> list[_Piece]:
    incident = state.incident
    if incident is None:
        if state.slo is not None and not state.slo.green:
            return [
                _Piece(10, Span("▲ SLO RED", Role.WARN)),
                _Piece(3, Span("nothing claimed yet")),
            ]
        if not state.services:
            return [_Piece(10, Span("○ NO DATA", Role.DIM))]
        return [_Piece(10, Span("● NO INCIDENT", Role.OK))]
    word = _word(incident)
    title = _Piece(8, Span(clean(incident.title), Role.STRONG))
    key = _Piece(1, Span(clean(incident.key), Role.DIM))
    if incident.closed_ms:
        took = span_of_time(incident.closed_ms - incident.opened_ms)
        return [_Piece(10, word), title, key, _Piece(7, Span(f"took {took}"))]
    since = span_of_time(state.at_ms - incident.opened_ms)
    began = _Piece(2, Span(f"since {clock(incident.opened_ms, zone)}"))
    return [_Piece(10, word), title, key, began, _Piece(7, Span(f"for {since}", Role.STRONG))]


def _word(incident: IncidentRow) -> Span:
    status = clean(incident.status)
    if status in _ENDED:
        return Span(f"● {status.upper()}", Role.OK)
    if status in _WITH_PEOPLE:
        return Span(f"■ {status.upper()}", Role.BROKEN)
    if status == "claimed":
        return Span("▲ CLAIMED", Role.WARN)
    return Span(f"✖ {status.upper()}", Role.BROKEN)


def _how_bad(state: ScreenState) -> list[_Piece]:
    slo = state.slo
    if slo is None:
        return []
    role, glyph = (Role.OK, "●") if slo.green else (Role.BROKEN, "✖")
    said = Span(f"{glyph} {clean(slo.subject)} {percent(slo.success)} good", role)
    return [_Piece(6, said)]


def _swarm(state: ScreenState) -> list[_Piece]:
    swarm = state.swarm
    if swarm is None:
        return [_Piece(5, Span("swarm …", Role.DIM), right=True)]
    ready = ready_agents(state)
    health = (
        Health.OK if ready == swarm.n else Health.WARN if ready >= swarm.quorum else Health.BROKEN
    )
    glyph, role = {
        Health.OK: ("●", Role.OK),
        Health.WARN: ("▲", Role.WARN),
    }.get(health, ("✖", Role.BROKEN))
    budget_role = Role.PLAIN if swarm.budget else Role.WARN
    return [
        _Piece(5, Span(f"{glyph} swarm {ready}/{swarm.n}", role), right=True),
        _Piece(4, Span(f"fault budget {swarm.budget}/{swarm.f}", budget_role), right=True),
    ]


def _age(store: Store, now_ns: int) -> Span:
    age = span_of_time(store.age_ns(now_ns) // 1_000_000)
    match store.status(now_ns):
        case LinkStatus.LIVE:
            # One word for every age below the alarm: a number that flickers tells nothing.
            return Span("● live", Role.OK)
        case LinkStatus.STALE:
            return Span(f"▲ {age} old", Role.WARN)
        case LinkStatus.CONNECTING:
            return Span("○ connecting", Role.DIM)
        case LinkStatus.REPLAY:
            return Span("▷ replay", Role.ACCENT)
        case LinkStatus.WAITING:
            return Span("✖ no engine" if store.is_empty else f"✖ {age} old", Role.BROKEN)


def banner_lines(store: Store, now_ns: int, width: int, zone: tzinfo | None = None) -> list[Line]:
    """What a person must know now, most urgent first."""
    state = store.shown
    said = [*_about_the_link(store, now_ns, zone), *_about_the_view(store)]
    if state.swarm is not None and state.swarm.frozen:
        said.append(("❄ FROZEN  all automation is stopped; the space bar thaws it", Role.WARN))
    said += [(f"▲ {clean(notice)}", Role.WARN) for notice in state.notices]
    if state.drill is not None and state.drill.running:
        said.append((f"◇ drill {clean(state.drill.text)}".rstrip(), Role.ACCENT))
    lines = []
    for number, (text, role) in enumerate(said):
        lines += [
            Line(f"banner{number}", (Span(f" {part}", role),))
            for part in wrapped(text, width - 2)[:2]
        ]
    return lines[:6]


def _about_the_link(store: Store, now_ns: int, zone: tzinfo | None) -> list[tuple[str, Role]]:
    status = store.status(now_ns)
    if status is LinkStatus.STALE:
        age = span_of_time(store.age_ns(now_ns) // 1_000_000)
        return [(f"▲ STALE  the engine has said nothing for {age}", Role.WARN)]
    if status is not LinkStatus.WAITING:
        return []
    retry = -(-store.retry_in_ns(now_ns) // 1_000_000_000)
    again = f"next try in {retry} s" if retry else "trying now"
    as_of = f"; shown as of {clock(store.live.at_ms, zone)}" if not store.is_empty else ""
    return [(f"✖ NOT CONNECTED{as_of}; {again}: {clean(store.reason)}", Role.BROKEN)]


def _about_the_view(store: Store) -> list[tuple[str, Role]]:
    if not store.paused:
        return []
    back = span_of_time(store.behind_ns // 1_000_000)
    return [(f"‖ PAUSED −{back}, {store.behind} behind  [ and ] step, p goes on live", Role.ACCENT)]


def plan_lines(state: ScreenState, width: int, zone: tzinfo | None = None) -> list[Line]:
    """The live proposal: what, why, how far it reaches, who agrees, and until when."""
    incident = state.incident
    if incident is None:
        return _at_rest(state, width)
    if not incident.plan:
        causes = _fact("causes", ", ".join(map(clean, incident.hypotheses)), width)
        return [*causes, Line("", (Span("no plan yet", Role.DIM),))]
    asked = incident.needs_approval and not incident.closed_ms
    lines = _ask(incident, state.at_ms, width) if asked else []
    lines += [
        *_fact("plan", clean(incident.plan), width, Role.STRONG),
        *_votes(incident, width),
        *_fact("because", ", ".join(map(clean, incident.hypotheses)), width)[:2],
        *_fact("reaches", ", ".join(map(clean, incident.blast_radius)) or "nothing else", width),
    ]
    if incident.certificate:
        lines += _fact("certified", f"{clean(incident.certificate)[:16]}…", width, Role.OK)
    else:
        until = f"{clock(incident.not_after_ms, zone)}, digest {clean(incident.plan_digest)[:8]}…"
        lines += _fact("valid to", until, width, Role.DIM)
    return lines


def _at_rest(state: ScreenState, width: int) -> list[Line]:
    lines = [Line("plan", (Span("no incident: nothing to decide", Role.DIM),))]
    swarm = state.swarm
    if swarm is not None:
        lines += _fact("policy", clean(swarm.policy), width)
        lines += _fact("cluster", f"{clean(swarm.cluster)}, epoch {swarm.epoch}", width, Role.DIM)
    return lines


def _ask(incident: IncidentRow, at_ms: int, width: int) -> list[Line]:
    left = span_of_time(incident.not_after_ms - at_ms)
    text = f"▲ YOUR APPROVAL IS NEEDED  a approves, r refuses, {left} left"
    return [Line("plan", (Span(part, Role.WARN),)) for part in wrapped(text, width)]


def _votes(incident: IncidentRow, width: int) -> list[Line]:
    role = {"low": Role.OK, "medium": Role.WARN}.get(incident.risk, Role.BROKEN)
    glyph = {"low": "●", "medium": "▲"}.get(incident.risk, "✖")
    enough = Role.OK if incident.accepts >= incident.threshold else Role.PLAIN
    against = f"{incident.rejects} against, " if incident.rejects else ""
    votes = f"{incident.accepts} for, {against}{incident.threshold} needed"
    counted = (Span("votes     ", Role.DIM), Span(votes, enough))
    risk = Span(f"{glyph} {clean(incident.risk)}", role)
    together = (*counted, Span("   risk ", Role.DIM), risk)
    if length_of(together) <= width:
        return [Line("plan", together)]
    return [Line("plan", counted), Line("plan", (Span("risk      ", Role.DIM), risk))]


def _fact(name: str, text: str, width: int, role: Role = Role.PLAIN) -> list[Line]:
    if not text:
        return []
    parts = wrapped(text, width - 10)[:3]
    labels = [name, *[""] * (len(parts) - 1)]
    return [
        Line("plan", (Span(f"{label:<10}", Role.DIM), Span(part, role)))
        for label, part in zip(labels, parts, strict=True)
    ]
