"""What one frame draws, as arrays that are allocated once and rewritten in place (pure).

A renderer may point at the memory: the arrays never move, a frame only changes their first
``count`` rows and blanks what the frame before had used beyond them.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]
Bytes = NDArray[np.uint8]
Numbers = NDArray[np.int64]
Mask = NDArray[np.bool_]
Column = NDArray[Any]
"""Of a table whose columns differ in type."""


class Points:
    """Splats or glyphs: a place, a colour and a size each, and what a glyph needs besides."""

    def __init__(self, capacity: int) -> None:
        """Room for ``capacity`` points, all of them unseen."""
        self.capacity = capacity
        self.count = 0
        self.dropped = 0
        """Points of this frame for which there was no room."""
        self.version = 0
        """Rises with every change, so that nobody reads again what has not changed."""
        self.places: Floats = np.zeros((capacity, 3), np.float32)
        self.colours: Bytes = np.zeros((capacity, 4), np.uint8)
        """Red, green, blue, opacity."""
        self.sizes: Floats = np.zeros(capacity, np.float32)
        self.shapes: Bytes = np.zeros(capacity, np.uint8)
        self.directions: Floats = np.zeros((capacity, 3), np.float32)
        self._last = 0

    def begin(self) -> None:
        """Begin a frame, or, of what seldom changes, begin anew."""
        self._last, self.count, self.dropped = self.count, 0, 0

    def put(
        self,
        places: Floats,
        colours: Bytes,
        sizes: Floats | float,
        shapes: Bytes | int = 0,
        directions: Floats | tuple[float, float, float] = (1.0, 0.0, 0.0),
    ) -> None:
        """Add rows; those beyond the capacity are left out and counted."""
        room = self.capacity - self.count
        wanted = len(places)
        if wanted > room:
            self.dropped += wanted - room
            places, colours = places[:room], colours[:room] if colours.ndim == 2 else colours
            sizes = sizes[:room] if isinstance(sizes, np.ndarray) else sizes
            shapes = shapes[:room] if isinstance(shapes, np.ndarray) else shapes
            directions = directions[:room] if isinstance(directions, np.ndarray) else directions
        rows = slice(self.count, self.count + len(places))
        self.places[rows] = places
        self.colours[rows] = colours
        self.sizes[rows] = sizes
        self.shapes[rows] = shapes
        self.directions[rows] = directions
        self.count += len(places)

    def end(self) -> None:
        """End a frame: what the last one had and this one has not is unseen."""
        self.version += bool(self.count or self._last)
        rest = slice(self.count, max(self._last, self.count))
        self.colours[rest] = 0
        self.sizes[rest] = 0.0


class Arcs(NamedTuple):
    """Parts of rings, one a row; an angle is in radians, counter-clockwise from ``right``."""

    centres: Floats
    inner: Floats
    outer: Floats
    begin: Floats
    end: Floats
    colours: Bytes
    facing: Mask
    """Whether it faces the eye; others lie flat."""


class Ribbons:
    """Flat bands, each cut into ``PARTS`` quadrilaterals of four corners of their own."""

    PARTS = 12

    def __init__(self, capacity: int) -> None:
        """Room for ``capacity`` bands."""
        self.capacity = capacity
        self.count = 0
        self.dropped = 0
        self.version = 0
        corners = capacity * (self.PARTS + 1) * 2
        self.places: Floats = np.zeros((corners, 3), np.float32)
        self.colours: Bytes = np.zeros((corners, 4), np.uint8)
        steps = np.linspace(0.0, 1.0, self.PARTS + 1, dtype=np.float32)
        self._steps = steps
        self._last = 0

    def quads(self) -> Numbers:
        """Corner numbers of every quadrilateral, ``(capacity * PARTS, 4)``; they never change."""
        first = np.arange(self.capacity, dtype=np.int64)[:, None] * ((self.PARTS + 1) * 2)
        low = first + np.arange(self.PARTS, dtype=np.int64) * 2
        return np.stack([low, low + 1, low + 3, low + 2], axis=-1).reshape(-1, 4)

    def begin(self) -> None:
        """Begin a frame, or, of what seldom changes, begin anew."""
        self._last, self.count, self.dropped = self.count, 0, 0

    def put(self, arcs: Arcs, right: Floats, up: Floats) -> None:
        """Add arcs; ``right`` and ``up`` span the plane of those that face the eye."""
        room = self.capacity - self.count
        if len(arcs.inner) > room:
            self.dropped += len(arcs.inner) - room
            arcs = Arcs._make(column[:room] for column in arcs)
        wanted = len(arcs.inner)
        if not wanted:
            return
        angles = arcs.begin[:, None] + (arcs.end - arcs.begin)[:, None] * self._steps
        facing = arcs.facing[:, None]
        across = np.where(facing, right, (1.0, 0.0, 0.0)).astype(np.float32)
        along = np.where(facing, up, (0.0, 1.0, 0.0)).astype(np.float32)
        spokes = (
            np.cos(angles)[..., None] * across[:, None]
            + np.sin(angles)[..., None] * (along[:, None])
        )
        self._write(
            wanted, arcs, spokes * arcs.inner[:, None, None], spokes * arcs.outer[:, None, None]
        )

    def _write(self, wanted: int, arcs: Arcs, inner: Floats, outer: Floats) -> None:
        each = (self.PARTS + 1) * 2
        rows = slice(self.count * each, (self.count + wanted) * each)
        both = np.stack([inner, outer], axis=2) + arcs.centres[:, None, None]
        self.places[rows] = both.reshape(-1, 3)
        self.colours[rows] = np.repeat(arcs.colours, each, axis=0)
        self.count += wanted

    def end(self) -> None:
        """End a frame."""
        self.version += bool(self.count or self._last)
        each = (self.PARTS + 1) * 2
        self.colours[self.count * each : max(self._last, self.count) * each] = 0


class Lines:
    """Curves of ``POINTS`` points each."""

    POINTS = 24

    def __init__(self, capacity: int) -> None:
        """Room for ``capacity`` curves."""
        self.capacity = capacity
        self.count = 0
        self.dropped = 0
        self.version = 0
        self.places: Floats = np.zeros((capacity * self.POINTS, 3), np.float32)
        self.colours: Bytes = np.zeros((capacity * self.POINTS, 4), np.uint8)
        self._last = 0

    def cells(self) -> Numbers:
        """Point numbers of every curve, ``(capacity, POINTS)``; they never change."""
        return np.arange(self.capacity * self.POINTS, dtype=np.int64).reshape(-1, self.POINTS)

    def begin(self) -> None:
        """Begin a frame, or, of what seldom changes, begin anew."""
        self._last, self.count, self.dropped = self.count, 0, 0

    def put(self, curves: Floats, colours: Bytes) -> None:
        """Add curves ``(m, POINTS, 3)`` with colours ``(m, POINTS, 4)`` or ``(m, 1, 4)``."""
        room = self.capacity - self.count
        if len(curves) > room:
            self.dropped += len(curves) - room
            curves, colours = curves[:room], colours[:room]
        rows = slice(self.count * self.POINTS, (self.count + len(curves)) * self.POINTS)
        self.places[rows] = curves.reshape(-1, 3)
        shape = (len(curves), self.POINTS, 4)
        self.colours[rows] = np.broadcast_to(colours, shape).reshape(-1, 4)
        self.count += len(curves)

    def end(self) -> None:
        """End a frame."""
        self.version += bool(self.count or self._last)
        self.colours[self.count * self.POINTS : max(self._last, self.count) * self.POINTS] = 0


def rgba(colour: tuple[int, int, int], opacity: float) -> Bytes:
    """One colour with an opacity from 0 to 1, as a row of ``Points.colours``."""
    return np.array([*colour, round(255 * min(1.0, max(0.0, opacity)))], np.uint8)


def shaded(colours: Bytes, opacities: Floats) -> Bytes:
    """``colours`` ``(m, 3)`` with an opacity from 0 to 1 each, as ``(m, 4)``."""
    out = np.empty((len(colours), 4), np.uint8)
    out[:, :3] = colours
    out[:, 3] = np.clip(opacities, 0.0, 1.0) * 255.0
    return out


def lifted(place: Floats, by: float) -> Floats:
    """A place ``by`` units above ``place``, as one row ``(1, 3)``."""
    out = np.array(place, np.float32).reshape(1, 3)
    out[0, 2] += by
    return out
