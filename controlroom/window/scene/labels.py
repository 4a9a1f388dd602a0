"""What is written into the scene: anchors, words, and what gives way to what (pure).

The words come with a glyph, so that nothing is told by colour alone. Who paints them measures them
and asks ``placed`` where they go.
"""

import numpy as np

from controlroom.window.scene.buffers import Floats, lifted
from controlroom.window.scene.comets import LATE_MS
from controlroom.window.scene.council import HEIGHT
from controlroom.window.scene.episode import NEVER, NOT_DONE, UNKNOWN, Episode
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
    KIND_NAMES,
    OK,
    ROLES,
    STRANGER,
    WARN,
    Colour,
)
from controlroom.window.scene.placing import MOST, Label, Placed, Side, placed
from controlroom.window.scene.standing import GAUGE_BODY, GAUGES
from engine.stream.state import AgentRow, Health, ServiceRow

__all__ = ["Label", "Placed", "labels", "placed"]

NAMED_PX = 11.0
"""Of many agents, those whose bodies are larger than this are named one by one."""
CENTRAL = 1.6
"""What is nearer to the middle of the picture than this is neither left nor right."""
_MOST_NOTES = 4


def labels(frame: Frame, eye: Eye) -> list[Label]:
    """Every label of a frame, the most important first."""
    found = [
        *_council(frame, eye),
        *_contradictions(frame),
        *_incident(frame, eye),
        *_services(frame, eye),
        *_notes(frame),
    ]
    return sorted(found, key=lambda label: label.priority)


# --- the council ----------------------------------------------------------------------------------


def _council(frame: Frame, eye: Eye) -> list[Label]:
    plan = frame.seats
    if not plan.one_by_one:
        return [*_roles(frame, eye), *_close_ones(frame, eye)]
    found = []
    reach = GAUGES[1][1] * plan.size / GAUGE_BODY + 0.1
    for i, agent in enumerate(plan.ids):
        row = frame.state.agents.get(agent)
        look = ROLES.get(plan.roles[i], STRANGER)
        sub, colour = _agent_words(frame, i, row)
        urgent = frame.outside[i] > 0 or (row is not None and row.health is Health.BROKEN)
        anchor, sides = _tuple(frame.agents[i]), _outwards(frame.agents[i], eye)
        title = f"{look.glyph} {agent}"
        found.append(
            Label(
                f"agent:{agent}",
                anchor,
                title,
                sub,
                look.colour,
                1 if urgent else 4,
                sides,
                colour,
                reach,
            )
        )
    return found


def _outwards(place: Floats, eye: Eye) -> tuple[Side, ...]:
    """Away from the middle of the ring as it is seen: labels do not cover other agents' gauges."""
    across = float(np.dot(place, eye.right))
    if abs(across) < CENTRAL:
        return (Side.ABOVE, Side.RIGHT, Side.LEFT)
    near = float(np.dot(place[:2], (eye.place - eye.goal)[:2])) > 0
    second = (Side.BELOW, Side.ABOVE) if near else (Side.ABOVE, Side.BELOW)
    out, back = (Side.RIGHT, Side.LEFT) if across > 0 else (Side.LEFT, Side.RIGHT)
    return (out, *second, back)


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


