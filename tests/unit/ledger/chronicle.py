"""A log of two epochs, made by hand from the keys of all."""

from pathlib import Path

from engine.charter import claim
from engine.codec import encode
from engine.consensus.certificate import Seal
from engine.consensus.committee import Committee
from engine.consensus.digests import batch_digest
from engine.consensus.effects import Began
from engine.consensus.epochs import Epochs
from engine.consensus.messages import Checkpoint, Commit, Message, Status
from engine.genesis import Genesis
from engine.policy import Rules
from engine.signing import Domain
from engine.vocabulary import AuthorId, Entry, Signed
from tests.court import AGENTS, COMMUNICATION, OPERATOR, VERIFIER, Court, signer_of
from tests.unit.ledger.notary import Notary

SUCCESSOR = AuthorId(f"{COMMUNICATION} successor")


class Chronicle:
    """A log in which the fifth agent is replaced: 193 entries, the last one in epoch 1."""

    def __init__(self, folder: Path, rules: Rules | None = None) -> None:
        """With ``rules``, they count in epoch 1."""
        self.court = Court()
        signer = signer_of(SUCCESSOR)
        change = self.court.replaced(COMMUNICATION)
        assert claim(COMMUNICATION, self.court.genesis, signer) == change.claim
        policy = () if rules is None else (self.court.configured(rules),)
        _, signed = self.court.sign(OPERATOR, change, *policy)
        self.notary = Notary(self.court, folder)
        self.epochs = Epochs(Committee(self.court.genesis, VERIFIER))
        self.entries: list[Entry] = []
        self.add(signed)
        while self.epochs.constitution.epoch == 0:
            self.add()
        self.last_of_first = len(self.entries)
        self.add(voters=(0, 1, 2, 4))

    @property
    def genesis(self) -> Genesis:
        return self.notary.genesis

    def sign(self, place: int, message: Message, *, old: bool = False) -> bytes:
        """A replica's signed frame, with the key that it has in the message's epoch."""
        new = message.epoch > 0 and place == 4 and not old
        signer = signer_of(SUCCESSOR if new else AGENTS[place])
        payload = encode(message)
        return encode(Signed(payload, signer.sign(Domain.CONSENSUS, payload)))

    def entry(
        self, number: int, epoch: int, *batch: bytes, voters: tuple[int, ...] = (0, 1, 2, 3),
        old: bool = False,
    ) -> Entry:  # fmt: skip
        head = (self.genesis.cluster, epoch)
        digest = batch_digest(*head, batch)
        votes = (self.sign(it, Commit(*head, it, 0, number, digest), old=old) for it in voters)
        return Entry(number, 0, batch, tuple(votes))

    def add(self, *batch: bytes, voters: tuple[int, ...] = (0, 1, 2, 3)) -> None:
        """The next entry, committed in the epoch that it is in."""
        epoch = self.epochs.constitution.epoch
        entry = self.entry(len(self.entries) + 1, epoch, *batch, voters=voters)
        self.epochs.take(entry)
        self.entries.append(entry)

    def seal(self, epoch: int = 1) -> Seal:
        """The word of a quorum of an epoch that the ledger ends where it ends."""
        number, chain = self.epochs.head
        head = (self.genesis.cluster, epoch)
        said = tuple(
            self.sign(it, Status(*head, it, 0, True, number, chain, 0)) for it in (0, 1, 2, 4)
        )
        return Seal(number, chain, said)

    def began(self, voters: int = 4) -> Began:
        """How epoch 1 began, proved by ``voters`` of epoch 0."""
        charter = self.epochs.constitutions[1]
        votes = (Checkpoint(self.genesis.cluster, 0, it, *charter.base) for it in range(voters))
        return Began(charter, tuple(self.sign(it.replica, it) for it in votes))  # type: ignore[arg-type]
