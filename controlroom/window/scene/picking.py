"""What is under the pointer, without asking the renderer (pure)."""

from typing import NamedTuple

import numpy as np

from controlroom.window.scene.buffers import Floats
from controlroom.window.scene.eye import Eye
from controlroom.window.scene.incident import ACTUATOR
from controlroom.window.scene.model import Frame

SLACK_PX = 7.0
"""A thing may be missed by so much."""
MESSAGE_PX = 10.0
LINK_PX = 6.0


class Picked(NamedTuple):
    """A thing under the pointer."""

    id: str
    """``agent:ID``, ``service:NAME``, ``link:CALLER>CALLEE``, ``message:NUMBER``, ``actuator``."""
    place: tuple[float, float, float]


def pick(frame: Frame, eye: Eye, x: float, y: float) -> Picked | None:
    """The nearest thing at pixel ``x``, ``y``: bodies before messages before links."""
    bodies = [f"agent:{agent}" for agent in frame.seats.ids]
    bodies += [f"service:{name}" for name in frame.ground.names]
    bodies.append("actuator")
    places = np.concatenate([frame.agents, frame.ground.places, ACTUATOR[None]])
    radii = np.concatenate(
        [
            np.full(len(frame.agents), frame.seats.size),
            np.full(len(frame.ground.names), frame.ground.size),
            [0.4],
        ]
    )
    found = _nearest(places, radii, eye, x, y, SLACK_PX)
    if found is not None:
        return Picked(bodies[found], _tuple(places[found]))
    if len(frame.heads):
        found = _nearest(frame.heads, np.zeros(len(frame.heads)), eye, x, y, MESSAGE_PX)
        if found is not None:
            number = int(frame.messages.number[found])
            return Picked(f"message:{number}", _tuple(frame.heads[found]))
    return _link(frame, eye, x, y)


def _nearest(
    places: Floats, radii: Floats, eye: Eye, x: float, y: float, slack: float
) -> int | None:
    """The row that covers the pixel and is nearest to the eye, else to the pixel."""
    if not len(places):
        return None
    at, depth = eye.project(places)
    away = np.hypot(at[:, 0] - x, at[:, 1] - y) - radii * eye.scale(depth)
    inside = np.flatnonzero((away <= 0) & (depth > 0))
    if len(inside):
        return int(inside[np.argmin(depth[inside])])
    near = np.flatnonzero((away <= slack) & (depth > 0))
    return int(near[np.argmin(away[near])]) if len(near) else None


def _link(frame: Frame, eye: Eye, x: float, y: float) -> Picked | None:
    curves = frame.ground.curves
    if not len(curves):
        return None
    at, depth = eye.project(curves.reshape(-1, 3))
    away = np.hypot(at[:, 0] - x, at[:, 1] - y)
    away[depth <= 0] = np.inf
    best = int(np.argmin(away))
    if away[best] > LINK_PX + 4.0:
        return None
    caller, callee = frame.ground.links[best // curves.shape[1]]
    return Picked(f"link:{caller}>{callee}", _tuple(curves.reshape(-1, 3)[best]))


def related(frame: Frame, thing: str) -> frozenset[str]:
    """What stays in focus with ``thing``: itself, and what it has directly to do with."""
    kind, _, name = thing.partition(":")
    found = {thing}
    if kind == "service":
        for caller, callee in frame.ground.links:
            if name in (caller, callee):
                found |= {f"link:{caller}>{callee}", f"service:{caller}", f"service:{callee}"}
    elif kind == "link":
        caller, _, callee = name.partition(">")
        found |= {f"service:{caller}", f"service:{callee}"}
    elif kind == "role":
        members = next(
            (rows for role, rows in frame.seats.groups if role == name), np.zeros(0, int)
        )
        found |= {f"agent:{frame.seats.ids[i]}" for i in members.tolist()}
    elif kind == "message":
        rows = frame.messages
        for place in np.flatnonzero(rows.number == int(name)).tolist():
            found |= {
                f"agent:{frame.seats.ids[int(rows.sender[place])]}",
                f"agent:{frame.seats.ids[int(rows.receiver[place])]}",
            }
    return frozenset(found)


def search(frame: Frame, words: str) -> list[str]:
    """Ids of agents, services and links whose name holds ``words``, in their order."""
    wanted = words.strip().lower()
    if not wanted:
        return []
    names = [f"agent:{agent}" for agent in frame.seats.ids]
    names += [f"service:{name}" for name in frame.ground.names]
    names += [f"link:{caller}>{callee}" for caller, callee in frame.ground.links]
    return [name for name in names if wanted in name.partition(":")[2].lower()]


def _tuple(place: Floats) -> tuple[float, float, float]:
    return float(place[0]), float(place[1]), float(place[2])
