"""The council's fold over ledger entries: the one way from a batch to what followed from it (pure)."""

from engine.charter import Charter
from engine.consensus.clients import ClientTable
from engine.consensus.committee import Committee
from engine.consensus.epochs import Epochs
from engine.council import Council, Happening
from engine.council.contradiction import Memory
from engine.vocabulary import AgentId, AuthorId, Convicted, Entry


class Replay:
    """A council that is fed entries in order; repeated submissions count once."""

    def __init__(self, council: Council) -> None:
        """Begin before the first entry, with a council at genesis."""
        self.council = council
        self.epochs = Epochs(Committee(council.genesis, council.verifier))
        """Whose keys count, by epoch."""
        self.proofs: dict[AgentId, Convicted] = {}
        """For each agent of whom the log proves that it lied, the first proof."""
        self._clients = ClientTable()
        self._memory = Memory()

    def apply(self, entry: Entry) -> list[Happening]:
        """What follows from the next entry."""
        happenings: list[Happening] = []
        agents = self.council.genesis.agent_keys()
        for submission, frame in self._clients.fresh_frames(entry):
            followed = self.council.apply(entry.sequence_number, submission, frame)
            happenings += followed
            if submission.author in agents:
                self._note(self._memory.hear(submission, frame))
            for happening in followed:
                if happening.kind == "convicted" and isinstance(happening.operation, Convicted):
                    self._note(happening.operation)
        if self.epochs.take(entry):
            happenings += self._begin()
        return happenings

    def _begin(self) -> list[Happening]:
        """Have the council begin the epoch that the log has come to."""
        before, charter = self.council.genesis.agent_keys(), self.epochs.constitution
        assert isinstance(charter, Charter), "every epoch but the first has a charter"
        happenings = self.council.begin(charter)
        for agent, key in charter.agent_keys().items():
            if before[agent] != key:
                self._memory.forget(agent)
                self.proofs.pop(agent, None)
        return happenings

    def _note(self, proof: Convicted | None) -> None:
        if proof is not None:
            self.proofs.setdefault(proof.culprit, proof)

    def newest_counter(self, author: AuthorId) -> int:
        """The highest counter of ``author`` in the log so far; 0 when there is none."""
        return self._clients.newest(author)

    def holds(self, author: AuthorId, counter: int) -> bool:
        """Whether that submission is in the log."""
        return self._clients.knows((author, counter))
