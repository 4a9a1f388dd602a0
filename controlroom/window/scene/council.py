"""Where the agents sit: a ring that turns with the view, tiers when there are many (pure).

The primary always sits at the head of the ring, farthest from the eye, so a view change is seen as
the ring turning. Agents of a role sit together. Who is convicted stands outside.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from controlroom.window.scene.buffers import Bytes, Floats, Numbers
from controlroom.window.scene.palette import ROLES, STRANGER

HEIGHT = 3.5
"""Of the council above the middle of the scene."""
RADIUS = 4.7
OUTSIDE = 1.22
"""Where a convicted agent stands, in radii of its seat."""
RAISED = 1.1
"""How much higher it stands."""
ONE_BY_ONE = 16
"""Most agents that have a gauge each; more share one per role."""
TIER = 24
"""Agents of one role in one tier of the amphitheatre."""
TIER_STEP = 0.82
TIER_RISE = 0.42
_ROLE_ORDER = tuple(ROLES)
_FORGET = 64


class Seats(NamedTuple):
    """The council's plan of seats; row i is about the i-th agent of genesis."""

    ids: tuple[str, ...]
    roles: tuple[str, ...]
    place: Numbers
    """Number of the seat, counted along the ring."""
    angle: Floats
    """Of the seat while the ring is not turned, in radians."""
    radius: Floats
    rise: Floats
    size: float
    """Radius of an agent's body."""
    colours: Bytes
    shapes: Bytes
    groups: tuple[tuple[str, Numbers], ...]
    """Each role with its agents."""
    row_of: Mapping[str, int]

    @property
    def one_by_one(self) -> bool:
        """Whether each agent has a gauge and a label of its own."""
        return len(self.ids) <= ONE_BY_ONE


def _role_place(role: str) -> int:
    return _ROLE_ORDER.index(role) if role in _ROLE_ORDER else len(_ROLE_ORDER)


def seats(agents: Sequence[tuple[str, str]]) -> Seats:
    """The plan for ``agents`` (id, role), in the order of genesis."""
    ids = tuple(agent for agent, _ in agents)
    roles = tuple(role for _, role in agents)
    n = len(ids)
    order = sorted(range(n), key=lambda i: (_role_place(roles[i]), i))
    names = list(dict.fromkeys(roles[i] for i in order))
    groups = tuple(
        (role, np.array([i for i in order if roles[i] == role], np.int64)) for role in names
    )
    place = np.zeros(n, np.int64)
    place[order] = np.arange(n)
    angle, radius, rise = _places(n, place, groups)
    looks = [ROLES.get(role, STRANGER) for role in roles]
    return Seats(
        ids, roles, place, angle, radius, rise, _size(n),
        np.array([look.colour for look in looks], np.uint8).reshape(-1, 3),
        np.array([look.shape for look in looks], np.uint8),
        groups, {agent: i for i, agent in enumerate(ids)},
    )  # fmt: skip


def _size(n: int) -> float:
    return float(np.clip(1.22 / max(1, n) ** 0.5, 0.13, 0.5))


def _places(
    n: int, place: Numbers, groups: tuple[tuple[str, Numbers], ...]
) -> tuple[Floats, Floats, Floats]:
    """Angle, radius and rise of every seat."""
    rise = np.zeros(n)
    radius = np.full(n, RADIUS + min(1.2, 0.02 * max(0, n - 8)))
    angle = np.pi / 2 + place * 2 * np.pi / max(1, n)
    if n <= 2 * TIER:
        return angle, radius, rise
    sector = 2 * np.pi / len(groups)
    for number, (_, members) in enumerate(groups):
        tiers = -(-len(members) // TIER)
        columns = -(-len(members) // tiers)
        row, column = np.divmod(np.arange(len(members)), columns)
        angle[members] = np.pi / 2 + sector * (number + 0.86 * ((column + 0.5) / columns - 0.5))
        radius[members] = RADIUS + row * TIER_STEP
        rise[members] = row * TIER_RISE
    return angle, radius, rise


class Turns:
    """When the view changed and who was convicted: what the ring's motion is a function of."""

    TURN_S = 1.6
    LEAVE_S = 1.4

    def __init__(self) -> None:
        self._views: list[tuple[float, str]] = []
        """Primaries and since when, oldest first."""
        self._convicted: dict[str, float] = {}

    def note(self, t_s: float, primary: str, convicted: Sequence[str]) -> None:
        """Who leads and who is convicted at ``t_s``; times may come in any order."""
        for agent in convicted:
            self._convicted[agent] = min(t_s, self._convicted.get(agent, t_s))
        at = next((i for i, (since, _) in enumerate(self._views) if since > t_s), len(self._views))
        before = self._views[at - 1][1] if at else ""
        if primary == before:
            return
        if at < len(self._views) and self._views[at][1] == primary:
            self._views[at] = (t_s, primary)
        else:
            self._views.insert(at, (t_s, primary))
            del self._views[:-_FORGET]

    def turn(self, plan: Seats, t_s: float, *, still: bool) -> float:
        """The ring's turn in radians at ``t_s``, shortest way round; ``still`` jumps."""
        past = [(since, primary) for since, primary in self._views if since <= t_s]
        if not past:
            return 0.0
        since, primary = past[-1]
        goal = _head(plan, primary)
        if len(past) < 2 or still:
            return goal
        start = _head(plan, past[-2][1])
        way = (goal - start + np.pi) % (2 * np.pi) - np.pi
        return float(start + way * smooth((t_s - since) / self.TURN_S))

    def turning(self, t_s: float) -> bool:
        """Whether a view change is being drawn at ``t_s``."""
        past = [since for since, _ in self._views if since <= t_s]
        return len(past) > 1 and t_s - past[-1] < self.TURN_S

    def outside(self, plan: Seats, t_s: float, *, still: bool) -> Floats:
        """How far each agent has left its seat: 0, or up to 1 for one that is convicted."""
        out = np.zeros(len(plan.ids))
        for agent, since in self._convicted.items():
            if agent in plan.row_of and t_s >= since:
                out[plan.row_of[agent]] = 1.0 if still else smooth((t_s - since) / self.LEAVE_S)
        return out


def _head(plan: Seats, primary: str) -> float:
    at = plan.row_of.get(primary)
    return float(np.pi / 2 - plan.angle[at]) if at is not None else 0.0


def smooth(u: float) -> float:
    """A soft start and end: 0 up to 0, 1 from 1 on."""
    u = min(1.0, max(0.0, u))
    return u * u * (3 - 2 * u)


def places(plan: Seats, turn: float, outside: Floats) -> Floats:
    """Where every agent is, ``(n, 3)``.

    Args:
        plan: the seats.
        turn: of the ring, in radians.
        outside: how far each agent has left its seat, 0 to 1.
    """
    angle = plan.angle + turn
    radius = plan.radius * (1 + (OUTSIDE - 1) * outside)
    out = np.empty((len(plan.ids), 3), np.float32)
    out[:, 0] = radius * np.cos(angle)
    out[:, 1] = radius * np.sin(angle)
    out[:, 2] = HEIGHT + plan.rise + RAISED * outside
    return out
