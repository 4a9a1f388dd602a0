"""Messages in flight: a head of its kind's shape, a tail that says whence, a flash or a fall (pure)."""

from typing import NamedTuple

import numpy as np

from controlroom.window.scene.buffers import Bytes, Floats, Mask, Points, shaded
from controlroom.window.scene.messages import FALLS_S, Fate, Rows, opacity
from controlroom.window.scene.palette import BAD, DIM, KIND_LOOKS, KIND_NAMES, TWIN, WARN

MAX_HEADS = 1_200
"""Heads with a body; beyond, a comet is a splat."""
TAILS = ((120, 14), (400, 8), (MAX_HEADS, 3), (1 << 30, 1))
"""Up to so many comets, so many splats each: with thousands of them the tails would be fog."""
MAX_SPLATS = 8_192
TAIL = 0.2
"""Length of a tail, as a share of the way."""
BOUNCE = 0.86
"""Where on its way a refused message is thrown back."""
LOST = 0.52
"""Where on its way a message that is missing falls."""
LATE_MS = 250.0
"""A message that took longer is late: it wears a ring of light, and its time as a label."""
STILL_AT = 0.62
"""Where a comet stands while motion is reduced."""
FLASH = 0.34
CROWD = 60
"""Comets that shine at full strength."""
FAINTEST = 0.16
CROSS = 6
"""The head of a message that was refused."""
SECOND_TALE = 3
"""The head of what a liar tells the others: a cube, whatever it tells the first."""

_COLOURS: Bytes = np.array([look.colour for look in KIND_LOOKS], np.uint8)
_SHAPES: Bytes = np.array([look.shape for look in KIND_LOOKS], np.uint8)
_SIZES = {
    "pre-prepare": 0.17,
    "prepare": 0.13,
    "commit": 0.13,
    "view-change": 0.17,
    "new-view": 0.23,
    "status": 0.04,
    "passed-on": 0.07,
}
_HEADS: Floats = np.array([_SIZES.get(name, 0.06) for name in KIND_NAMES], np.float32)
_BENDS = {"prepare": 0.075, "commit": -0.075, "view-change": 0.11, "pre-prepare": 0.0}
_LANES: Floats = np.array([_BENDS.get(name, 0.03) for name in KIND_NAMES], np.float32)
"""How far to the side a kind's way is bent, in lengths of it: phases do not run into each other."""
_TWIN_LANES: Floats = np.array([0.0, 0.17, -0.17], np.float32)
"""The two tales of a liar leave to either side."""
_REACH: Floats = np.array([1.0, BOUNCE, LOST], np.float32)
"""How far messages come, by their fate."""
_STATUS = KIND_NAMES.index("status")


class Ways(NamedTuple):
    """Quadratic curves from senders to receivers, ``(m, 3)`` each."""

    start: Floats
    middle: Floats
    stop: Floats

    def at(self, u: Floats) -> Floats:
        """Places at shares ``u`` of the ways: ``(m,)`` gives ``(m, 3)``, ``(m, k)`` ``(m, k, 3)``."""
        u = u.astype(np.float32)[..., None]
        v = 1.0 - u
        start, middle, stop = self
        if u.ndim == 3:
            start, middle, stop = start[:, None], middle[:, None], stop[:, None]
        found: Floats = (v * v) * start + (2.0 * u * v) * middle + (u * u) * stop
        return found


def ways(rows: Rows, at: Floats) -> Ways:
    """The ways of all rows between agents who are at ``at``."""
    start, stop = at[rows.sender], at[rows.receiver]
    way = stop - start
    length = np.sqrt(np.einsum("ij,ij->i", way, way))
    lane = _LANES[rows.kind] + _TWIN_LANES[rows.twin]
    middle = (start + stop) * np.float32(0.5)
    middle[:, 0] -= lane * way[:, 1]
    middle[:, 1] += lane * way[:, 0]
    middle[:, 2] += np.float32(0.12) * length + np.float32(0.25)
    return Ways(start, middle, stop)


def draw(
    rows: Rows,
    at: Floats,
    t_s: float,
    splats: Points,
    heads: Points,
    *,
    still: bool,
    scale: float = 1.0,
    dim: Floats | None = None,
) -> Floats:
    """Draw the rows under way at ``t_s`` and return where their heads are, ``(m, 3)``.

    Args:
        rows: from ``Messages.under_way``.
        at: where every agent is, ``(n, 3)``.
        t_s: render time.
        splats: tails, halos and flashes.
        heads: bodies.
        still: reduced motion: a comet stands on its way and only appears and fades.
        scale: of all sizes; many agents are drawn small.
        dim: for each row, 1 to show it whole, less to hold it back.
    """
    count = len(rows.number)
    if not count:
        return np.zeros((0, 3), np.float32)
    path = ways(rows, at)
    u = _way(rows, t_s, still=still)
    seen = opacity(rows, t_s) if dim is None else opacity(rows, t_s) * dim
    colours = _colours(rows)
    refused = rows.fate != Fate.TAKEN
    place = path.at(u)
    if not still:
        after = np.clip((t_s - rows.arrive_s) / FALLS_S, 0.0, 1.0)
        place[:, 2] -= np.where(refused, 2.4 * after * after, 0.0)
    sizes = np.float32(scale) * _HEADS[rows.kind]
    length = next(k for most, k in TAILS if count <= most)
    # Light adds up: in a burst each one is dimmed, or together they burn to white.
    crowd = min(1.0, max(FAINTEST, (CROWD / count) ** 0.6))
    _tails(rows, path, u, place, seen * crowd, colours, sizes, splats, length, still=still)
    arrived = (t_s >= rows.arrive_s) & ~refused
    if count <= MAX_HEADS:
        _flashes(rows, at, arrived, seen * crowd, colours, splats, scale)
        _late(rows, arrived, place, sizes, splats)
        ahead = path.at(np.minimum(u + 0.02, 1.02)) - place + np.float32(1e-6)
        _bodies(rows, ~arrived, place, ahead, t_s, (colours, sizes, seen), heads)
    return place


