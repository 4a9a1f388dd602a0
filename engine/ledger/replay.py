"""The council's fold over ledger entries: the one way from a batch to what followed from it (pure)."""

from engine.consensus.clients import ClientTable
from engine.council import Council, Happening
from engine.vocabulary import AuthorId, Entry


class Replay:
    """A council that is fed entries in order; repeated submissions count once."""

    def __init__(self, council: Council) -> None:
        """Begin before the first entry, with a council at genesis."""
        self.council = council
        self._clients = ClientTable()

    def apply(self, entry: Entry) -> list[Happening]:
        """What follows from the next entry."""
        happenings: list[Happening] = []
        for submission, frame in self._clients.fresh_frames(entry):
            happenings += self.council.apply(entry.sequence_number, submission, frame)
        return happenings

    def newest_counter(self, author: AuthorId) -> int:
        """The highest counter of ``author`` in the log so far; 0 when there is none."""
        return self._clients.newest(author)

    def holds(self, author: AuthorId, counter: int) -> bool:
        """Whether that submission is in the log."""
        return self._clients.knows((author, counter))
