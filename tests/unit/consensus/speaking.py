"""Any message any replica of a test committee could sign."""

from collections.abc import Sequence

from engine.consensus.committee import Committee
from engine.consensus.digests import batch_digest
from engine.consensus.messages import (
    Batch,
    Checkpoint,
    Commit,
    Message,
    NewView,
    Prepare,
    Prepared,
    PrePrepare,
    StableCheckpoint,
    ViewChange,
)
from engine.consensus.simulate.members import Members
from engine.vocabulary import Entry


class Speaker:
    """Signs as whoever is asked for: what a simulation of liars needs."""

    def __init__(self, n: int = 5, f: int = 1, name: str = "sim") -> None:
        self.members = Members(n, f, name)
        self.genesis = self.members.genesis
        self.committee = Committee(self.genesis, self.members.verifier)
        self.head = (self.committee.cluster, self.genesis.epoch)
        self.genesis_checkpoint = StableCheckpoint(0, self.committee.cluster, ())

    def sign(self, message: Message) -> bytes:
        agent = self.members.ids[message.replica]
        return self.committee.sign(self.members.signers[agent], message)

    def digest(self, batch: Batch) -> bytes:
        return batch_digest(*self.head, batch)

    def pre_prepare(self, view: int, number: int, digest: bytes, by: int | None = None) -> bytes:
        primary = self.committee.primary_of(view) if by is None else by
        return self.sign(PrePrepare(*self.head, primary, view, number, digest))

    def prepare(self, by: int, view: int, number: int, digest: bytes) -> bytes:
        return self.sign(Prepare(*self.head, by, view, number, digest))

    def commit(self, by: int, view: int, number: int, digest: bytes) -> bytes:
        return self.sign(Commit(*self.head, by, view, number, digest))

    def prepared(
        self, view: int, number: int, digest: bytes, backups: int | None = None
    ) -> Prepared:
        primary = self.committee.primary_of(view)
        others = [place for place in range(self.committee.n) if place != primary]
        voters = others[: self.committee.quorum - 1 if backups is None else backups]
        votes = tuple(self.prepare(by, view, number, digest) for by in voters)
        return Prepared(self.pre_prepare(view, number, digest), votes)

    def stable(self, number: int, chain: bytes, voters: int | None = None) -> StableCheckpoint:
        count = self.committee.quorum if voters is None else voters
        votes = (Checkpoint(*self.head, by, number, chain) for by in range(count))
        return StableCheckpoint(number, chain, tuple(self.sign(vote) for vote in votes))

    def view_change(
        self, by: int, view: int, *prepared: Prepared, stable: StableCheckpoint | None = None
    ) -> ViewChange:
        return ViewChange(*self.head, by, view, stable or self.genesis_checkpoint, prepared)

    def new_view(self, view: int, votes: Sequence[Message], *headers: bytes) -> NewView:
        primary = self.committee.primary_of(view)
        return NewView(*self.head, primary, view, tuple(map(self.sign, votes)), headers)

    def entry(self, number: int, *batch: bytes, view: int = 0, voters: int | None = None) -> Entry:
        count = self.committee.quorum if voters is None else voters
        digest = self.digest(batch)
        votes = tuple(self.commit(by, view, number, digest) for by in range(count))
        return Entry(number, view, batch, votes)
