"""The council's law over the canonical log: one reference fold, and counts kept beside it."""

from engine.charter import Charter
from engine.consensus.clients import ClientTable
from engine.consensus.settings import Settings
from engine.consensus.simulate.independent import Notary
from engine.consensus.simulate.members import Members
from engine.consensus.simulate.violation import Violation
from engine.council import Council, Happening
from engine.vocabulary import (
    AgentId,
    Assessed,
    AuthorId,
    Certificate,
    Digest,
    Entry,
    Risk,
    Submission,
    Verdict,
)

DIGEST_EVERY = 8
"""Every eighth state is compared whole, every one by what it told."""


class Law:
    """Folds the canonical log once, and holds every other fold, and each certificate, to it."""

    def __init__(
        self, members: Members, settings: Settings, quorum: int | None, byzantine: set[AgentId]
    ) -> None:
        """``byzantine`` are persons, and grows."""
        self._members = members
        self._quorum = quorum
        self.epochs = members.epochs(settings, quorum)
        self.notaries = [Notary(members.genesis, members.verifier, quorum)]
        """The independent check of each epoch."""
        self._byzantine = byzantine
        self.council: Council = members.council(settings)
        self.clients = ClientTable()
        self.certificates: list[Certificate] = []
        """Complete ones, in the order of the log."""
        self.chains: dict[int, bytes] = {}
        """The chain digest after each entry."""
        self._told: dict[int, list[Happening]] = {}
        self._digests: dict[int, Digest] = {}
        self._answers: dict[Digest, dict[AuthorId, Assessed]] = {}
        self._decided: set[tuple[str, int]] = set()

    def extend(self, entry: Entry) -> None:
        """Fold the next canonical entry.

        Raises:
            Violation: a certificate, or a conviction, goes against the law.
        """
        number = entry.sequence_number
        told: list[Happening] = []
        for submission, frame in self.clients.fresh_frames(
            entry, self.epochs.committee.known_submission
        ):
            self._count(submission)
            happenings = self.council.apply(number, submission, frame)
            for happening in happenings:
                # At once: an epoch may end with this entry, and whoever is replaced has accepted all the same.
                if happening.kind == "certificate":
                    self._judge(happening)
            told += happenings
        if self.epochs.take(entry):
            charter = self.epochs.constitution
            assert isinstance(charter, Charter), "every epoch but the first has a charter"
            before = self.council.genesis.agent_keys()
            told += self.council.begin(charter)
            for agent, key in charter.agent_keys().items():
                if before[agent] != key:
                    # Its successor is somebody else, and answers for itself.
                    for given in self._answers.values():
                        given.pop(AuthorId(agent), None)
            self.notaries.append(Notary(charter, self._members.verifier, self._quorum))
        self.chains[number] = self.epochs.head[1]
        self._told[number] = told
        if number % DIGEST_EVERY == 0:
            self._digests[number] = self.council.digest()
        keys, persons = self.council.genesis.agent_keys(), self._members.persons
        framed = {it for it in self.council.convicted if persons[keys[it]] not in self._byzantine}
        if framed:
            raise Violation(f"honest {sorted(framed)} convicted at {number}")

    def compare(
        self, agent: AgentId, number: int, told: list[Happening], digest: Digest | None
    ) -> None:
        """Hold an agent's fold of an entry to the reference.

        Raises:
            Violation: it came to something else.
        """
        if told != self._told[number]:
            raise Violation(f"{agent} folds {number} to something else than the others")
        if self._digests.get(number) != digest:
            raise Violation(f"{agent} has another council state at {number}")

    def _count(self, submission: Submission) -> None:
        for operation in submission.operations:
            if isinstance(operation, Assessed) and submission.author not in self.council.convicted:
                given = self._answers.setdefault(operation.proposal, {})
                given.setdefault(submission.author, operation)

    def _judge(self, happening: Happening) -> None:
        assert happening.incident is not None, "a certificate is about an incident"
        attempt = self.council.incidents[happening.incident].attempt
        certificate = attempt.certificate
        assert certificate is not None, "told of, so it is complete"
        assert attempt.chosen is not None, "decided before it was certified"
        notary = self.notaries[certificate.body.epoch]
        objection = notary.objection_to_certificate(certificate)
        if objection:
            raise Violation(f"a certificate without a quorum: {objection}")
        place = (str(happening.incident), attempt.number)
        if place in self._decided:
            raise Violation(f"two certificates for {place}")
        self._decided.add(place)
        genesis = self._members.genesis
        needed = genesis.quorum if certificate.plan.risk is Risk.HIGH else 2 * genesis.f + 1
        answers = self._answers.get(attempt.chosen, {}).values()
        accepts = sum(answer.verdict is Verdict.ACCEPT for answer in answers)
        if accepts < needed:
            raise Violation(f"{place} certified with {accepts} accepts of {needed}")
        self.certificates.append(certificate)
