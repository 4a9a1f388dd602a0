"""Messages in flight: a head of its kind's shape, a tail that says whence, a flash or a fall (pure)."""

import numpy as np

from controlroom.window.scene.buffers import Bytes, Floats, Points, shaded
from controlroom.window.scene.messages import FALLS_S, Fate, Rows, opacity
from controlroom.window.scene.palette import BAD, KIND_LOOKS, KIND_NAMES, TWIN

TAILS = ((260, 16), (1200, 5), (1 << 30, 1))
"""Up to so many comets, so many splats each: with thousands of them the tails would be fog."""
MAX_HEADS = 1_536
"""Heads with a body; beyond, a comet is a splat."""
MAX_SPLATS = 8_192
TAIL = 0.2
"""Length of a tail, as a share of the way."""
BOUNCE = 0.86
"""Where on its way a refused message is thrown back."""
STILL_AT = 0.62
"""Where a comet stands while motion is reduced."""
FLASH = 0.34

_COLOURS: Bytes = np.array([look.colour for look in KIND_LOOKS], np.uint8)
_SHAPES: Bytes = np.array([look.shape for look in KIND_LOOKS], np.uint8)
_HEADS: Floats = np.array(
    [{"pre-prepare": 0.17, "view-change": 0.16, "new-view": 0.22, "status": 0.04}.get(
        name, 0.06 if look.shape == 5 else 0.115) for name, look in zip(KIND_NAMES, KIND_LOOKS, strict=True)]
)  # fmt: skip
_LANES: Floats = np.array(
    [{"pre-prepare": 0.0, "prepare": 0.075, "commit": -0.075, "view-change": 0.11}.get(name, 0.03)
     for name in KIND_NAMES]
)  # fmt: skip
"""How far to the side a kind's way is bent, in lengths of it: phases do not run into each other."""
_STATUS = KIND_NAMES.index("status")
_CROSS = 6
"""The head of a message that was refused."""


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
    if not len(rows.number):
        return np.zeros((0, 3), np.float32)
    u = _way(rows, t_s, still=still)
    seen = opacity(rows, t_s) if dim is None else opacity(rows, t_s) * dim
    colours = _colours(rows)
    head, ahead = _along(rows, at, u), _along(rows, at, np.minimum(u + 0.02, 1.0))
    head = head + _fall(rows, t_s, still=still)
    if not still:
        ahead = np.where((u >= 1.0)[:, None], at[rows.receiver], ahead)
    length = next(k for most, k in TAILS if len(u) <= most)
    _tails(rows, at, u, seen, colours, splats, length, scale, still=still)
    size = scale * _HEADS[rows.kind] * np.minimum(2.0, 1.0 + 0.25 * np.log2(rows.records))
    arrived = (t_s >= rows.arrive_s) & (rows.fate == Fate.TAKEN)
    _flashes(rows, at, t_s, arrived, colours, splats, scale)
    solid = np.flatnonzero(~arrived)
    shapes = np.where(
        rows.fate == Fate.REFUSED,
        np.where(t_s >= rows.arrive_s, _CROSS, _SHAPES[rows.kind]),
        _SHAPES[rows.kind],
    )
    if len(solid) <= MAX_HEADS:
        heads.put(
            head[solid], shaded(colours[solid], np.ones(len(solid))),
            (size * np.where(rows.twin > 0, 1.5, 1.0) * seen**0.5)[solid], shapes[solid].astype(np.uint8),
            (ahead - head + 1e-6)[solid],
        )  # fmt: skip
    return head.astype(np.float32)


def _way(rows: Rows, t_s: float, *, still: bool) -> Floats:
    """How much of its way each message has gone."""
    if still:
        return np.full(len(rows.number), STILL_AT)
    u = (t_s - rows.leave_s) / np.maximum(rows.arrive_s - rows.leave_s, 1e-6)
    # Quick to leave and slow to land: eyes follow that better than a constant pace.
    eased = 1.0 - (1.0 - np.clip(u, 0.0, 1.0)) ** 1.35
    return np.where(rows.fate == Fate.REFUSED, eased * BOUNCE, eased)


def _colours(rows: Rows) -> Bytes:
    colours = _COLOURS[rows.kind]
    colours[rows.twin == 1] = BAD
    colours[rows.twin == 2] = TWIN
    colours[rows.fate == Fate.REFUSED] = BAD
    return colours


def _along(rows: Rows, at: Floats, u: Floats) -> Floats:
    """Where on their arcs the messages are; ``u`` is ``(m,)`` or ``(m, k)``."""
    start, stop = at[rows.sender], at[rows.receiver]
    way = stop - start
    length = np.linalg.norm(way, axis=1)
    lane = (
        _LANES[rows.kind]
        + np.where(rows.twin == 1, 0.16, 0.0)
        - np.where(rows.twin == 2, 0.16, 0.0)
    )
    middle = (start + stop) / 2
    middle[:, 0] -= lane * way[:, 1]
    middle[:, 1] += lane * way[:, 0]
    middle[:, 2] += 0.12 * length + 0.25
    u = u.astype(np.float32)
    if u.ndim == 2:
        u, start, stop, middle = u[..., None], start[:, None], stop[:, None], middle[:, None]
    else:
        u = u[:, None]
    out: Floats = (1 - u) ** 2 * start + 2 * u * (1 - u) * middle + u**2 * stop
    return out


def _fall(rows: Rows, t_s: float, *, still: bool) -> Floats:
    """How far a refused message has fallen."""
    out = np.zeros((len(rows.number), 3), np.float32)
    if not still:
        after = np.clip((t_s - rows.arrive_s) / FALLS_S, 0.0, 1.0)
        out[:, 2] = np.where(rows.fate == Fate.REFUSED, -2.4 * after**2, 0.0)
    return out


def _tails(
    rows: Rows, at: Floats, u: Floats, seen: Floats, colours: Bytes, splats: Points,
    length: int, scale: float, *, still: bool,
) -> None:  # fmt: skip
    """A tail of splats behind each head, the first one its halo."""
    back = np.arange(length) / max(1, length)
    reach = 0.55 if still else TAIL
    along = np.maximum(u[:, None] - back * reach, 0.0)
    places = _along(rows, at, along)
    quiet = np.where(rows.kind == _STATUS, 0.45, 1.0) * seen
    opacities = quiet[:, None] * 0.36 * (1.0 - back) ** 1.6
    # What has arrived draws its tail in; what has not begun has none.
    opacities *= (along > 0.0) | (back == 0.0)
    opacities[:, 0] = 0.5 * quiet
    head = scale * _HEADS[rows.kind]
    sizes = head[:, None] * (0.62 * (1.0 - 0.72 * back))
    sizes[:, 0] = head * 1.25
    splats.put(
        places.reshape(-1, 3),
        shaded(np.repeat(colours, length, axis=0), opacities.ravel()),
        sizes.ravel(),
    )


def _flashes(
    rows: Rows, at: Floats, t_s: float, arrived: Floats, colours: Bytes, splats: Points, scale: float
) -> None:  # fmt: skip
    """Where a message was taken, its receiver lights up in the message's colour."""
    chosen = np.flatnonzero(arrived & (rows.kind != _STATUS))
    if not len(chosen):
        return
    some = rows.where(chosen)
    left = opacity(some, t_s)
    splats.put(
        at[some.receiver], shaded(colours[chosen], 0.2 * left), scale * FLASH * (1.6 - 0.6 * left)
    )
