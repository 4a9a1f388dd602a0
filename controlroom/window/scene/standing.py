"""What stands: agents with their crowns and gauges, services with their state, the actuator (pure)."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np

from controlroom.window.scene.bands import Bands, Table
from controlroom.window.scene.buffers import Bytes, Floats, Lines, Points, lifted, rgba, shaded
from controlroom.window.scene.comets import CROSS
from controlroom.window.scene.council import HEIGHT, Seats
from controlroom.window.scene.episode import Episode
from controlroom.window.scene.fleet import Ground
from controlroom.window.scene.incident import ACTUATOR
from controlroom.window.scene.palette import (
    BAD,
    DIM,
    GOLD,
    HEALTH,
    INK,
    KINDS,
    LINE,
    OK,
    WARN,
    Colour,
)
from controlroom.window.scene.votes import Tally
from engine.stream.state import AgentRow, Health, ScreenState, ServiceRow

GAUGES = ((0.84, 0.94), (1.0, 1.18))
"""Radii of the gauges of prepares and commits, for a body of ``GAUGE_BODY``."""
GAUGE_BODY = 0.5
FEW = 14
"""Agents that glow at full strength."""
SERVICE_TALL = 0.42
"""Height of a service's body, in its radii; see ``shapes``."""
SPIKE, BIPYRAMID = 8, 9
"""Shapes of heads, see ``shapes.heads``."""
Dim = Callable[[str], float]
"""How much of a thing is shown, by its id: 1, or less while others are in focus."""


class Kept(NamedTuple):
    """What of the agents stays the same from frame to frame, to be put down again."""

    halos: tuple[Floats, Bytes, Floats]
    """Places, colours and sizes of splats."""
    heads: tuple[Floats, Bytes, Floats, Bytes]
    """Places, colours, sizes and shapes of what they wear."""
    bands: Table


def agents(
    plan: Seats, at: Floats, rows: Mapping[str, AgentRow], outside: Floats, bodies: Points, dim: Dim
) -> Kept:
    """Every agent: its body by role, a halo, a crown for the primary, a cross where it is down."""
    n = len(plan.ids)
    bands, worn = Bands(), Points(512)
    shown = np.array([dim(f"agent:{agent}") for agent in plan.ids])
    colours = plan.colours.astype(float)
    for i, agent in enumerate(plan.ids):
        row = rows.get(agent)
        if outside[i] > 0:
            colours[i] += (np.array(BAD) - colours[i]) * outside[i]
            _cast_out(at[i], plan.size, bands, worn)
        elif row is not None and row.health is Health.BROKEN:
            colours[i] *= 0.3
            worn.put(lifted(at[i], 1.7 * plan.size), rgba(BAD, 1.0)[None], 0.2, CROSS)
        if row is not None and row.primary:
            _crown(at[i], plan.size, bands, worn)
    tint = (colours * (0.25 + 0.75 * shown[:, None])).astype(np.uint8)
    bodies.put(at, shaded(tint, np.ones(n)), plan.size, plan.shapes)
    # Light adds up where many sit close together.
    glow = 0.16 * min(1.0, max(0.1, FEW / max(1, n)))
    halos = (at, shaded(tint, glow * shown), np.full(n, 1.55 * plan.size))
    some = slice(worn.count)
    wear = (worn.places[some], worn.colours[some], worn.sizes[some], worn.shapes[some])
    return Kept(halos, wear, bands.keep())


def _crown(at: Floats, size: float, bands: Bands, heads: Points) -> None:
    """A gold ring with spikes above the head."""
    size = max(size, 0.3)
    middle = lifted(at, 1.45 * size)[0]
    bands.ring(middle, (0.62 * size, 0.86 * size), GOLD, 0.95)
    angles = np.arange(5) * 2 * np.pi / 5 + np.pi / 2
    around = [0.74 * size * np.cos(angles), 0.74 * size * np.sin(angles), np.full(5, 0.22 * size)]
    gold = np.tile(rgba(GOLD, 1.0), (5, 1))
    heads.put(middle + np.stack(around, axis=1), gold, 0.27 * size, SPIKE)


def _cast_out(at: Floats, size: float, bands: Bands, heads: Points) -> None:
    """A broken red ring around a convicted agent, and a cross above it."""
    bands.ring(at, (1.75 * size, 1.95 * size), BAD, 0.95, facing=True, dashes=10)
    heads.put(lifted(at, 1.9 * size), rgba(BAD, 1.0)[None], 0.2, CROSS)


def gauges(
    plan: Seats,
    at: Floats,
    tally: Tally | None,
    quorum: int,
    outside: Floats,
    bands: Bands,
    dim: Dim,
) -> None:
    """What every replica has collected of the round on show; the notch is the quorum."""
    n = len(plan.ids)
    if not n or not quorum:
        return
    if not plan.one_by_one:
        _shared(plan, tally, quorum, bands)
        return
    scale = plan.size / GAUGE_BODY
    for i, agent in enumerate(plan.ids):
        if outside[i] > 0:
            continue
        prepares = int(tally.prepares[i]) if tally else 0
        commits = int(tally.commits[i]) if tally else 0
        against = int(tally.against[i]) if tally else 0
        for (inner, outer), votes, kind in zip(
            GAUGES, (prepares, commits), ("prepare", "commit"), strict=True
        ):
            colour: Colour = OK if votes >= quorum else KINDS[kind].colour
            lies = against if kind == "prepare" else 0
            rest = max(0, n - votes - lies)
            parts = [(votes, colour, 0.95), (rest, LINE, 0.28), (lies, BAD, 0.95)]
            bands.gauge(
                at[i], (inner * scale, outer * scale), n, parts,
                mark=quorum if kind == "commit" else 0, ink=INK, opacity=dim(f"agent:{agent}"),
            )  # fmt: skip


