"""Rings, gauges and crowns: arcs that are gathered and drawn in one go (pure)."""

from itertools import pairwise

import numpy as np

from controlroom.window.scene.buffers import Arcs, Floats, Ribbons
from controlroom.window.scene.palette import Colour

TURN = 2 * np.pi
TOP = np.pi / 2
GAP = 0.07
"""Between two segments of a gauge, as a share of one."""
_COLUMNS = 12
Table = Floats
"""Arcs that were kept, one a row."""
_Row = tuple[float, float, float, float, float, float, float, int, int, int, float, bool]


class Bands:
    """Arcs of one frame."""

    def __init__(self) -> None:
        self._rows: list[_Row] = []
        self._kept: list[Table] = []

    def arc(
        self,
        centre: Floats,
        radius: tuple[float, float],
        span: tuple[float, float],
        colour: Colour,
        opacity: float,
        *,
        facing: bool,
    ) -> None:
        """One arc between two radii and two angles."""
        if opacity <= 0.003:
            return
        x, y, z = centre.tolist()
        self._rows.append((x, y, z, *radius, *span, *colour, min(1.0, opacity), facing))

    def ring(
        self,
        centre: Floats,
        radius: tuple[float, float],
        colour: Colour,
        opacity: float,
        *,
        facing: bool = False,
        dashes: int = 0,
        turn: float = 0.0,
    ) -> None:
        """A whole ring, or one of dashes."""
        if not dashes:
            for part in range(4):
                span = (turn + part * TURN / 4, turn + (part + 1) * TURN / 4)
                self.arc(centre, radius, span, colour, opacity, facing=facing)
            return
        step = TURN / dashes
        for dash in range(dashes):
            begin = turn + dash * step
            self.arc(centre, radius, (begin, begin + 0.58 * step), colour, opacity, facing=facing)

    def gauge(
        self,
        centre: Floats,
        radius: tuple[float, float],
        of: int,
        parts: list[tuple[int, Colour, float]],
        *,
        mark: int,
        ink: Colour,
        opacity: float = 1.0,
    ) -> None:
        """Segments that fill clockwise from the top, and a notch where the mark is.

        Args:
            centre: of the gauge.
            radius: inner and outer.
            of: segments of the whole.
            parts: how many segments of which colour and opacity, in order.
            mark: after how many segments the notch stands; 0 for none.
            ink: the notch's colour.
            opacity: of all of it.
        """
        if of <= 0:
            return
        step = TURN / of
        gap = GAP * step if of <= 64 else 0.0
        at = 0
        for count, colour, seen in parts:
            count = min(count, of - at)
            if of <= 64:
                for segment in range(at, at + count):
                    span = (TOP - segment * step - gap / 2, TOP - (segment + 1) * step + gap / 2)
                    self.arc(centre, radius, span, colour, seen * opacity, facing=True)
            else:
                self._long(
                    centre,
                    radius,
                    (TOP - at * step, TOP - (at + count) * step),
                    colour,
                    seen * opacity,
                )
            at += count
        if mark:
            width = radius[1] - radius[0]
            angle = TOP - mark * step
            reach = (radius[0] - 0.55 * width, radius[1] + 0.75 * width)
            half = 0.035 if of <= 64 else 0.03
            self.arc(centre, reach, (angle - half, angle + half), ink, opacity, facing=True)

    def _long(
        self, centre: Floats, radius: tuple[float, float], span: tuple[float, float],
        colour: Colour, opacity: float,
    ) -> None:  # fmt: skip
        """An arc of any length, in pieces that stay round."""
        pieces = max(1, round(abs(span[1] - span[0]) / (TURN / 6)))
        ends = np.linspace(span[0], span[1], pieces + 1)
        for begin, end in pairwise(ends.tolist()):
            self.arc(centre, radius, (begin, end), colour, opacity, facing=True)

    def keep(self) -> Table:
        """What was gathered, to be added to other frames; and forget it here."""
        table = np.array(self._rows, np.float32).reshape(-1, _COLUMNS)
        self._rows.clear()
        return table

    def add(self, table: Table) -> None:
        """Add what another frame kept."""
        self._kept.append(table)

    def draw(self, ribbons: Ribbons, right: Floats, up: Floats) -> None:
        """Write all that was gathered, and forget it."""
        table = np.concatenate([*self._kept, self.keep()])
        self._kept.clear()
        if not len(table):
            return
        colours = np.empty((len(table), 4), np.uint8)
        colours[:, :3] = table[:, 7:10]
        colours[:, 3] = table[:, 10] * 255
        arcs = Arcs(
            table[:, :3], table[:, 3], table[:, 4], table[:, 5], table[:, 6], colours,
            table[:, 11] > 0,
        )  # fmt: skip
        ribbons.put(arcs, right, up)
