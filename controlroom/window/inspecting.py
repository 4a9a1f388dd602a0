"""What the drawer says of a chosen thing: evidence, votes, digests, figures (pure)."""

from controlroom.window.cards import (
    Bar,
    Card,
    Row,
    Span,
    Spark,
    Text,
    cut,
    text,
    votes_bar,
    wrapped,
)
from controlroom.window.scene.missing import Lack
from controlroom.window.scene.model import Frame
from controlroom.window.scene.palette import (
    BAD,
    DIM,
    GOLD,
    HEALTH,
    INK,
    KIND_NAMES,
    KINDS,
    OK,
    ROLES,
    WARN,
)
from controlroom.window.scene.picking import Picked
from controlroom.window.timeline import Sent
from engine.stream.state import LinkRow, ScreenState, ServiceRow

_VOTES = {"accept": ("✓ accepts", OK), "reject": ("✖ rejects", BAD), "abstain": ("– abstains", DIM)}
_MOST_SAID = 6


def details(thing: str, frame: Frame, message: Sent | None = None) -> Card | None:
    """What is known about a chosen thing; none where it is not there any more.

    Args:
        thing: id as ``scene.picking`` gives it.
        frame: what is on screen.
        message: the message that ``thing`` names, for one.
    """
    kind, _, name = thing.partition(":")
    match kind:
        case "agent":
            return _agent(name, frame)
        case "service":
            return _service(name, frame.state)
        case "link":
            row = frame.state.links.get(name)
            return _link(row) if row is not None else None
        case "message":
            lack = frame.lacks.get(int(name))
            if lack is not None:
                return _lack(lack)
            return _message(message, frame) if message is not None else None
        case "role":
            return _role(name, frame)
        case "actuator":
            return _actuator(frame.state)
        case "plan" | "certificate" | "incident" | "council":
            return _incident(frame.state)
        case _:
            return None


def fact(name: str, value: str, colour: tuple[int, int, int] = INK) -> Text:
    """A name at the left and a value at the right."""
    return Text((Span(name, DIM),), (Span(cut(value, 34), colour, mono=True),))


def heading(words: str) -> Text:
    """A line that begins a part."""
    return text(words.upper(), DIM, mono=True)


# --- one thing each -----------------------------------------------------------------------------------


def _agent(name: str, frame: Frame) -> Card | None:
    state = frame.state
    row = state.agents.get(name)
    if row is None:
        return None
    look, status = ROLES.get(row.role), HEALTH[row.health]
    rows: list[Row] = [
        text(f"{look.glyph if look else '●'} {name}", look.colour if look else INK, large=True),
        fact("health", f"{status.glyph} {status.word}", status.colour),
        fact("phase", row.phase),
        fact("view, executed", f"{row.view}, {row.executed}"),
        fact("restarts", str(row.restarts)),
        fact("public key", f"{row.key[:24]}…" if row.key else "not told"),
    ]
    if row.primary:
        rows.append(fact("leads this view", "♛ primary"))
    if name in frame.seats.row_of and frame.outside[frame.seats.row_of[name]] > 0:
        rows.append(text("✖ convicted: its votes do not count", BAD))
    tally, swarm = frame.tally, state.swarm
    if tally is not None and swarm is not None and name in frame.seats.row_of:
        place = frame.seats.row_of[name]
        for label, values in (("prepare", tally.prepares), ("commit", tally.commits)):
            rows.append(votes_bar(label, int(values[place]), swarm))
        if tally.against[place]:
            rows.append(text(f"≠ has {int(tally.against[place])} votes for another digest", WARN))
    if row.vote:
        word, colour = _VOTES.get(row.vote, (row.vote, INK))
        rows.append(fact("on the plan", word, colour))
    return Card("AGENT", (*rows, *_said_by(name, state)), status.colour)


def _said_by(name: str, state: ScreenState) -> list[Row]:
    """The newest words of an agent in this incident, the newest first: its evidence."""
    rows: list[Row] = []
    said = [entry for entry in state.timeline if entry.who == name]
    for entry in reversed(said[-_MOST_SAID:]):
        rows += [heading(f"{entry.kind}  entry {entry.sequence_number}"), *wrapped(entry.text)]
    return rows


def _service(name: str, state: ScreenState) -> Card | None:
    row = state.services.get(name)
    if row is None:
        return None
    status = HEALTH[row.health]
    rows: list[Row] = [
        text(name, INK, large=True),
        fact("health", f"{status.glyph} {status.word}", status.colour),
        *_traffic(row),
        fact("release, pid", f"{row.release}, {row.pid or '–'}"),
    ]
    if row.note:
        rows.append(text(row.note, status.colour))
    for title, calls in (
        ("called by", [it for it in state.links.values() if it.callee == name]),
        ("calls", [it for it in state.links.values() if it.caller == name]),
    ):
        if calls:
            rows.append(heading(title))
        for call in calls[:6]:
            other = call.caller if title == "called by" else call.callee
            colour = BAD if call.errors >= 0.1 else WARN if call.errors >= 0.02 else INK
            said = f"{call.rate:.0f}/s  {call.errors:.0%} fail"
            rows.append(fact(other, said, colour))
    claims = [entry for entry in state.timeline if name in entry.text]
    for entry in reversed(claims[-3:]):
        rows += [heading(f"{entry.kind}  {entry.who}"), *wrapped(entry.text, most=4)]
    return Card("SERVICE", tuple(rows), status.colour)


