"""An author's way into the log: what it submitted and has not seen ordered is sent again."""

from collections.abc import Callable, Iterable, Iterator

from engine.consensus.clients import ClientTable, Key
from engine.consensus.simulate.members import HashSigner, Members
from engine.vocabulary import AuthorId, Operation

RESEND_MS = 500
FIRST_COUNTER = 1_000_000
"""Above the counters that scenarios use."""


class Outbox:
    """One author's submissions under way; it outlives crashes, as people and minds insist."""

    def __init__(
        self, members: Members, author: AuthorId, signer: HashSigner, first: int = FIRST_COUNTER
    ) -> None:
        self._members = members
        self.author = author
        self._signer = signer
        self._counter = first
        self.waiting: dict[Key, tuple[tuple[Operation, ...], int]] = {}

    def write(self, *operations: Operation) -> None:
        """Have ``operations`` submitted together; they are due at once."""
        self._counter += 1
        self.put(self._counter, *operations)

    def put(self, counter: int, *operations: Operation) -> None:
        """As ``write``, under a number of the caller's choice."""
        self.waiting[self.author, counter] = (operations, -RESEND_MS)

    def due(self, clients: ClientTable, now_ms: int, epoch: int) -> Iterable[bytes]:
        """What is to be sent, or sent again, signed for ``epoch``; ``clients`` knows what was ordered."""
        return self._due(clients, now_ms, epoch) if self.waiting else ()

    def _due(self, clients: ClientTable, now_ms: int, epoch: int) -> Iterator[bytes]:
        for key, (operations, sent_ms) in list(self.waiting.items()):
            if clients.knows(key):
                del self.waiting[key]
            elif now_ms - sent_ms >= RESEND_MS:
                self.waiting[key] = (operations, now_ms)
                yield self._members.signed(
                    key[0], key[1], *operations, epoch=epoch, signer=self._signer
                )


Offer = Callable[[bytes], None]
"""How a submission reaches the replicas."""
