"""The incident: a beam from the failing service, and the way of the council's answer to it (pure)."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from controlroom.window.scene.bands import Bands
from controlroom.window.scene.buffers import Floats, Points, rgba, shaded
from controlroom.window.scene.council import HEIGHT, smooth
from controlroom.window.scene.episode import (
    CARRY_S,
    DONE,
    FADE_S,
    FALL_S,
    FLY_S,
    NEVER,
    NOT_DONE,
    STRIKE_S,
    Episode,
)
from controlroom.window.scene.palette import BAD, DIM, GOLD, INK, KINDS, OK, WARN, Colour

CENTRE = np.array((0.0, 0.0, HEIGHT))
ACTUATOR = np.array((0.0, 0.0, 0.45))
PULSE_S = 1.0
PLATE, CUBE, CROSS = 7, 3, 6
"""Shapes of heads, see ``shapes.heads``."""
SEAL = 0.72
_BEAM = 56
_WORD_KINDS = {"assessed": KINDS["commit"].colour}


Find = Callable[[str], Floats | None]
"""Where the thing of this name is, if it is anywhere."""


class Brush(NamedTuple):
    """What the incident is drawn with."""

    bands: Bands
    splats: Points
    heads: Points
    still: bool
    """Reduced motion."""


def draw(it: Episode, t_s: float, services: Find, agents: Find, brush: Brush) -> None:
    """Draw everything about the incident at ``t_s``.

    Args:
        it: what it has come to.
        t_s: render time.
        services: the middle of the top of each service.
        agents: where each agent is.
        brush: what to draw with.
    """
    place = services(it.service)
    strength = _strength(it, t_s)
    if place is not None and strength > 0.0:
        _beam(place, it, t_s, strength, brush)
        _shocks(place, it, t_s, strength, brush)
    for word in it.words:
        at = agents(word.who)
        if at is not None and 0.0 <= t_s - word.at_s < PULSE_S:
            _pulse(at, (t_s - word.at_s) / PULSE_S, _WORD_KINDS.get(word.kind, INK), brush)
    if it.threshold and it.closed_s == NEVER and it.acted_s == NEVER:
        _judgement(it, brush)
    _certificate(it, t_s, agents, brush)
    target = services(it.target)
    if target is not None and it.acted_s <= t_s and t_s < it.closed_s + FADE_S:
        _action(target, it, t_s, brush)


def _strength(it: Episode, t_s: float) -> float:
    """How strong the beam is: rises when the incident opens, fades when it is closed."""
    if t_s < it.opened_s:
        return 0.0
    return smooth((t_s - it.opened_s) / 0.8) * (1.0 - smooth((t_s - it.closed_s) / FADE_S))


def _hue(it: Episode, t_s: float) -> Colour:
    return OK if it.recovered and t_s >= it.closed_s else BAD


def _beam(place: Floats, it: Episode, t_s: float, strength: float, brush: Brush) -> None:
    """From the service up to the council, wider at its foot; it flickers upwards."""
    u = np.linspace(0.0, 1.0, _BEAM)
    places = place + (CENTRE - place) * u[:, None]
    ripple = 1.0 if brush.still else 0.8 + 0.2 * np.sin(TWO_PI * (3.0 * u - 0.9 * t_s))
    opacities = strength * ripple * (0.3 - 0.2 * u)
    colour = np.tile(np.array(_hue(it, t_s), np.uint8), (_BEAM, 1))
    brush.splats.put(places, shaded(colour, opacities), 0.3 - 0.16 * u)


TWO_PI = 2 * np.pi


def _shocks(place: Floats, it: Episode, t_s: float, strength: float, brush: Brush) -> None:
    """Rings that run outwards on the floor."""
    hue = _hue(it, t_s)
    floor = place - np.array((0.0, 0.0, 0.2))
    for k in range(3):
        u = (k + 1) / 4 if brush.still else ((t_s - it.opened_s) / 2.7 + k / 3) % 1.0
        radius = 0.9 + 2.2 * u
        brush.bands.ring(
            floor, (radius, radius + 0.085 * (1.2 - u)), hue, strength * 0.85 * (1 - u) ** 1.3
        )


def _pulse(at: Floats, u: float, colour: Colour, brush: Brush) -> None:
    """An agent has spoken: a ring leaves it."""
    radius = 0.8 if brush.still else 0.55 + 0.95 * smooth(u)
    brush.bands.ring(at, (radius, radius + 0.06), colour, 0.9 * (1 - u), facing=True)


def _judgement(it: Episode, brush: Brush) -> None:
    """The plan in the council's middle, and how many accept or reject it."""
    brush.heads.put(CENTRE[None], rgba(INK, 0.95)[None], 0.2, CUBE)
    rest = max(0, it.members - it.accepts - it.rejects)
    parts = [(it.accepts, OK, 0.95), (rest, DIM, 0.22), (it.rejects, BAD, 0.95)]
    brush.bands.gauge(CENTRE, (0.62, 0.8), it.members, parts, mark=it.threshold, ink=INK)


