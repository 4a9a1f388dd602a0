"""What is written into the scene: anchors, words, and what gives way to what (pure).

The words come with a glyph, so that nothing is told by colour alone. Who paints them measures them
and asks ``placed`` where they go.
"""

from collections.abc import Callable, Iterable
from enum import Enum
from typing import NamedTuple

import numpy as np

from controlroom.window.scene.buffers import Floats, lifted
from controlroom.window.scene.council import HEIGHT
from controlroom.window.scene.episode import NEVER
from controlroom.window.scene.eye import Eye
from controlroom.window.scene.incident import ACTUATOR, CENTRE
from controlroom.window.scene.messages import Fate
from controlroom.window.scene.model import Frame
from controlroom.window.scene.palette import (
    BAD,
    DIM,
    GOLD,
    HEALTH,
    INK,
    KIND_LOOKS,
    KIND_NAMES,
    OK,
    ROLES,
    STRANGER,
    WARN,
    Colour,
)
from controlroom.window.scene.standing import GAUGE_BODY, GAUGES
from engine.stream.state import AgentRow, Health, ServiceRow

MOST = 60
"""Labels that are drawn at once; more could not be read."""
LATE_MS = 250.0
"""A message that took longer is labelled with its time."""
_MOST_NOTES = 4


class Side(Enum):
    """Where a label stands, seen from its anchor."""

    ABOVE = "above"
    BELOW = "below"
    LEFT = "left"
    RIGHT = "right"


class Label(NamedTuple):
    """Words at a place of the scene."""

    id: str
    """Of the thing that it names: ``agent:detection-1``."""
    anchor: tuple[float, float, float]
    title: str
    sub: str
    colour: Colour
    priority: int
    """The lowest gives way last."""
    side: Side
    """Where it stands, seen from its anchor."""
    sub_colour: Colour = DIM


class Placed(NamedTuple):
    """A label and the pixel of its middle's upper edge."""

    label: Label
    x: float
    y: float
    opacity: float


Measure = Callable[[Label], tuple[float, float]]
"""Width and height in pixels that a label needs."""


def labels(frame: Frame, eye: Eye) -> list[Label]:
    """Every label of a frame, the most important first."""
    found = [
        *_council(frame, eye),
        *_contradictions(frame),
        *_incident(frame),
        *_services(frame, eye),
        *_notes(frame),
    ]
    return sorted(found, key=lambda label: label.priority)


def placed(wanted: Iterable[Label], eye: Eye, measure: Measure) -> list[Placed]:
    """Where labels go: the important ones first, those that would cover them not at all."""
    chosen: list[Placed] = []
    taken: list[tuple[float, float, float, float]] = []
    everything = list(wanted)
    if not everything:
        return []
    at, depth = eye.project(np.array([label.anchor for label in everything]))
    for label, (x, y), far in zip(everything, at.tolist(), depth.tolist(), strict=True):
        if far <= 0.2 or not (-80 <= x <= eye.width + 80 and -40 <= y <= eye.height + 40):
            continue
        width, height = measure(label)
        middle, top = _beside(label.side, x, y, width, height)
        box = (middle - width / 2, top, middle + width / 2, top + height)
        if any(_overlap(box, other) for other in taken):
            continue
        taken.append(box)
        chosen.append(Placed(label, middle, top, float(np.clip(1.6 - far / 48, 0.55, 1.0))))
        if len(chosen) == MOST:
            break
    return chosen


def _beside(side: Side, x: float, y: float, width: float, height: float) -> tuple[float, float]:
    """The middle of the upper edge of a label at its side of the anchor."""
    match side:
        case Side.ABOVE:
            return x, y - height - 4
        case Side.BELOW:
            return x, y + 4
        case Side.LEFT:
            return x - width / 2 - 4, y - height / 2
        case Side.RIGHT:
            return x + width / 2 + 4, y - height / 2


def _overlap(a: tuple[float, float, float, float], b: tuple[float, float, float, float]) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


# --- the council ----------------------------------------------------------------------------------


def _council(frame: Frame, eye: Eye) -> list[Label]:
    plan = frame.seats
    if not plan.one_by_one:
        return _roles(frame)
    found = []
    reach = GAUGES[1][1] * plan.size / GAUGE_BODY + 0.1
    for i, agent in enumerate(plan.ids):
        row = frame.state.agents.get(agent)
        look = ROLES.get(plan.roles[i], STRANGER)
        sub, colour = _agent_words(frame, i, row)
        urgent = frame.outside[i] > 0 or (row is not None and row.health is Health.BROKEN)
        side, way = _outwards(frame.agents[i], eye)
        anchor = _tuple(frame.agents[i] + way * reach)
        title = f"{look.glyph} {agent}"
        found.append(
            Label(
                f"agent:{agent}",
                anchor,
                title,
                sub,
                look.colour,
                1 if urgent else 4,
                side,
                colour,
            )
        )
    return found


