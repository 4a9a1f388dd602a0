"""An operator's hand: signs what he orders, and knows which answer belongs to which order.

Both screens ask and tell in their own way; what leaves them is made here.
"""

from collections.abc import Callable

from controlroom.replaying import PlaceLike
from engine.stream.commands import Operator, Shown
from engine.stream.wire import Command, Reply

MOST_UNANSWERED = 64

PlanOrder = Callable[[Operator, Shown, int], Command]
PlainOrder = Callable[[Operator, int], Command]


class Hand:
    """Signs in the name of the operator of one place."""

    def __init__(self, place: PlaceLike, unix_ms: Callable[[], int]) -> None:
        """Sign for ``place``, stamped by the clock that is handed in."""
        self._place = place
        self._unix_ms = unix_ms
        self._operator: tuple[int, Operator] | None = None
        """With the engine's epoch in which he was read: another engine may mean another cluster."""
        self._unanswered: dict[str, str] = {}

    def sign(self, what: str, order: PlainOrder, epoch: int) -> Command:
        """The signed command; ``what`` names it in words until it is answered.

        Raises:
            NotFound: nobody can sign here.
            ValueError: the order cannot be given so.
        """
        if self._operator is None or self._operator[0] != epoch:
            self._operator = (epoch, self._place.operator())
        command = order(self._operator[1], self._unix_ms())
        if len(self._unanswered) >= MOST_UNANSWERED:
            self._unanswered.clear()
        self._unanswered[command.id] = what
        return command

    def told(self, reply: Reply) -> tuple[str, bool]:
        """What an answer means, in words, and whether it is good news."""
        what = self._unanswered.pop(reply.id, "command")
        if reply.accepted:
            return f"{what} is on its way", True
        return f"{what} refused: {reply.reason}", False