def _shared(plan: Seats, tally: Tally | None, quorum: int, bands: Bands) -> None:
    """With many agents: one gauge in the middle, of those that have a quorum of commits."""
    n = len(plan.ids)
    prepared = int((tally.prepares >= quorum).sum()) if tally else 0
    committed = int((tally.commits >= quorum).sum()) if tally else 0
    centre = np.array((0.0, 0.0, HEIGHT))
    for radius, count, kind in (
        ((1.15, 1.27), prepared, "prepare"),
        ((1.36, 1.56), committed, "commit"),
    ):
        colour = OK if count >= quorum else KINDS[kind].colour
        parts = [(count, colour, 0.95), (n - count, LINE, 0.28)]
        bands.gauge(centre, radius, n, parts, mark=quorum, ink=INK)


def services(
    plan: Ground, rows: Mapping[str, ServiceRow], callers: set[str], bodies: Points, heads: Points,
    bands: Bands, dim: Dim,
) -> None:  # fmt: skip
    """Every service: its body, and a ring whose dashes tell its state without its colour."""
    colours = np.empty((len(plan.names), 4), np.uint8)
    for i, name in enumerate(plan.names):
        row = rows.get(name)
        health = row.health if row is not None else Health.UNKNOWN
        shown = dim(f"service:{name}")
        hue = _SKIN if row is not None or name in callers else DIM
        hue = BAD if health is Health.BROKEN and row is not None else hue
        colours[i] = (*(int(part * (0.25 + 0.75 * shown)) for part in hue), 255)
        if row is None:
            continue
        status = HEALTH[health]
        dashes = {Health.OK: 0, Health.WARN: 12, Health.BROKEN: 6, Health.UNKNOWN: 24}[health]
        wide = 0.055 if health is Health.OK else 0.13
        radius = plan.size * 1.18
        foot = plan.places[i] + np.array((0.0, 0.0, 0.03), np.float32)
        bands.ring(
            foot,
            (radius, radius + wide),
            status.colour,
            (0.55 if health is Health.OK else 0.95) * shown,
            dashes=dashes,
        )
        if health is Health.BROKEN:
            top = lifted(plan.places[i], (SERVICE_TALL + 0.62) * plan.size)
            heads.put(top, rgba(BAD, shown)[None], 0.26, CROSS)
    bodies.put(
        plan.places,
        colours,
        plan.size,
        np.array([1 if name not in rows else 0 for name in plan.names], np.uint8),
    )


_SKIN = (62, 108, 184)


def drill(plan: Ground, state: ScreenState, bands: Bands) -> str:
    """Hazard dashes around the service that a drill harms, as far as it is told; returns its name."""
    row = state.drill
    if row is None or not row.running:
        return ""
    name = next((it for it in plan.names if it in row.text.replace("-", " ").split()), "")
    if name:
        radius = plan.size * 1.55
        foot = plan.places[plan.row_of[name]] + np.array((0.0, 0.0, 0.02), np.float32)
        bands.ring(foot, (radius, radius + 0.16), WARN, 0.9, dashes=14)
    return name


def holds(it: Episode | None, t_s: float) -> bool:
    """Whether the actuator is seen to hold a certificate."""
    return it is not None and it.carried_s <= t_s < min(it.struck_s, it.closed_s)


def actuator(holding: bool, heads: Points, splats: Points) -> None:
    """The one that acts: gold while it holds a certificate."""
    hue = GOLD if holding else _STEEL
    heads.put(ACTUATOR[None], rgba(hue, 1.0)[None], 0.36, BIPYRAMID, (1.0, 0.0, 0.0))
    if holding:
        splats.put(ACTUATOR[None], rgba(GOLD, 0.35)[None], 0.62)


def actuator_rings(holding: bool, frozen: bool, bands: Bands) -> None:
    """A ring around it, and two more that bar it while automation is frozen."""
    hue = GOLD if holding else _STEEL
    bands.ring(ACTUATOR, (0.52, 0.56), hue, 0.8 if holding else 0.35)
    if frozen:
        ice = KINDS["pre-prepare"].colour
        for radius in (0.62, 0.78):
            bands.ring(ACTUATOR, (radius, radius + 0.07), ice, 0.95, facing=True)


_STEEL = (150, 168, 200)


def table(
    plan: Seats, turn: float, outside: Floats, at: Floats, lines: Lines, bands: Bands
) -> None:
    """The council's ring, and a broken line from each empty seat to whom it belonged."""
    reach = float(plan.radius.min()) if len(plan.ids) else 0.0
    if not reach:
        return
    points = Lines.POINTS
    parts = np.linspace(0, 2 * np.pi, 8 * (points - 1) + 1)
    rows = np.arange(8)[:, None] * (points - 1) + np.arange(points)
    angles = parts[rows] + turn
    ring = np.stack(
        [reach * np.cos(angles), reach * np.sin(angles), np.full_like(angles, HEIGHT)], axis=-1
    )
    lines.put(ring, rgba(LINE, 0.75)[None, None].repeat(8, axis=0))
    for i in np.flatnonzero(outside > 0.02):
        angle = plan.angle[i] + turn
        seat = np.array(
            (plan.radius[i] * np.cos(angle), plan.radius[i] * np.sin(angle), HEIGHT + plan.rise[i])
        )
        tether = seat + (at[i] - seat) * np.linspace(0, 1, points)[:, None]
        colours = np.tile(rgba(BAD, 0.9), (points, 1))
        colours[np.arange(points) % 4 >= 2, 3] = 0
        lines.put(tether[None], colours[None])
        bands.ring(seat, (0.95 * plan.size, 1.1 * plan.size), BAD, 0.7, dashes=8)