def _certificate(it: Episode, t_s: float, agents: Find, brush: Brush) -> None:
    """Signatures fly in, the seal closes at the quorum and travels to the actuator."""
    landed = 0
    for word in it.signatures:
        u = (t_s - word.at_s) / FLY_S
        at = agents(word.who)
        if u >= 1.0:
            landed += 1
        elif u >= 0.0 and at is not None:
            _shard(at, u, brush)
    signed = max(landed, it.quorum) if t_s >= it.sealed_s else landed
    if not signed or t_s >= it.acted_s + FALL_S or t_s >= it.closed_s:
        return
    place = _seal_place(it, t_s, brush)
    whole = t_s >= it.sealed_s
    rest = max(0, it.members - signed)
    parts = [(signed, GOLD, 1.0), (rest, DIM, 0.25)]
    brush.bands.gauge(place, (SEAL - 0.13, SEAL + 0.03), it.members, parts, mark=it.quorum, ink=INK)
    brush.heads.put(
        place[None], rgba(GOLD if whole else DIM, 0.95)[None], 0.3 if whole else 0.2, PLATE
    )
    brush.splats.put(place[None], rgba(GOLD, 0.32 if whole else 0.14)[None], 0.6)


def _shard(at: Floats, u: float, brush: Brush) -> None:
    eased = 0.55 if brush.still else smooth(u)
    back = np.maximum(eased - np.arange(10) * 0.025, 0.0)[:, None]
    way = at + (CENTRE - at) * back + np.array((0, 0, 0.7)) * (4 * back * (1 - back))
    gold = np.tile(np.array(GOLD, np.uint8), (10, 1))
    brush.splats.put(way, shaded(gold, 0.3 * (1 - np.arange(10) / 10)), 0.13 - 0.01 * np.arange(10))
    brush.heads.put(way[:1], rgba(GOLD, 1.0)[None], 0.17, PLATE)


def _seal_place(it: Episode, t_s: float, brush: Brush) -> Floats:
    u = smooth((t_s - it.sealed_s) / CARRY_S)
    if brush.still:
        u = float(u >= 0.5)
    place: Floats = CENTRE + (ACTUATOR - CENTRE) * u
    return place


def _action(target: Floats, it: Episode, t_s: float, brush: Brush) -> None:
    """The action falls from the actuator on its service, and strikes; or breaks, where it failed."""
    u = (t_s - it.acted_s) / FALL_S
    if u < 1.0:
        eased = 0.6 if brush.still else smooth(u)
        back = np.maximum(eased - np.arange(18) * 0.02, 0.0)[:, None]
        way = ACTUATOR + (target - ACTUATOR) * back
        gold = np.tile(np.array(GOLD, np.uint8), (18, 1))
        brush.splats.put(
            way, shaded(gold, 0.55 * (1 - np.arange(18) / 18)), 0.26 - 0.012 * np.arange(18)
        )
        brush.heads.put(way[:1], rgba(GOLD, 1.0)[None], 0.26, CUBE, (target - ACTUATOR)[None])
        return
    after = (t_s - it.struck_s) / STRIKE_S
    if it.outcome != DONE:
        _failed(target, it, after, brush)
    elif after < 1.0:
        radius = 1.0 if brush.still else 0.5 + 1.9 * smooth(after)
        brush.bands.ring(target, (radius, radius + 0.16 * (1 - after)), GOLD, 1.0 - after)
        brush.splats.put(target[None], rgba(GOLD, 0.6 * (1 - after))[None], 0.9)


def _failed(target: Floats, it: Episode, after: float, brush: Brush) -> None:
    """An action that was not done, or of which nobody knows, breaks over its service."""
    hue = BAD if it.outcome == NOT_DONE else WARN
    above = target + np.array((0.0, 0.0, 0.9))
    brush.bands.ring(above, (0.42, 0.52), hue, 0.95, facing=True, dashes=8)
    brush.heads.put(above[None], rgba(hue, 1.0)[None], 0.34, CROSS if hue is BAD else CUBE)
    if after < 1.0:
        splinters = np.arange(9) * TWO_PI / 9
        far = 0.3 if brush.still else 0.2 + 1.1 * smooth(after)
        fall = np.full(9, 0.0 if brush.still else -0.9 * after * after)
        around = np.stack([far * np.cos(splinters), far * np.sin(splinters), fall], axis=1)
        colour = np.tile(np.array(hue, np.uint8), (9, 1))
        brush.splats.put(above + around, shaded(colour, np.full(9, 0.7 * (1 - after))), 0.12)