def _traffic(row: ServiceRow | LinkRow) -> list[Row]:
    colour = BAD if row.errors >= 0.1 else WARN if row.errors >= 0.02 else INK
    took = row.mean_ms or row.p95_ms
    return [
        fact("requests", f"{row.rate:.1f} a second"),
        Bar("fail", row.errors, 1.0, 0.0, colour, f"{row.errors:.1%}"),
        fact("takes" if row.mean_ms else "p95", f"{took:.0f} ms" if took else "not told"),
    ]


def _link(row: LinkRow) -> Card:
    title = text(f"{row.caller} → {row.callee}", INK, large=True)
    return Card("CALL", (title, *_traffic(row)), BAD if row.errors >= 0.1 else None)


def _message(sent: Sent, frame: Frame) -> Card:
    event = sent.event
    look = KINDS.get(event.kind)
    flight_ms = (sent.received_s - sent.sent_s) * 1000
    rows: list[Row] = [
        text(f"{look.glyph if look else '·'} {event.kind}", look.colour if look else INK, large=True),
        fact("from", event.sender),
        fact("to", event.receiver),
        fact("view, number", f"{event.view}, {event.sequence_number}"),
        fact("digest", event.digest.hex()),
        fact("under way", f"{flight_ms:.2f} ms" if flight_ms > 0 else "not told"),
        fact("fate", f"✖ {event.refused}", BAD) if event.refused else fact("fate", "✓ taken", OK),
    ]  # fmt: skip
    other = _contradicted(sent, frame)
    if other:
        rows += [
            heading("two messages that contradict each other"),
            Text((Span(other[0], WARN, mono=True),), (Span(other[1], BAD, mono=True),)),
            *wrapped("Both are signed by the same agent for the same round. That is a proof."),
        ]
    rows += wrapped("From the trace: unverified, for screens. The ledger is the truth.", DIM)
    return Card("MESSAGE", tuple(rows), BAD if event.refused or other else None)


def _lack(lack: Lack) -> Card:
    said = lack.saying
    look = KINDS.get(said.kind)
    rows = (
        text(
            f"{look.glyph if look else '·'} {said.kind}", look.colour if look else INK, large=True
        ),
        fact("from", said.sender),
        fact("to", lack.receiver),
        fact("view, number", f"{said.view}, {said.sequence_number}"),
        fact("digest", lack.first.event.digest.hex()),
        fact("fate", "? not seen to arrive", WARN),
        *wrapped(
            f"{lack.first.event.receiver} received it, and {lack.receiver} has no record of it. "
            "It was lost on its way, or never sent: the trace holds what receivers saw."
        ),
    )
    return Card("MESSAGE", rows, WARN)


def _contradicted(sent: Sent, frame: Frame) -> tuple[str, str] | None:
    """Both digests in hexadecimal, where the sender contradicted itself in this round."""
    event = sent.event
    sender = frame.seats.row_of.get(event.sender)
    if sender is None or event.kind not in KIND_NAMES:
        return None
    key = (sender, KIND_NAMES.index(event.kind), event.view, event.sequence_number)
    pair = frame.contradictions.get(key)
    if pair is None:
        return None
    first, second = (f"{digest & (1 << 64) - 1:016x}" for digest in pair)
    return first, second


def _role(name: str, frame: Frame) -> Card:
    look = ROLES.get(name)
    rows = [row for row in frame.state.agents.values() if row.role == name]
    counts = {status: sum(row.health is status for row in rows) for status in HEALTH}
    said: list[Row] = [text(f"{look.glyph if look else '●'} {name} × {len(rows)}", large=True)]
    said += [
        fact(f"{HEALTH[status].glyph} {HEALTH[status].word}", str(count), HEALTH[status].colour)
        for status, count in counts.items()
        if count
    ]
    ailing = [row for row in rows if HEALTH[row.health].word != "ok"]
    said += [fact(row.id, row.phase) for row in ailing[:8]]
    return Card("ROLE", tuple(said))


def _actuator(state: ScreenState) -> Card:
    frozen = state.swarm is not None and state.swarm.frozen
    row = state.incident
    rows: list[Row] = [
        text("Actuator", large=True),
        fact("automation", "‖ frozen" if frozen else "✓ on", WARN if frozen else OK),
        *wrapped("Obeys certificates, not agents: it verifies a quorum's signatures itself."),
    ]
    if row is not None and row.certificate:
        rows += [fact("certificate", f"▣ {row.certificate[:16]}", GOLD), *wrapped(row.plan)]
    rows += [
        it
        for entry in state.timeline
        if entry.kind in ("acted", "undone")
        for it in (heading(f"{entry.kind}  entry {entry.sequence_number}"), *wrapped(entry.text))
    ]
    return Card("ACTUATOR", tuple(rows), WARN if frozen else None)


def _incident(state: ScreenState) -> Card | None:
    row = state.incident
    if row is None:
        return None
    rows: list[Row] = [
        text(row.title, large=True),
        fact("incident", row.key),
        fact("attempt, version", f"{row.attempt}, {row.version}"),
        heading("plan"),
        *wrapped(row.plan or "none yet"),
        fact("digest", row.plan_digest[:24] or "–"),
        fact("risk", row.risk or "–"),
        fact("certificate", row.certificate[:24] or "not yet", GOLD if row.certificate else DIM),
        heading("hypotheses"),
    ]
    for hypothesis in row.hypotheses[:3]:
        rows += wrapped(hypothesis, most=3)
    if state.slo is not None:
        rows.append(Spark(state.slo.history, 120))
    return Card("INCIDENT", tuple(rows), BAD if not row.closed_ms else OK)


def name_of(picked: Picked | None) -> str:
    """What a tooltip says of the thing under the pointer."""
    return picked.id.partition(":")[2] or picked.id if picked is not None else ""
