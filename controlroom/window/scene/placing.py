"""Where labels go: which give way to which, and on which side of their thing they stand (pure)."""

from collections.abc import Callable, Iterable
from enum import Enum
from typing import NamedTuple, assert_never

import numpy as np

from controlroom.window.scene.eye import Eye
from controlroom.window.scene.palette import DIM, Colour

MOST = 60
"""Labels that are drawn at once; more could not be read."""
EDGE_PX, GAP_PX = 8, 4
URGENT = 3
"""Things whose labels are so important are never covered by other labels, the rest if need be."""
BODY = 0.7
"""How much of a label's reach its thing fills."""
Box = tuple[float, float, float, float]
"""Left, top, right, bottom, in pixels."""


class Side(Enum):
    """Where a label stands, seen from its anchor."""

    ABOVE = "above"
    BELOW = "below"
    LEFT = "left"
    RIGHT = "right"


class Label(NamedTuple):
    """Words at a place of the scene."""

    id: str
    """Of the thing that it names: ``agent:detection-1``."""
    anchor: tuple[float, float, float]
    title: str
    sub: str
    colour: Colour
    priority: int
    """The lowest gives way last."""
    sides: tuple[Side, ...]
    """Where it may stand, seen from its anchor, the best first."""
    sub_colour: Colour = DIM
    reach: float = 0.0
    """How far from its anchor it begins, in units of the scene."""


class Placed(NamedTuple):
    """A label and the pixel of its middle's upper edge."""

    label: Label
    x: float
    y: float
    opacity: float


Measure = Callable[[Label], tuple[float, float]]
"""Width and height in pixels that a label needs."""


def placed(
    wanted: Iterable[Label], eye: Eye, measure: Measure, avoid: Iterable[Box] = ()
) -> list[Placed]:
    """Where labels go: the important ones first, those for which there is no room not at all.

    Args:
        wanted: the most important first.
        eye: whence the scene is seen.
        measure: how large a label is.
        avoid: parts of the picture, in pixels, that something else covers.
    """
    chosen: list[Placed] = []
    everything = list(wanted)
    if not everything:
        return []
    hidden = list(avoid)
    taken = list(hidden)
    at, depth = eye.project(np.array([label.anchor for label in everything]))
    scale = eye.scale(depth)
    bodies: list[Box] = []
    for label, point, far, pixels in zip(
        everything, at.tolist(), depth.tolist(), scale.tolist(), strict=True
    ):
        if label.reach and far > 0.2:
            body = _body(point, BODY * label.reach * pixels)
            (taken if label.priority <= URGENT else bodies).append(body)
    for label, point, far, pixels in zip(
        everything, at.tolist(), depth.tolist(), scale.tolist(), strict=True
    ):
        if far <= 0.2 or not (
            -80 <= point[0] <= eye.width + 80 and -40 <= point[1] <= eye.height + 40
        ):
            continue
        if not _is_free((point[0], point[1], point[0], point[1]), hidden):
            # What names a thing that something else covers would be taken for another's name.
            continue
        boxes = _boxes(label, point, label.reach * pixels, measure(label), eye.width)
        free = [box for box in boxes if _is_free(box, taken)]
        # Rather beside all things than over one, and rather over one than not at all.
        box = next((it for it in free if _is_free(it, bodies)), free[0] if free else None)
        if box is None:
            continue
        taken.append(box)
        opacity = min(1.0, max(0.8, 1.6 - far / 48))
        chosen.append(Placed(label, (box[0] + box[2]) / 2, box[1], opacity))
        if len(chosen) == MOST:
            break
    return chosen


def _boxes(
    label: Label, at: list[float], reach: float, size: tuple[float, float], width: int
) -> list[Box]:
    """Where a label may stand, the best first."""
    found: list[Box] = []
    for side in label.sides:
        box = _beside(side, at[0], at[1], reach, size)
        if side in (Side.LEFT, Side.RIGHT):
            # What hangs over the edge is pushed back: half a word tells nothing.
            over = min(0.0, box[0] - EDGE_PX) + max(0.0, box[2] - width + EDGE_PX)
            box = (box[0] - over, box[1], box[2] - over, box[3])
        found.append(box)
    return found


def _beside(side: Side, x: float, y: float, reach: float, size: tuple[float, float]) -> Box:
    """The box of a label at its side of the anchor."""
    width, height = size
    reach += GAP_PX
    match side:
        case Side.ABOVE:
            left, top = x - width / 2, y - reach - height
        case Side.BELOW:
            left, top = x - width / 2, y + reach
        case Side.LEFT:
            left, top = x - reach - width, y - height / 2
        case Side.RIGHT:
            left, top = x + reach, y - height / 2
        case _:
            assert_never(side)
    return left, top, left + width, top + height


def _body(at: list[float], radius: float) -> Box:
    """The box of a thing itself."""
    return at[0] - radius, at[1] - radius, at[0] + radius, at[1] + radius


def _is_free(box: Box, taken: list[Box]) -> bool:
    """Whether nothing overlaps ``box``: asked thousands of times a placement, so without calls."""
    left, top, right, bottom = box
    for other in taken:
        if left < other[2] and other[0] < right and top < other[3] and other[1] < bottom:
            return False
    return True
