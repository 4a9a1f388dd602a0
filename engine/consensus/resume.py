"""Where a replica starts from, and in which epoch: what its ledger and its vote log held (pure)."""

from collections.abc import Collection, Iterable, Sequence

from engine.consensus.checkpoint import Diverged
from engine.consensus.clients import ClientTable
from engine.consensus.committee import Committee
from engine.consensus.effects import AnyRecord, Began
from engine.consensus.epochs import Epochs
from engine.vocabulary import AgentId


class Resume:
    """Where a replica starts: an empty one, or what ledger and vote log held."""

    def __init__(
        self,
        head: tuple[int, bytes] | None = None,
        clients: ClientTable | None = None,
        records: Iterable[AnyRecord] = (),
        convicted: Collection[AgentId] = (),
        epochs: Epochs | None = None,
    ) -> None:
        """Take what was kept: ``records`` is the vote log.

        ``clients`` and ``epochs`` have seen every entry up to ``head``, and these convict
        ``convicted``.
        """
        self.convicted = convicted
        self.head = head
        self.epochs = epochs
        self.clients = clients
        self.records = tuple(records)


def begun_by(epochs: Epochs, began: Sequence[Began]) -> Committee | None:
    """Who counts in the epoch that the vote log was begun in; None where it names none.

    The ledger may have been lost meanwhile, and be behind the votes.
    """
    if not began:
        return None
    charter = began[-1].charter
    if charter.epoch < len(epochs.committees):
        known = epochs.committees[charter.epoch]
        if known.genesis != charter:
            raise Diverged(
                f"votes of another epoch {charter.epoch} than the ledger's: people must look"
            )
        return known
    return epochs.committees[0].amended(charter)


def first_with(public_key: bytes, agent: AgentId, epochs: Epochs) -> Committee:
    """The first epoch in which ``agent`` has this key: a vote log that names none is from there."""
    for committee in epochs.committees:
        if committee.genesis.agent_keys()[agent] == public_key:
            return committee
    return epochs.committees[0]
