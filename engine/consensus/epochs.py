"""By whose keys each entry of a log counts: the charters that follow from the log itself (pure).

Replicas, followers and verifiers each keep one of these and feed it every entry that they have
verified, in order. The entry that orders a change is verified by the old epoch, as is everything up
to the boundary; from the entry after it on the new charter counts. Nothing else extends it.
"""

from collections.abc import Sequence

import msgspec

from engine.charter import Change, Changes, Charter
from engine.codec import Malformed, encode
from engine.consensus.clients import submission_in
from engine.consensus.committee import Committee
from engine.consensus.digests import chain_link
from engine.consensus.settings import Settings, settings_for
from engine.genesis import Genesis
from engine.vocabulary import Configured, Entry, Replaced

_KEY_TAG, _POLICY_TAG = (
    encode(it.__struct_config__.tag_field) + encode(it.__struct_config__.tag)
    for it in (Replaced, Configured)
)
"""One stands in every submission that holds a change: whatever lacks both need not be decoded."""


class Kept(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """What a ledger's file remembers of its epochs, so that it need not be read from the start."""

    charters: tuple[Charter, ...] = ()
    pending: tuple[Change, ...] = ()
    first: int = 0
    used: tuple[bytes, ...] = ()


class Epochs:
    """The succession of charters, as far as a log has come."""

    def __init__(
        self,
        committee: Committee,
        settings: Settings | None = None,
        head: tuple[int, bytes] | None = None,
        kept: Kept | None = None,
    ) -> None:
        """Begin with the founding ``committee``, or go on at ``head`` with what was ``kept``."""
        chosen = settings or settings_for(committee.n, committee.f)
        self.committees: list[Committee] = [committee]
        """Who counts, by epoch."""
        self._changes = Changes(committee.genesis, committee.verifier, chosen.checkpoint_period)
        self.head: tuple[int, bytes] = head or committee.genesis.base
        """The entry taken last, and the chain digest after it."""
        for charter in kept.charters if kept else ():
            self._begin(charter)
        if kept is not None:
            self._changes.resume(kept.pending, kept.first, kept.used)

    @property
    def committee(self) -> Committee:
        """Whose signatures the next entry needs."""
        return self.committees[-1]

    @property
    def constitution(self) -> Genesis:
        """The charter, or the genesis, by which the next entry counts."""
        return self.committee.genesis

    @property
    def constitutions(self) -> Sequence[Genesis]:
        """The genesis and every charter since, by epoch."""
        return [committee.genesis for committee in self.committees]

    @property
    def boundary(self) -> int | None:
        """The last entry of the present epoch; None while nothing is about to change."""
        return self._changes.boundary

    def last_of(self, epoch: int) -> int | None:
        """The last entry of ``epoch``; None while it is not known."""
        if epoch + 1 < len(self.committees):
            return self.committees[epoch + 1].base[0]
        return self.boundary if epoch + 1 == len(self.committees) else None

    @property
    def revision(self) -> tuple[int, int]:
        """Rises with whatever ``kept`` has to remember."""
        return len(self.committees), len(self._changes.ordered)

    def committee_at(self, number: int) -> Committee:
        """Whose signatures the entry ``number`` needs, up to the one that is next."""
        for committee in reversed(self.committees):
            if committee.base[0] < number:
                return committee
        return self.committees[0]

    def follows(self, previous: bytes, entry: Entry, chain: bytes) -> bool:
        """Whether ``chain`` is the chain digest after ``entry``, with ``previous`` before it."""
        number, committee = entry.sequence_number, self.committee_at(entry.sequence_number)
        linked = chain_link(previous, number, committee.digest_of(entry.batch))
        newest = self.constitution
        if isinstance(newest, Charter) and newest.after == number:
            return newest.chain == linked and newest.base[1] == chain
        return linked == chain

    def take(self, entry: Entry) -> bool:
        """Note the next entry; True when an epoch begins after it.

        Its number and its certificate are the caller's to check.
        """
        digest = self.committee.digest_of(entry.batch)
        linked = chain_link(self.head[1], entry.sequence_number, digest)
        self.head = (entry.sequence_number, linked)
        for frame in entry.batch:
            if _KEY_TAG in frame or _POLICY_TAG in frame:
                self._hear(entry.sequence_number, frame)
        if entry.sequence_number != self.boundary:
            return False
        self._begin(self._changes.charter(self.head[1]))
        self.head = self.constitution.base
        return True

    def kept(self) -> Kept:
        """What to remember, beside the head."""
        charters = tuple(it for it in self.constitutions if isinstance(it, Charter))
        changes = self._changes
        ordered = tuple(changes.ordered)
        return Kept(charters, ordered, changes.first, tuple(sorted(changes.used)))

    def _begin(self, charter: Charter) -> None:
        self._changes = self._changes.following(charter)
        self.committees.append(self.committee.amended(charter))

    def _hear(self, number: int, frame: bytes) -> None:
        try:
            submission = submission_in(frame)
        except Malformed:
            return  # A quorum ordered it all the same: nobody can make sense of it.
        if submission.cluster != self.committee.cluster:
            return
        for operation in submission.operations:
            if isinstance(operation, Replaced | Configured):
                self._changes.order(number, submission.author, submission.epoch, operation)