def _outwards(place: Floats, eye: Eye) -> tuple[Side, Floats]:
    """Away from the middle of the ring as it is seen: labels do not cover other agents' gauges."""
    across = float(np.dot(place, eye.right))
    if abs(across) < 1.6:
        return Side.ABOVE, eye.up
    return (Side.RIGHT, eye.right) if across > 0 else (Side.LEFT, -eye.right)


def _agent_words(frame: Frame, i: int, row: AgentRow | None) -> tuple[str, Colour]:
    swarm, tally = frame.state.swarm, frame.tally
    if frame.outside[i] > 0:
        budget = f" · budget {swarm.budget} left" if swarm is not None else ""
        return f"✖ convicted, quarantined{budget}", BAD
    if row is None:
        return "? not heard", DIM
    if row.health is not Health.OK:
        status = HEALTH[row.health]
        return f"{status.glyph} {status.word}, {row.phase}", status.colour
    words = ["primary"] if row.primary else []
    if tally is not None and swarm is not None and frame.t_s - tally.began_s < 4.0:
        commits = int(tally.commits[i])
        done = commits >= swarm.quorum
        words.append(f"{'✓ ' if done else ''}commit {commits} of {swarm.n}")
    if row.vote:
        words.append(f"{ {'accept': '✓', 'reject': '✖'}.get(row.vote, '–') } {row.vote}s")
    return " · ".join(words) or row.phase, {"reject": BAD}.get(row.vote, DIM)


def _roles(frame: Frame) -> list[Label]:
    """One label a role: how many there are, how they are, how far they have come."""
    found = []
    swarm, tally = frame.state.swarm, frame.tally
    rows = frame.state.agents
    for role, members in frame.seats.groups:
        look = ROLES.get(role, STRANGER)
        well = sum(
            1
            for i in members.tolist()
            if (row := rows.get(frame.seats.ids[i])) is not None and row.health is Health.OK
        )
        words = [f"✓ {well} ok" if well == len(members) else f"! {len(members) - well} not well"]
        if tally is not None and swarm is not None:
            words.append(f"{int((tally.commits[members] >= swarm.quorum).sum())} committed")
        middle = frame.agents[members].mean(axis=0)
        anchor = (middle[0] * 1.05, middle[1] * 1.05, frame.agents[members, 2].max() + 0.6)
        title = f"{look.glyph} {role} × {len(members)}"
        found.append(
            Label(
                f"role:{role}", _tuple(anchor), title, " · ".join(words), look.colour, 2, Side.ABOVE
            )
        )
    if swarm is not None:
        committed = int((tally.commits >= swarm.quorum).sum()) if tally is not None else 0
        sub = f"{committed} of {swarm.n} committed · quorum {swarm.quorum}"
        title = f"round {tally.sequence_number}" if tally is not None else "no round yet"
        found.append(Label("council", (0.0, 0.0, HEIGHT), title, sub, INK, 1, Side.BELOW))
    return found


def _contradictions(frame: Frame) -> list[Label]:
    """≠ where one agent says two things, with both digests."""
    rows = frame.messages
    found: dict[int, Label] = {}
    for place in np.flatnonzero(rows.twin > 0).tolist():
        sender = int(rows.sender[place])
        if sender in found or not len(frame.heads):
            continue
        key = (
            sender,
            int(rows.kind[place]),
            int(rows.view[place]),
            int(rows.sequence_number[place]),
        )
        pair = frame.contradictions.get(key)
        if pair is None:
            continue
        first, second = (f"{digest & (1 << 64) - 1:016x}"[:8] for digest in pair)
        at = frame.agents[sender]
        anchor = (float(at[0]) * 0.55, float(at[1]) * 0.55, float(at[2]) - 0.2)
        found[sender] = Label(
            f"agent:{frame.seats.ids[sender]}", anchor, "≠ two different messages",
            f"{KIND_NAMES[key[1]]} {key[3]}: {first} ≠ {second}", WARN, 0, Side.BELOW, INK,
        )  # fmt: skip
    return list(found.values())


# --- the fleet ------------------------------------------------------------------------------------