def _roles(frame: Frame, eye: Eye) -> list[Label]:
    """One label a role: how many there are, how they are, how far they have come."""
    found = []
    swarm, tally = frame.state.swarm, frame.tally
    for role, members in frame.seats.groups:
        look = ROLES.get(role, STRANGER)
        well = frame.well.get(role, 0)
        words = [f"✓ {well} ok" if well == len(members) else f"! {len(members) - well} not well"]
        if tally is not None and swarm is not None:
            words.append(f"{int((tally.commits[members] >= swarm.quorum).sum())} committed")
        middle = frame.agents[members].mean(axis=0)
        edge = np.hypot(*frame.agents[members, :2].T).max() / max(0.1, np.hypot(*middle[:2]))
        anchor = (middle[0] * edge, middle[1] * edge, frame.agents[members, 2].max() + 0.3)
        near = float(np.dot(middle[:2], (eye.place - eye.goal)[:2])) > 0
        central = abs(float(np.dot(middle, eye.right))) < CENTRAL
        sides = (Side.BELOW, Side.ABOVE) if near and central else _outwards(middle, eye)
        title = f"{look.glyph} {role} × {len(members)}"
        found.append(
            Label(
                f"role:{role}",
                _tuple(anchor),
                title,
                " · ".join(words),
                look.colour,
                2,
                sides,
                DIM,
                0.4,
            )
        )
    if swarm is not None:
        committed = int((tally.commits >= swarm.quorum).sum()) if tally is not None else 0
        sub = f"{committed} of {swarm.n} committed · quorum {swarm.quorum}"
        title = f"round {tally.sequence_number}" if tally is not None else "no round yet"
        found.append(Label("council", (0.0, 0.0, HEIGHT), title, sub, INK, 1, (Side.BELOW,)))
    return found


def _close_ones(frame: Frame, eye: Eye) -> list[Label]:
    """Of many agents, the names of those that the eye is close to."""
    plan = frame.seats
    at, depth = eye.project(frame.agents)
    inside = (at[:, 0] > 0) & (at[:, 0] < eye.width) & (at[:, 1] > 0) & (at[:, 1] < eye.height)
    pixels = plan.size * eye.scale(depth)
    near = np.flatnonzero(inside & (depth > 0) & (pixels >= NAMED_PX))
    nearest = near[np.argsort(depth[near])][: 2 * MOST]
    return [
        Label(
            f"agent:{plan.ids[i]}", _tuple(frame.agents[i]), plan.ids[i], "",
            ROLES.get(plan.roles[i], STRANGER).colour, 8, (Side.BELOW, Side.ABOVE), DIM, plan.size,
        )
        for i in nearest.tolist()
    ]  # fmt: skip


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
            f"{KIND_NAMES[key[1]]} {key[3]}: {first} ≠ {second}", WARN, 0, (Side.BELOW,), INK,
        )  # fmt: skip
    return list(found.values())


# --- the fleet ------------------------------------------------------------------------------------


