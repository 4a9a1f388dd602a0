"""Where the services stand: callers left, callees right, in layers (pure)."""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from controlroom.window.scene.buffers import Floats, Numbers

FLOOR = -2.7
WIDTH = 15.0
DEPTH = 8.0
FORWARD = 1.1
"""The fleet stands so much nearer to the eye than the council: neither hides the other."""
MAX_SERVICES = 64
"""Services that stand on the floor; more are counted."""
MAX_LINKS = 160
_SWEEPS = 4


class Ground(NamedTuple):
    """The fleet's plan."""

    names: tuple[str, ...]
    places: Floats
    """``(m, 3)``: the middle of the foot of each."""
    size: float
    links: tuple[tuple[str, str], ...]
    ends: Numbers
    """``(k, 2)``: caller and callee of each link as rows of ``names``."""
    curves: Floats
    """``(k, points, 3)``: the way of each call, slightly above the floor."""
    row_of: Mapping[str, int]
    folded_services: int
    folded_links: int


def ground(services: Iterable[str], links: Iterable[tuple[str, str]], points: int) -> Ground:
    """The plan for services and calls; ``points`` is how many points a call's curve has.

    Callers that are no service, such as the customers, stand there too.
    """
    calls = list(dict.fromkeys(links))
    everyone = list(dict.fromkeys([*services, *(end for call in calls for end in call)]))
    names = tuple(everyone[:MAX_SERVICES])
    index = {name: i for i, name in enumerate(names)}
    known = [call for call in calls if call[0] in index and call[1] in index]
    shown = tuple(known[:MAX_LINKS])
    places = _places(names, shown, index)
    ends = np.array([(index[a], index[b]) for a, b in shown], np.int64).reshape(-1, 2)
    size = float(np.clip(3.0 / max(1.0, len(names)) ** 0.6, 0.24, 0.72))
    return Ground(
        names, places, size, shown, ends, _curves(places, ends, points), index,
        len(everyone) - len(names), len(calls) - len(shown),
    )  # fmt: skip


def _layers(names: Sequence[str], links: Sequence[tuple[str, str]]) -> dict[str, int]:
    """How many calls away from the outside each service is, on the longest way without a circle."""
    layer = dict.fromkeys(names, 0)
    for _ in range(min(len(names), 24)):
        changed = False
        for caller, callee in links:
            if caller != callee and layer[callee] <= layer[caller] < len(names):
                layer[callee] = layer[caller] + 1
                changed = True
        if not changed:
            return layer
    return {name: min(depth, 6) for name, depth in layer.items()}


def _places(
    names: Sequence[str], links: Sequence[tuple[str, str]], index: Mapping[str, int]
) -> Floats:
    """Layers from left to right; within one, by the middle of its neighbours (Sugiyama 1981)."""
    layer = _layers(names, links)
    count = max(layer.values(), default=0) + 1
    rows: list[list[str]] = [[name for name in names if layer[name] == k] for k in range(count)]
    across = {name: _spread(i, len(row)) for row in rows for i, name in enumerate(row)}
    for _ in range(_SWEEPS):
        for row in rows:
            middle = {name: _middle(name, links, across) for name in row}
            row.sort(key=lambda name: (middle[name], name))
            across.update({name: _spread(i, len(row)) for i, name in enumerate(row)})
    out = np.zeros((len(names), 3), np.float32)
    for k, row in enumerate(rows):
        for i, name in enumerate(row):
            bend = 0.5 * np.cos(np.pi * (i / max(1, len(row) - 1) - 0.5)) if len(row) > 2 else 0.0
            x = WIDTH * (k / max(1, count - 1) - 0.5) if count > 1 else 0.0
            out[index[name]] = (x + bend, -DEPTH / 2 * across[name] - FORWARD, FLOOR)
    return out


def _spread(i: int, of: int) -> float:
    """-1 to 1; a few stay near the middle."""
    return (i - (of - 1) / 2) * min(1.0, 2.0 / max(1, of - 1)) if of > 1 else 0.0


def _middle(name: str, links: Sequence[tuple[str, str]], across: Mapping[str, float]) -> float:
    near = [across[b] if a == name else across[a] for a, b in links if name in (a, b)]
    return sum(near) / len(near) if near else across[name]


def _curves(places: Floats, ends: Numbers, points: int) -> Floats:
    """Gentle arcs, bent to one side so that calls in both directions lie apart."""
    if not len(ends):
        return np.zeros((0, points, 3), np.float32)
    start, stop = places[ends[:, 0]], places[ends[:, 1]]
    along = stop - start
    side = np.stack([-along[:, 1], along[:, 0], np.zeros(len(ends), np.float32)], axis=1)
    middle = (start + stop) / 2 + 0.06 * side
    middle[:, 2] += 0.1 + 0.09 * np.linalg.norm(along, axis=1)
    u = np.linspace(0.0, 1.0, points, dtype=np.float32)[None, :, None]
    curves = (
        (1 - u) ** 2 * start[:, None] + 2 * u * (1 - u) * middle[:, None] + u**2 * stop[:, None]
    )
    curves[..., 2] += 0.14
    return curves.astype(np.float32)
