"""The slots between the stable checkpoint and the high watermark, with what was seen of each."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from engine.consensus.clients import Key
from engine.consensus.messages import Ballot, Batch, Prepared
from engine.vocabulary import Entry

MOST_ACCEPTED = 4
"""Batches kept of one slot, of different views."""


@dataclass(slots=True)
class Slot:
    """One sequence number. Votes are those of the current view; proofs outlive it."""

    number: int
    opened_ms: int
    header: Ballot | None = None
    """The PRE-PREPARE taken in this view."""
    first_header: Ballot | None = None
    """The first one signed by this view's primary, taken or not: a second one is evidence."""
    prepares: dict[int, Ballot] = field(default_factory=dict)
    commits: dict[int, Ballot] = field(default_factory=dict)
    late: dict[tuple[str, int], Ballot] = field(default_factory=dict)
    """Votes, by kind and replica, that came when what they agree with was proved without them. Their
    signatures are not checked, so they count for nothing until another vote contradicts them."""
    own: dict[str, Ballot] = field(default_factory=dict)
    """What this replica itself signed in this view, by kind: it never signs a second one."""
    accepted: dict[bytes, bytes] = field(default_factory=dict)
    """Digest and header of the newest batches taken in any view. Their batches are kept, because a
    later view may have to begin with one, and who proved it may be gone or unwilling."""
    proof: Prepared | None = None
    proof_view: int = -1
    proof_digest: bytes = b""
    """The prepared certificate of the highest view."""
    entry: Entry | None = None
    """Set once committed."""
    keys: tuple[Key, ...] = ()
    """Submissions in the batch of this view."""
    shown_to: set[int] = field(default_factory=set)
    """Peers that were sent the header because they voted for another."""
    told_on: set[tuple[str, int]] = field(default_factory=set)
    """Votes for another batch, by kind and replica, that everyone was shown."""
    resend_at_ms: int = 0
    resend_pause_ms: int = 0

    def accept(self, digest: bytes, frame: bytes) -> None:
        """Keep the batch of ``digest``, and of the few that were taken before it."""
        self.accepted.pop(digest, None)
        self.accepted[digest] = frame
        if len(self.accepted) > MOST_ACCEPTED:
            del self.accepted[next(iter(self.accepted))]

    def enter_view(self, now_ms: int) -> None:
        """Forget the votes of the view that ended."""
        self.opened_ms = now_ms
        self.header = self.first_header = None
        self.prepares.clear()
        self.commits.clear()
        self.late.clear()
        self.own.clear()
        self.keys = ()
        self.shown_to.clear()
        self.told_on.clear()
        self.resend_at_ms = self.resend_pause_ms = 0

    def is_proved(self, word: str, digest: bytes) -> bool:
        """Whether one more vote of the kind ``word`` for ``digest`` would prove nothing new."""
        if self.header is None or self.header.digest != digest:
            return False
        return self.entry is not None or (word == "prepare" and "commit" in self.own)

    def first_of(self, word: str, replica: int) -> Ballot | None:
        """What a replica voted for first in this view, as far as that was taken or set aside."""
        votes = self.prepares if word == "prepare" else self.commits
        return votes.get(replica) or self.late.get((word, replica))

    def digests(self) -> Iterator[bytes]:
        """Digests whose batches this slot may still need."""
        for ballot in (self.header, self.first_header):
            if ballot is not None:
                yield ballot.digest
        yield from self.accepted
        if self.proof is not None:
            yield self.proof_digest


def certificate_of(votes: dict[int, Ballot], digest: bytes, wanted: int) -> tuple[bytes, ...]:
    """The frames of the first ``wanted`` replicas whose vote is for ``digest``; none if too few."""
    voters = [replica for replica, ballot in votes.items() if ballot.digest == digest]
    if len(voters) < wanted:
        return ()
    return tuple([votes[replica].frame for replica in sorted(voters)[:wanted]])


class Log:
    """The window of slots above the stable checkpoint, and the batches they need."""

    def __init__(self, window: int, null_digest: bytes, low: int = 0) -> None:
        """Start empty above ``low``; the null batch is always known."""
        self._window = window
        self._null_digest = null_digest
        self.low = low
        self.high = low + window
        """The highest sequence number that may be used now."""
        self.last: int | None = None
        """The last number of this epoch: nothing above it is voted on. None while unknown."""
        self.slots: dict[int, Slot] = {}
        self._top = low
        """No slot is above this number."""
        self.batches: dict[bytes, Batch] = {null_digest: ()}

    def end_at(self, last: int | None) -> None:
        """Note the last number of this epoch, as far as it is known."""
        self.last = last
        self._bound()

    def _bound(self) -> None:
        high = self.low + self._window
        self.high = high if self.last is None else min(high, self.last)

    def slot(self, number: int, now_ms: int) -> Slot | None:
        """The slot of ``number``, made if it is new; None outside the watermarks."""
        if not self.low < number <= self.high:
            return None
        found = self.slots.get(number)
        if found is None:
            found = self.slots[number] = Slot(number, now_ms)
            self._top = max(self._top, number)
        return found

    def undecided(self, executed: int) -> Iterator[Slot]:
        """Slots with a header above ``executed`` that are not committed, in order."""
        for number in range(max(executed, self.low) + 1, self._top + 1):
            slot = self.slots.get(number)
            if slot is not None and slot.entry is None and slot.header is not None:
                yield slot

    def keys_in_flight(self, executed: int, but: int) -> set[Key]:
        """Submissions in batches of this view above ``executed``, other than slot ``but``."""
        above = range(max(executed, self.low) + 1, self._top + 1)
        slots = (self.slots.get(number) for number in above if number != but)
        return {key for slot in slots if slot is not None for key in slot.keys}

    def enter_view(self, now_ms: int) -> None:
        """Forget the votes of the view that ended; proofs and their batches stay."""
        for slot in self.slots.values():
            slot.enter_view(now_ms)
        self._drop_batches()

    def collect(self, stable: int) -> None:
        """Forget everything up to the stable checkpoint."""
        self.low = max(self.low, stable)
        self._bound()
        for number in [number for number in self.slots if number <= self.low]:
            del self.slots[number]
        self._drop_batches()

    def _drop_batches(self) -> None:
        needed = {digest for slot in self.slots.values() for digest in slot.digests()}
        needed.add(self._null_digest)
        self.batches = {key: value for key, value in self.batches.items() if key in needed}