def _services(frame: Frame, eye: Eye) -> list[Label]:
    found = []
    floor = frame.ground
    for i, name in enumerate(floor.names):
        row = frame.state.services.get(name)
        anchor = _tuple(floor.places[i] - eye.up * (0.82 * floor.size))
        if row is None:
            found.append(Label(f"service:{name}", anchor, name, "callers", DIM, 7, Side.BELOW))
            continue
        status = HEALTH[row.health]
        well = row.health is Health.OK
        title = name if well else f"{status.glyph} {name}"
        if frame.drilled == name:
            title = f"⚡ {title}"
        colour = INK if well else status.colour
        sub = _service_words(row)
        found.append(
            Label(f"service:{name}", anchor, title, sub, colour, 6 if well else 3, Side.BELOW)
        )
    return found


def _service_words(row: ServiceRow) -> str:
    words = [f"{row.rate:.0f}/s"]
    if row.errors >= 0.005:
        words.append(f"{row.errors:.0%} fail")
    if row.mean_ms or row.p95_ms:
        words.append(f"{row.mean_ms or row.p95_ms:.0f} ms")
    return row.note or " · ".join(words)


# --- the incident ---------------------------------------------------------------------------------


def _incident(frame: Frame) -> list[Label]:
    it, t_s, row = frame.episode, frame.t_s, frame.state.incident
    frozen = frame.state.swarm is not None and frame.state.swarm.frozen
    place = _tuple(lifted(ACTUATOR, -0.75)[0])
    words, colour = ("‖ frozen: nothing acts", WARN) if frozen else ("waits for a certificate", DIM)
    found: list[Label] = []
    if it is not None and row is not None:
        if it.carried_s <= t_s < it.acted_s and t_s < it.closed_s:
            words, colour = "▣ holds a certificate", GOLD
        elif it.acted_s <= t_s < it.closed_s:
            words, colour = f"✓ acted on {it.target}", GOLD
        centre = _tuple(lifted(CENTRE, 0.95)[0])
        if t_s >= it.sealed_s and t_s < it.carried_s:
            sub = f"{it.quorum} of {it.members} signatures are a quorum"
            found.append(
                Label(
                    "certificate",
                    centre,
                    f"▣ certificate {row.certificate[:8]}",
                    sub,
                    GOLD,
                    1,
                    Side.ABOVE,
                )
            )
        elif it.threshold and it.acted_s == NEVER and it.closed_s == NEVER:
            sub = f"✓ {it.accepts} accept · ✖ {it.rejects} reject · {it.threshold} needed"
            if it.signatures:
                sub = f"{len(it.signatures)} of {it.quorum} signatures for its certificate"
            title = _short(row.plan)
            found.append(Label("plan", centre, title, sub, INK, 1, Side.ABOVE))
        if it.recovered and t_s >= it.closed_s and it.service in frame.ground.row_of:
            at = lifted(frame.ground.places[frame.ground.row_of[it.service]], 1.2)[0]
            found.append(
                Label(
                    "incident",
                    _tuple(at),
                    "✓ recovered",
                    "verified by those who saw it fail",
                    OK,
                    1,
                    Side.ABOVE,
                )
            )
    found.append(Label("actuator", place, "actuator", words, DIM, 5, Side.BELOW, colour))
    return found


def _short(plan: str) -> str:
    return plan.partition(" (")[0][:48] or "a plan"


def _notes(frame: Frame) -> list[Label]:
    """Why messages were refused, and which were late, at the messages themselves."""
    rows = frame.messages
    found: list[Label] = []
    refused = np.flatnonzero((rows.fate == Fate.REFUSED) & (frame.t_s >= rows.arrive_s))
    told: dict[str, int] = {}
    for place in refused.tolist():
        why = frame.reasons.get(int(rows.number[place]), "refused")
        told[why] = told.get(why, 0) + 1
        if told[why] == 1 and len(told) <= _MOST_NOTES:
            found.append(_note(frame, place, f"✖ {why}", "", BAD))
    found = [
        label._replace(title=f"{label.title} × {told[label.title[2:]]}")
        if told.get(label.title[2:], 1) > 1
        else label
        for label in found
    ]
    late = np.flatnonzero(
        (rows.flight_ms >= LATE_MS) & (rows.fate == Fate.TAKEN) & (frame.t_s < rows.arrive_s)
    )
    for place in late[:_MOST_NOTES].tolist():
        name = KIND_NAMES[int(rows.kind[place])]
        words = f"{name}, {rows.flight_ms[place] / 1000:.1f} s under way"
        found.append(_note(frame, place, words, "", KIND_LOOKS[int(rows.kind[place])].colour))
    return found


def _note(frame: Frame, place: int, title: str, sub: str, colour: Colour) -> Label:
    number = int(frame.messages.number[place])
    return Label(f"message:{number}", _tuple(frame.heads[place]), title, sub, colour, 2, Side.ABOVE)


def _tuple(place: Floats | tuple[float, ...]) -> tuple[float, float, float]:
    return float(place[0]), float(place[1]), float(place[2])
