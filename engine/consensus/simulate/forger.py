"""All that a traitor can say in two views about one place, with its own key and what it has heard.

It votes for anything, shows any view change that it can prove, and as a primary begins the view with
any quorum of them. What nobody would take (another's signature, an unproved claim) is left out: that
refusing it changes nothing is tested elsewhere.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import combinations

from engine.consensus.digests import batch_digest
from engine.consensus.messages import (
    Batch,
    Batches,
    Commit,
    NewView,
    Packet,
    Prepare,
    Prepared,
    PrePrepare,
    Proposal,
    StableCheckpoint,
    ViewChange,
    Vote,
    decode_packet,
    encode_packet,
)
from engine.consensus.simulate.futures import EVERYBODY, Message, Wire
from engine.consensus.view_change import select
from engine.signing import Signer

PLACE = 1


class Forger:
    """The traitor's words, by number on the wire."""

    def __init__(self, wire: Wire, signer: Signer, me: int, batches: Sequence[Batch]) -> None:
        """Speak as replica ``me`` about these ``batches`` and the null batch."""
        self._wire = wire
        self._signer = signer
        self._me = me
        self._committee = wire.committee
        self._head = (self._committee.cluster, self._committee.epoch)
        self._batches = {batch_digest(*self._head, batch): batch for batch in batches}
        self._genesis = StableCheckpoint(0, self._committee.cluster, ())
        self._always = frozenset(self._numbers(self._unasked()))
        self._after: dict[frozenset[int], frozenset[int]] = {}

    def digest(self, batch: Batch) -> bytes:
        """What replicas vote on."""
        return batch_digest(*self._head, batch)

    def words(self, said: frozenset[int]) -> frozenset[int]:
        """What it can say once the others have said ``said``."""
        telling = frozenset(it for it in said if self._tells(it))
        found = self._after.get(telling)
        if found is None:
            found = self._always | frozenset(self._numbers(self._proved(telling)))
            self._after[telling] = found
        return found

    def _numbers(self, packets: Iterable[Packet]) -> Iterator[int]:
        for packet in packets:
            number = self._wire.number(Message(self._me, EVERYBODY, encode_packet(packet)))
            assert number is not None, "a traitor speaks about the one place only"
            yield number

    def _tells(self, number: int) -> bool:
        """Whether more can be said for it: votes to prepare in view 0, and view changes."""
        view, packet = self._wire.view_of[number], decode_packet(self._wire.messages[number].frame)
        if isinstance(packet, Proposal):
            return view == 0
        assert isinstance(packet, Vote), "nothing else is signed"
        message = self._committee.read(packet.frame)
        return (isinstance(message, Prepare) and view == 0) or isinstance(message, ViewChange)

    # --- words ---------------------------------------------------------------------------------

    def _unasked(self) -> Iterator[Packet]:
        for view in (0, 1):
            leads = self._committee.primary_of(view) == self._me
            for digest, batch in self._batches.items():
                if leads:
                    header = PrePrepare(*self._head, self._me, view, PLACE, digest)
                    yield Proposal(self._sign(header), batch)
                else:
                    yield Vote(self._sign(Prepare(*self._head, self._me, view, PLACE, digest)))
                yield Vote(self._sign(Commit(*self._head, self._me, view, PLACE, digest)))
        for batch in self._batches.values():
            # Whoever lacks a batch is given it by anybody.
            yield Batches((batch,))

    def _proved(self, said: frozenset[int]) -> Iterator[Packet]:
        own = [self._view_change(proofs) for proofs in self._proofs(said)]
        yield from (Vote(self._sign(it)) for it in own)
        if self._committee.primary_of(1) != self._me:
            return
        others = [
            (message, frame)
            for message, frame in map(self._read, sorted(said))
            if isinstance(message, ViewChange)
        ]
        by_others = self._committee.quorum - 1
        for mine in own:
            for chosen in combinations(others, by_others):
                yield from self._beginnings([(mine, self._sign(mine)), *chosen])
        for chosen in combinations(others, by_others + 1):
            yield from self._beginnings(list(chosen))

    def _proofs(self, said: frozenset[int]) -> Iterator[tuple[Prepared, ...]]:
        """The proofs that it can show: none at all, or of whatever was prepared in view 0."""
        yield ()
        primary, needed = self._committee.primary_of(0), self._committee.quorum - 1
        known = [self._read(number) for number in sorted(said | self._always_signed())]
        for digest in self._batches:
            headers = [
                frame
                for it, frame in known
                if isinstance(it, PrePrepare) and it.digest == digest and it.view == 0
            ]
            votes = {
                it.replica: frame
                for it, frame in known
                if isinstance(it, Prepare) and it.digest == digest and it.view == 0
            }
            if headers and len(votes) >= needed and primary not in votes:
                chosen = [votes[replica] for replica in sorted(votes)][:needed]
                yield (Prepared(headers[0], tuple(chosen)),)

    def _beginnings(self, votes: list[tuple[ViewChange, bytes]]) -> Iterator[Packet]:
        """The view's honest beginning, and one that goes against its own contents."""
        votes = sorted(votes, key=lambda it: it[0].replica)
        plan = select([vote for vote, _ in votes], self._committee)
        frames = tuple(frame for _, frame in votes)
        follows = [digest for _, digest in plan.slots]
        lie = [next(digest for digest in self._batches if [digest] != follows)]
        for digests in (follows, lie):
            headers = tuple(
                self._sign(PrePrepare(*self._head, self._me, 1, PLACE + place, digest))
                for place, digest in enumerate(digests)
            )
            yield Vote(self._sign(NewView(*self._head, self._me, 1, frames, headers)))

    def _view_change(self, proofs: tuple[Prepared, ...]) -> ViewChange:
        return ViewChange(*self._head, self._me, 1, self._genesis, proofs)

    def _always_signed(self) -> frozenset[int]:
        return frozenset(it for it in self._always if self._wire.view_of[it] is not None)

    def _read(self, number: int) -> tuple[object, bytes]:
        packet = decode_packet(self._wire.messages[number].frame)
        assert isinstance(packet, (Vote, Proposal)), "only what is signed is read"
        return self._committee.read(packet.frame), packet.frame

    def _sign(self, message: PrePrepare | Prepare | Commit | ViewChange | NewView) -> bytes:
        return self._committee.sign(self._signer, message)
