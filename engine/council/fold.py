"""The council's fold: what each ordered operation means (pure, deterministic, no clock).

Every agent, the engine and the offline verifier run this same fold over the same log. An operation
counts or is ignored; what follows from it (an incident is opened, a plan is decided, a certificate
is complete, an attempt is over) is told as further happenings.
"""

from collections.abc import Sequence

from engine.charter import Charter
from engine.council import (
    acting,
    authority,
    bounds,
    closing,
    commanding,
    convicting,
    deciding,
    elapsing,
    epochs,
    planning,
    seeing,
)
from engine.council.docket import Contradicted, Convict, Docket, Ignored
from engine.council.state import Happening
from engine.genesis import Genesis
from engine.policy import Rules
from engine.signing import Verifier
from engine.topology import Manifest
from engine.vocabulary import (
    Acted,
    AgentId,
    Approved,
    Assessed,
    Certified,
    Configured,
    Convicted,
    Corroborated,
    Diagnosed,
    Elapsed,
    Frozen,
    Noted,
    Opened,
    Operation,
    Probed,
    Proposed,
    Recovered,
    Refused,
    Replaced,
    Submission,
    TakenOver,
    Thawed,
    Undone,
    UndoRequested,
    Warned,
    Worse,
)


def _convict_nobody(_: Convicted, _constitutions: Sequence[Genesis]) -> bool:
    return False


class Council(Docket):
    """The state of everything that the council has in hand, and the law that moves it."""

    def __init__(
        self,
        genesis: Genesis,
        rules: Rules,
        manifest: Manifest,
        verifier: Verifier,
        convict: Convict = _convict_nobody,
        period: int | None = None,
    ) -> None:
        """Begin at genesis, with the rules and the manifest that it pins.

        ``period`` is consensus's between checkpoints, where it is not the usual one.
        """
        super().__init__(genesis, rules, manifest, verifier, convict, period)

    def apply(self, sequence_number: int, submission: Submission, signed: bytes) -> list[Happening]:
        """Apply one ordered submission, whose signature consensus has checked.

        ``signed`` is its encoded ``Signed`` form, kept where it serves as proof to the actuator.
        Whatever the submission holds, nothing is raised: the log may hold anything.
        """
        self.sequence_number = sequence_number
        self.author, self.signed = submission.author, signed
        happenings: list[Happening] = []
        for operation in submission.operations:
            happenings += self._apply_one(operation, submission)
        return happenings

    def begin(self, charter: Charter) -> list[Happening]:
        """Let the epoch of ``charter`` begin: the entry before its first was applied."""
        epochs.begin(self, charter)
        return self.told()

    def _apply_one(self, operation: Operation, submission: Submission) -> list[Happening]:
        key = getattr(operation, "incident", None)
        try:
            self._require_standing(operation, submission)
            self._count(operation, submission)
        except Ignored as ignored:
            self.tell("ignored", key, operation, str(ignored))
            if isinstance(ignored, Contradicted):
                convicting.convict(self, AgentId(submission.author), str(ignored))
            return self.told()
        consequences = self.told()
        self.tell(str(operation.__struct_config__.tag), key, operation)
        return [*self.told(), *consequences]

    def _require_standing(self, operation: Operation, submission: Submission) -> None:
        """Ignore what is not of this cluster, not its author's to say, or too large."""
        genesis = self.genesis
        if (submission.cluster, submission.epoch) != (self.cluster, genesis.epoch):
            raise Ignored("of another cluster or epoch")
        if not authority.may_sign(operation, submission.author, genesis):
            raise Ignored("its author has no authority for it")
        if submission.author in self.convicted:
            raise Ignored("its author is convicted")
        objection = bounds.objection_to(operation)
        if objection:
            raise Ignored(objection)

    def _count(self, operation: Operation, submission: Submission) -> None:  # noqa: C901 -- the authority table, row by row
        match operation:
            case Opened():
                seeing.opened(self, operation)
            case Corroborated():
                seeing.corroborated(self, operation)
            case Warned():
                seeing.warned(self, operation)
            case Diagnosed():
                planning.diagnosed(self, operation)
            case Proposed():
                planning.proposed(self, operation)
            case Assessed():
                deciding.assessed(self, operation)
            case Certified():
                deciding.certified(self, operation)
            case Acted():
                acting.acted(self, operation)
            case Undone():
                acting.undone(self, operation)
            case Worse():
                acting.worse(self, operation)
            case Recovered():
                closing.recovered(self, operation)
            case Probed():
                closing.probed(self, operation)
            case Elapsed():
                elapsing.elapsed(self, operation)
            case Convicted():
                convicting.convicted(self, operation)
            case Replaced() | Configured():
                epochs.changed(self, operation, submission.epoch)
            case _:
                commanding.once(self, operation.command)
                self._obey(operation)

    def _obey(
        self,
        command: Approved | Refused | Frozen | Thawed | TakenOver | Noted | UndoRequested,
    ) -> None:
        match command:
            case Approved():
                deciding.approved(self, command)
            case Refused():
                deciding.refused(self, command)
            case UndoRequested():
                acting.undo_requested(self, command)
            case Frozen():
                commanding.frozen(self, command)
            case Thawed():
                commanding.thawed(self, command)
            case TakenOver():
                commanding.taken_over(self, command)
            case Noted():
                commanding.noted(self, command)
