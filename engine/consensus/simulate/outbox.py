"""An author's way into the log: what it submitted and has not seen ordered is sent again."""

from collections.abc import Callable, Iterator

from engine.consensus.clients import ClientTable, Key
from engine.consensus.simulate.members import Members
from engine.vocabulary import AuthorId, Operation

RESEND_MS = 500
FIRST_COUNTER = 1_000_000
"""Above the counters that scenarios use."""


class Outbox:
    """One author's submissions under way; it outlives crashes, as people and minds insist."""

    def __init__(self, members: Members, author: AuthorId) -> None:
        self._members = members
        self.author = author
        self._counter = FIRST_COUNTER
        self.waiting: dict[Key, tuple[bytes, int]] = {}

    def write(self, *operations: Operation) -> bytes:
        """Sign ``operations`` as one submission; it is due at once."""
        self._counter += 1
        frame = self._members.signed(self.author, self._counter, *operations)
        self.waiting[self.author, self._counter] = (frame, -RESEND_MS)
        return frame

    def due(self, clients: ClientTable, now_ms: int) -> Iterator[bytes]:
        """What is to be sent, or sent again; ``clients`` knows what was ordered."""
        for key, (frame, sent_ms) in list(self.waiting.items()):
            if clients.knows(key):
                del self.waiting[key]
            elif now_ms - sent_ms >= RESEND_MS:
                self.waiting[key] = (frame, now_ms)
                yield frame


Offer = Callable[[bytes], None]
"""How a submission reaches the replicas."""
