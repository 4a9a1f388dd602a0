"""Which checkpoint is stable: the newest that a quorum signed and this replica reached."""

from engine.consensus.committee import Committee
from engine.consensus.log import certificate_of
from engine.consensus.messages import Ballot, StableCheckpoint


class Diverged(RuntimeError):
    """A quorum has another history than this replica, which must stop for people to look.

    Either more than f replicas lie or its own state is damaged.
    """


class Checkpoints:
    """CHECKPOINT votes above the stable one, and the chain digests this replica arrived at."""

    def __init__(self, committee: Committee) -> None:
        """Start where the epoch begins, which is stable without votes."""
        self._committee = committee
        self.stable = StableCheckpoint(*committee.base, ())
        self.votes: dict[int, dict[int, Ballot]] = {}
        self._reached: dict[int, bytes] = {}
        self._offered: StableCheckpoint | None = None

    def reach(self, number: int, chain: bytes) -> None:
        """Note that this replica executed up to a checkpoint."""
        self._reached[number] = chain

    def offer(self, stable: StableCheckpoint) -> None:
        """Note a checked proof; it counts as soon as this replica has reached it."""
        newest = self._offered.sequence_number if self._offered else 0
        if stable.sequence_number > max(newest, self.stable.sequence_number):
            self._offered = stable

    def count(self, number: int) -> None:
        """See whether the votes for ``number`` make it stable."""
        votes = self.votes.get(number, {})
        for chain in sorted({ballot.digest for ballot in votes.values()}):
            if proof := certificate_of(votes, chain, self._committee.quorum):
                self.offer(StableCheckpoint(number, chain, proof))

    def advance(self) -> bool:
        """Take the offered checkpoint as stable if it was reached; True when it moved.

        Raises:
            Diverged: this replica reached it with another chain digest.
        """
        offered = self._offered
        if offered is None or offered.sequence_number not in self._reached:
            return False
        own = self._reached[offered.sequence_number]
        if own != offered.chain:
            raise Diverged(
                f"a quorum has chain {offered.chain.hex()[:12]} at {offered.sequence_number}, "
                f"this replica has {own.hex()[:12]}; stop it and compare the ledgers"
            )
        self.adopt(offered)
        return True

    def adopt(self, stable: StableCheckpoint) -> None:
        """Set the stable checkpoint, as advanced to or as read from disk; forget what is below."""
        self.stable = stable
        number = stable.sequence_number
        self.votes = {key: value for key, value in self.votes.items() if key > number}
        self._reached = {key: value for key, value in self._reached.items() if key > number}
        if self._offered is not None and self._offered.sequence_number <= number:
            self._offered = None
