"""Which panel lies where, at any size of the terminal (pure).

Room goes to what matters most: the plan that may want an answer, the fleet, the story, the
council, the chart, the ledger; what does not get its least height is left out whole.
"""

from typing import NamedTuple

LEAST_WIDTH = 60
LEAST_HEIGHT = 16
TWO_COLUMNS = 80
THREE_COLUMNS = 160
GAP = 1


class Box(NamedTuple):
    """Where a panel lies, in cells, its title line included."""

    x: int
    y: int
    width: int
    height: int


class Wishes(NamedTuple):
    """How many lines each panel would like to show, its title not counted."""

    plan: int
    fleet: int
    council: int


def is_too_small(width: int, height: int) -> bool:
    """Whether a terminal has no room for the incident screen."""
    return width < LEAST_WIDTH or height < LEAST_HEIGHT


def arrange(width: int, height: int, wishes: Wishes) -> dict[str, Box]:
    """The boxes of the panels that fit into ``width`` × ``height`` cells."""
    if width < TWO_COLUMNS:
        return _one_column(width, height, wishes)
    if width < THREE_COLUMNS:
        left = min(66, max(39, width * 45 // 100))
        return {
            **_stack(0, left, height, _beside(height, wishes)),
            **_stack(left + GAP, width - left - GAP, height, _story(height, wishes)),
        }
    side = min(64, width * 30 // 100)
    middle = width - 2 * side - 2 * GAP
    return {
        **_stack(0, side, height, [("fleet", wishes.fleet + 1, 4), ("slo", height, 4)]),
        **_stack(side + GAP, middle, height, _story(height, wishes)),
        **_stack(
            width - side, side, height, [("council", wishes.council + 1, 4), ("ledger", height, 4)]
        ),
    }


_Wish = tuple[str, int, int]
"""A panel, the height it would like and the least it can use."""


def _story(height: int, wishes: Wishes) -> list[_Wish]:
    return [("plan", min(wishes.plan + 1, height // 2), 3), ("timeline", height, 4)]


def _beside(height: int, wishes: Wishes) -> list[_Wish]:
    slo = 4 if height < 34 else min(12, height // 4)
    return [
        ("fleet", wishes.fleet + 1, 4),
        ("council", wishes.council + 1, 4),
        ("slo", slo, 4),
        ("ledger", height, 4),
    ]


def _one_column(width: int, height: int, wishes: Wishes) -> dict[str, Box]:
    plan = min(wishes.plan + 1, max(3, height // 3))
    fleet = min(wishes.fleet + 1, max(4, (height - plan) // 2))
    return _stack(
        0, width, height, [("plan", plan, 3), ("fleet", fleet, 4), ("timeline", height, 3)]
    )


def _stack(x: int, width: int, height: int, wishes: list[_Wish]) -> dict[str, Box]:
    """Panels on top of each other, as many as fit; the last one takes what is left."""
    boxes: dict[str, Box] = {}
    y = 0
    for name, wanted, least in wishes:
        given = min(max(wanted, least), height - y)
        if given >= least:
            boxes[name] = Box(x, y, width, given)
            y += given
    if boxes:
        name, last = boxes.popitem()
        boxes[name] = last._replace(height=last.height + height - y)
    return boxes