def _services(frame: Frame, eye: Eye) -> list[Label]:
    found = []
    floor = frame.ground
    for i, name in enumerate(floor.names):
        row = frame.state.services.get(name)
        anchor, reach = _tuple(floor.places[i]), 0.82 * floor.size
        if row is None:
            found.append(
                Label(f"service:{name}", anchor, name, "callers", DIM, 7, (Side.BELOW,), DIM, reach)
            )
            continue
        status = HEALTH[row.health]
        well = row.health is Health.OK
        title = name if well else f"{status.glyph} {name}"
        if frame.drilled == name:
            title = f"⚡ {title}"
        colour = INK if well else status.colour
        sub = _service_words(row)
        found.append(
            Label(
                f"service:{name}",
                anchor,
                title,
                sub,
                colour,
                6 if well else 3,
                (Side.BELOW, Side.ABOVE),
                DIM,
                reach,
            )
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


def _incident(frame: Frame, eye: Eye) -> list[Label]:
    it, t_s, row = frame.episode, frame.t_s, frame.state.incident
    frozen = frame.state.swarm is not None and frame.state.swarm.frozen
    place = _tuple(ACTUATOR)
    words, colour = ("‖ frozen: nothing acts", WARN) if frozen else ("waits", DIM)
    found: list[Label] = []
    if it is not None and row is not None:
        if it.carried_s <= t_s < it.acted_s and t_s < it.closed_s:
            words, colour = "▣ holds a certificate", GOLD
        elif it.acted_s <= t_s < it.closed_s:
            words, colour = _acted(it)
        centre = _tuple(CENTRE)
        if t_s >= it.sealed_s and t_s < it.carried_s:
            sub = f"signed by a quorum: {it.quorum} of {it.members}"
            found.append(
                Label(
                    "certificate",
                    centre,
                    f"▣ certificate {row.certificate[:8]}",
                    sub,
                    GOLD,
                    1,
                    (Side.RIGHT, Side.ABOVE),
                    DIM,
                    0.95,
                )
            )
        elif it.threshold and it.acted_s == NEVER and it.closed_s == NEVER:
            against = f" · ✖ {it.rejects} reject" if it.rejects else ""
            sub = f"✓ {it.accepts} accept{against} · {it.threshold} needed"
            if it.signatures:
                sub = f"▣ {len(it.signatures)} signatures, {it.quorum} needed"
            title = _short(row.plan)
            found.append(
                Label("plan", centre, title, sub, INK, 1, (Side.BELOW, Side.ABOVE), DIM, 0.95)
            )
        if it.recovered and t_s >= it.closed_s and it.service in frame.ground.row_of:
            at = lifted(frame.ground.places[frame.ground.row_of[it.service]], 1.2)[0]
            found.append(
                Label(
                    "incident",
                    _tuple(at),
                    "✓ recovered",
                    "seen by those who saw it fail",
                    OK,
                    1,
                    (Side.RIGHT, Side.ABOVE),
                )
            )
    found.append(
        Label("actuator", place, "actuator", words, DIM, 5, (Side.RIGHT, Side.LEFT), colour, 0.85)
    )
    return found


def _acted(it: Episode) -> tuple[str, Colour]:
    if it.outcome == NOT_DONE:
        return f"✖ not done: {it.target}", BAD
    if it.outcome == UNKNOWN:
        return f"? unknown whether done: {it.target}", WARN
    return "✓ acted", GOLD


def _short(plan: str) -> str:
    return plan.partition(" (")[0][:48] or "a plan"


def _notes(frame: Frame) -> list[Label]:
    """At the messages themselves: which were refused and why, which are missing, which are late."""
    return [*_refused(frame), *_missing(frame), *_late(frame)]


def _refused(frame: Frame) -> list[Label]:
    """Each reason once, with how many messages met with it."""
    rows = frame.messages
    found: dict[str, list[int]] = {}
    for place in np.flatnonzero(
        (rows.fate == Fate.REFUSED) & (frame.t_s >= rows.arrive_s)
    ).tolist():
        why = frame.reasons.get(int(rows.number[place]), "refused")
        found.setdefault(why, []).append(place)
    return [
        _note(frame, places[0], f"✖ {why}{_times(places)}", "", BAD)
        for why, places in list(found.items())[:_MOST_NOTES]
    ]


def _missing(frame: Frame) -> list[Label]:
    """At each receiver's first: what others received and it did not, as far as anybody says."""
    rows = frame.messages
    found: dict[int, list[int]] = {}
    for place in np.flatnonzero(rows.fate == Fate.MISSING).tolist():
        found.setdefault(int(rows.receiver[place]), []).append(place)
    return [
        _note(
            frame, places[0], f"? not seen to arrive{_times(places)}",
            f"{frame.seats.ids[receiver]} has no record of it", DIM,
        )
        for receiver, places in list(found.items())[:_MOST_NOTES]
    ]  # fmt: skip


def _late(frame: Frame) -> list[Label]:
    rows = frame.messages
    late = (rows.flight_ms >= LATE_MS) & (rows.fate == Fate.TAKEN) & (frame.t_s < rows.arrive_s)
    return [
        _note(
            frame, place,
            f"◷ {KIND_NAMES[int(rows.kind[place])]}, {rows.flight_ms[place] / 1000:.1f} s under way",
            "", WARN,
        )
        for place in np.flatnonzero(late)[:_MOST_NOTES].tolist()
    ]  # fmt: skip


def _times(places: list[int]) -> str:
    return f" × {len(places)}" if len(places) > 1 else ""


def _note(frame: Frame, place: int, title: str, sub: str, colour: Colour) -> Label:
    number = int(frame.messages.number[place])
    return Label(
        f"message:{number}",
        _tuple(frame.heads[place]),
        title,
        sub,
        colour,
        5,
        (Side.ABOVE, Side.BELOW, Side.RIGHT),
        DIM,
        0.15,
    )


def _tuple(place: Floats | tuple[float, ...]) -> tuple[float, float, float]:
    return float(place[0]), float(place[1]), float(place[2])
