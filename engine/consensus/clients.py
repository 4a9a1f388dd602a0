"""Whose submissions are ordered already, and which still wait."""

from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from heapq import heappop, heappush

import msgspec

from engine.codec import Malformed, reader_of
from engine.vocabulary import AuthorId, Digest, Entry, Signed, Submission

Key = tuple[AuthorId, int]
"""(author, counter): names a submission for ever."""

REMEMBERED_PER_AUTHOR = 1024
"""Counters kept by author. Older ones count as ordered; nobody has that many under way."""


class Heading(msgspec.Struct, frozen=True, gc=False, array_like=True, forbid_unknown_fields=True):
    """A ``Submission`` as consensus reads it: what it asks for is ordered as it came, unread."""

    cluster: Digest
    epoch: int
    author: AuthorId
    counter: int
    operations: msgspec.Raw


Known = Callable[[bytes], Key | None]
"""Which submission a frame is known to hold, where somebody has read it already."""

read_signed = reader_of(Signed)
read_heading = reader_of(Heading)
_read_submission = reader_of(Submission)


def submission_in(frame: bytes) -> Submission:
    """The whole submission inside ``frame``, its signature not checked.

    Raises:
        Malformed: there is none.
    """
    return _read_submission(read_signed(frame).payload)


def _unread(_frame: bytes) -> None:
    return None


class ClientTable:
    """What has been ordered, as every replica concludes from the ledger alone.

    A submission may stand in the ledger twice, because two views may both have put it into a batch;
    only the first one counts, and ``fresh`` is the one place that says which that is.
    """

    def __init__(self) -> None:
        """Start with nothing ordered."""
        self._ordered: dict[AuthorId, dict[int, int]] = {}
        self._lowest: dict[AuthorId, list[int]] = {}
        """The same counters as heaps: the lowest is the first to be forgotten."""
        self._floor: dict[AuthorId, int] = {}

    def number_of(self, key: Key) -> int | None:
        """The sequence number at which ``key`` was ordered, as far as it is remembered."""
        return self._ordered.get(key[0], {}).get(key[1])

    def knows(self, key: Key) -> bool:
        """Whether ``key`` was ordered, or is so old that it counts as ordered."""
        author, counter = key
        counters = self._ordered.get(author)
        return counters is not None and (
            counter in counters or counter <= self._floor.get(author, -1)
        )

    def floor(self, author: AuthorId) -> int:
        """Counters of ``author`` up to this one count as ordered."""
        return self._floor.get(author, -1)

    def newest(self, author: AuthorId) -> int:
        """The highest counter of ``author`` that was ordered; 0 when there is none."""
        return max(self._ordered.get(author, {}), default=0)

    def note(self, entry: Entry, known: Known = _unread) -> tuple[Key, ...]:
        """Note the next ``entry``; which of its submissions had not been ordered before.

        ``known`` may save reading some of them again.
        """
        return tuple([key for key, _ in self._fresh(entry, known)])

    def fresh(self, entry: Entry) -> tuple[Submission, ...]:
        """Like ``note``, the submissions themselves, without what nobody can make sense of."""
        return tuple(submission for submission, _ in self.fresh_frames(entry))

    def fresh_frames(
        self, entry: Entry, known: Known = _unread
    ) -> tuple[tuple[Submission, bytes], ...]:
        """Like ``fresh``, each with its encoded ``Signed`` form."""
        found = []
        for _, frame in self._fresh(entry, known):
            with suppress(Malformed):
                found.append((submission_in(frame), frame))
        return tuple(found)

    def _fresh(self, entry: Entry, known: Known) -> list[tuple[Key, bytes]]:
        found = []
        for frame in entry.batch:
            key = known(frame)
            if key is None:
                try:
                    heading = read_heading(read_signed(frame).payload)
                except Malformed:
                    continue  # A quorum ordered it all the same: it names nobody.
                key = heading.author, heading.counter
            if not self.knows(key):
                self._keep(key, entry.sequence_number)
                found.append((key, frame))
        return found

    def _keep(self, key: Key, sequence_number: int) -> None:
        author, counter = key
        counters = self._ordered.setdefault(author, {})
        lowest = self._lowest.setdefault(author, [])
        counters[counter] = sequence_number
        heappush(lowest, counter)
        if len(counters) > REMEMBERED_PER_AUTHOR:
            forgotten = heappop(lowest)
            del counters[forgotten]
            self._floor[author] = forgotten


@dataclass(slots=True)
class Waiting:
    """A submission that is not ordered yet."""

    frame: bytes
    since_ms: int
    proposed: bool = False
    """In a batch of the current view, so the primary does not propose it again."""
    relayed_ms: int = 0
    relay_pause_ms: int = 0
    """0 until it was handed to the primary; later it goes to everyone."""


@dataclass
class Pending:
    """Submissions that are not ordered yet, oldest first; bounded, by author too."""

    most: int
    most_per_author: int
    most_bytes_per_author: int
    waiting: dict[Key, Waiting] = field(default_factory=dict)
    unproposed: int = 0
    """How many of them are in no batch of the current view."""
    _by_author: dict[AuthorId, int] = field(default_factory=dict)
    _bytes: dict[AuthorId, int] = field(default_factory=dict)
    """By author, like the number of submissions."""

    def add(self, key: Key, frame: bytes, now_ms: int) -> bool:
        """Keep a submission; False when there is no room for it."""
        author = key[0]
        count = self._by_author.get(author, 0)
        size = self._bytes.get(author, 0) + len(frame)
        if len(self.waiting) >= self.most or count >= self.most_per_author:
            return False
        if size > self.most_bytes_per_author:
            return False
        self.waiting[key] = Waiting(frame, now_ms)
        self.unproposed += 1
        self._by_author[author] = count + 1
        self._bytes[author] = size
        return True

    def discard(self, key: Key) -> None:
        """Forget a submission, if it is there."""
        item = self.waiting.pop(key, None)
        if item is not None:
            self.unproposed -= not item.proposed
            self._by_author[key[0]] -= 1
            self._bytes[key[0]] -= len(item.frame)

    def discard_up_to(self, author: AuthorId, floor: int) -> None:
        """Forget what ``author`` has waiting with counters up to ``floor``."""
        if floor < 0 or not self._by_author.get(author):
            return
        for key in [key for key in self.waiting if key[0] == author and key[1] <= floor]:
            self.discard(key)

    def mark(self, keys: Iterable[Key]) -> None:
        """Note that these are in a batch of the current view."""
        for key in keys:
            if (item := self.waiting.get(key)) is not None:
                self.unproposed -= not item.proposed
                item.proposed = True

    def enter_view(self) -> None:
        """Nothing is in a batch of the new view yet."""
        for item in self.waiting.values():
            item.proposed = False
        self.unproposed = len(self.waiting)

    def cut(self, count: int, size: int) -> tuple[tuple[Key, ...], tuple[bytes, ...]]:
        """The next batch: the oldest that are in none, at most ``count`` and ``size`` bytes."""
        keys: list[Key] = []
        frames: list[bytes] = []
        for key, item in self.waiting.items():
            if item.proposed:
                continue
            if len(frames) == count or len(item.frame) > size:
                break
            size -= len(item.frame)
            keys.append(key)
            frames.append(item.frame)
        return tuple(keys), tuple(frames)