def _way(rows: Rows, t_s: float, *, still: bool) -> Floats:
    """How much of its way each message has gone."""
    if still:
        return np.minimum(STILL_AT, _REACH[rows.fate])
    u = np.clip((t_s - rows.leave_s) / (rows.arrive_s - rows.leave_s), 0.0, 1.0)
    # Quick to leave and slow to land: eyes follow that better than a constant pace.
    eased = u * (1.4 - 0.4 * u)
    return eased * _REACH[rows.fate]


def _colours(rows: Rows) -> Bytes:
    colours = _COLOURS[rows.kind]
    if rows.twin.any():
        colours[rows.twin == 1] = BAD
        colours[rows.twin == 2] = TWIN
    if rows.fate.any():
        colours[rows.fate == Fate.REFUSED] = BAD
        colours[rows.fate == Fate.MISSING] = DIM
    return colours


def _bodies(
    rows: Rows, chosen: Mask, place: Floats, ahead: Floats, t_s: float,
    looks: tuple[Bytes, Floats, Floats], heads: Points,
) -> None:  # fmt: skip
    colours, sizes, seen = looks
    some = np.flatnonzero(chosen)
    thrown = (rows.fate[some] != Fate.TAKEN) & (t_s >= rows.arrive_s[some])
    shapes = np.where(rows.twin[some] == 2, SECOND_TALE, _SHAPES[rows.kind[some]])
    shapes = np.where(thrown, CROSS, shapes).astype(np.uint8)
    size = sizes[some] * np.sqrt(seen[some])
    size *= np.minimum(2.0, 1.0 + 0.25 * np.log2(np.maximum(rows.records[some], 1)))
    size *= np.where(rows.twin[some] > 0, 1.6, 1.0)
    size *= np.where(rows.fate[some] == Fate.MISSING, 1.25, 1.0)
    heads.put(place[some], shaded(colours[some], np.ones(len(some))), size, shapes, ahead[some])


def _tails(
    rows: Rows, path: Ways, u: Floats, place: Floats, seen: Floats, colours: Bytes, sizes: Floats,
    splats: Points, length: int, *, still: bool,
) -> None:  # fmt: skip
    """A tail of splats behind each head, the first one its halo."""
    quiet = np.where(rows.kind == _STATUS, 0.45, 1.0) * seen
    if length == 1:
        splats.put(place, shaded(colours, 1.6 * quiet), sizes * np.float32(0.8))
        return
    back = (np.arange(1, length) / length).astype(np.float32)
    along = u.astype(np.float32)[:, None] - back * np.float32(0.55 if still else TAIL)
    behind = path.at(np.maximum(along, 0.0))
    opacities = quiet[:, None] * (0.36 * (1.0 - back) ** 1.6) * (along > 0.0)
    wide = sizes[:, None] * (0.62 * (1.0 - 0.72 * back))
    splats.put(place, shaded(colours, 0.5 * quiet), sizes * np.float32(1.25))
    tinted = np.repeat(colours, length - 1, axis=0)
    splats.put(behind.reshape(-1, 3), shaded(tinted, opacities.ravel()), wide.ravel())


def _late(rows: Rows, arrived: Mask, place: Floats, sizes: Floats, splats: Points) -> None:
    """What takes long glows in a colour of its own, beside its label."""
    chosen = np.flatnonzero((rows.flight_ms >= LATE_MS) & ~arrived & (rows.fate == Fate.TAKEN))
    if len(chosen):
        hue = np.tile(np.array(WARN, np.uint8), (len(chosen), 1))
        splats.put(place[chosen], shaded(hue, np.full(len(chosen), 0.5)), 2.6 * sizes[chosen])


def _flashes(
    rows: Rows, at: Floats, arrived: Mask, seen: Floats, colours: Bytes, splats: Points,
    scale: float,
) -> None:  # fmt: skip
    """Where a message was taken, its receiver lights up in the message's colour."""
    chosen = np.flatnonzero(arrived & (rows.kind != _STATUS))
    if len(chosen):
        left = seen[chosen]
        size = scale * FLASH * (1.6 - 0.6 * left)
        splats.put(at[rows.receiver[chosen]], shaded(colours[chosen], 0.16 * left), size)
