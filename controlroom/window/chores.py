"""Which of the slower things a frame does beside drawing: seldom two of them in one (pure).

Placing the labels and looking at the panels cost as much as a frame each. Whoever does both in the
same frame has made the slowest frame of all.
"""

from enum import Enum

LABELS_S = 0.1
"""With a still camera, labels are placed anew so often; with a moving one, in every frame."""
PANELS_S = 0.025
"""The next of five parts of the panels is looked at so often: each eight times a second, faster than
anybody reads."""
LONGEST_S = 0.06
"""It waits no longer than this for a frame that places no labels."""


class Chore(Enum):
    """What is to be done beside drawing."""

    NOTHING = "nothing"
    LABELS = "labels"
    PANELS = "panels"
    BOTH = "both"

    @property
    def places_labels(self) -> bool:
        """Whether labels are to be placed."""
        return self in (Chore.LABELS, Chore.BOTH)

    @property
    def refreshes_panels(self) -> bool:
        """Whether panels are to be looked at."""
        return self in (Chore.PANELS, Chore.BOTH)


class Chores:
    """Remembers when each was done last."""

    def __init__(self) -> None:
        self._labels_s = float("-inf")
        self._panels_s = float("-inf")
        self._seen_from: object = None

    def due(self, now_s: float, seen_from: object) -> Chore:
        """What the frame at ``now_s`` does; it counts as done.

        Args:
            now_s: the viewer's clock.
            seen_from: the camera's place; another one than before moves all labels.
        """
        labels = seen_from != self._seen_from or now_s - self._labels_s >= LABELS_S
        waited_s = now_s - self._panels_s
        panels = waited_s >= (LONGEST_S if labels else PANELS_S)
        if labels:
            self._labels_s, self._seen_from = now_s, seen_from
        if panels:
            self._panels_s = now_s
        if labels:
            return Chore.BOTH if panels else Chore.LABELS
        return Chore.PANELS if panels else Chore.NOTHING
