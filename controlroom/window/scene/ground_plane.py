"""The floor under the fleet: a grid and a glow that fade outwards, and never change (pure)."""

from typing import NamedTuple

import numpy as np

from controlroom.window.scene.buffers import Bytes, Floats, Numbers
from controlroom.window.scene.fleet import FLOOR

REACH, GLOW_REACH = 15.0, 11.0
"""The glow is drawn pixel by pixel: a processor feels how far it reaches."""
_RINGS = 14
_SPOKES = 72
_STEP = 1.25
_DOTS = 60


class Mesh(NamedTuple):
    """Points with colours, joined to curves or faces."""

    places: Floats
    colours: Bytes
    cells: Numbers
    """Point numbers, one curve or face a row."""
    curves: bool


def meshes() -> tuple[Mesh, ...]:
    """The glow, then the grid."""
    return _glow(), _grid()


def _fade(places: Floats, reach: float) -> Floats:
    distance = np.hypot(places[:, 0], 1.25 * places[:, 1])
    faded: Floats = np.clip(1.0 - distance / reach, 0.0, 1.0) ** 1.5
    return faded


def _glow() -> Mesh:
    radius, angle = np.meshgrid(
        np.linspace(0.0, GLOW_REACH, _RINGS),
        np.linspace(0.0, 2 * np.pi, _SPOKES + 1),
        indexing="ij",
    )
    places = np.stack(
        [radius * np.cos(angle), radius * np.sin(angle), np.full_like(radius, FLOOR - 0.06)],
        axis=-1,
    ).reshape(-1, 3)
    places = places.astype(np.float32)
    colours = np.empty((len(places), 4), np.uint8)
    colours[:, :3] = (20, 44, 92)
    colours[:, 3] = 150 * _fade(places, GLOW_REACH)
    low = (np.arange(_RINGS - 1)[:, None] * (_SPOKES + 1) + np.arange(_SPOKES)).ravel()
    cells = np.stack([low, low + 1, low + _SPOKES + 2, low + _SPOKES + 1], axis=1)
    return Mesh(places, colours, cells.astype(np.int64), curves=False)


def _grid() -> Mesh:
    along = np.linspace(-REACH, REACH, _DOTS)
    at = np.arange(-REACH, REACH + 0.01, _STEP)
    first = np.stack(np.meshgrid(at, along, indexing="ij"), axis=-1)
    second = first[..., ::-1]
    flat = np.concatenate([first, second]).reshape(-1, 2)
    places = np.empty((len(flat), 3), np.float32)
    places[:, :2] = flat
    places[:, 2] = FLOOR - 0.03
    colours = np.empty((len(places), 4), np.uint8)
    colours[:, :3] = (64, 104, 178)
    colours[:, 3] = 74 * _fade(places, REACH)
    cells = np.arange(len(places), dtype=np.int64).reshape(-1, _DOTS)
    return Mesh(places, colours, cells, curves=True)
