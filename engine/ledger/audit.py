"""The audit of a verified ledger: the council's law, applied once more to every operation (pure).

``engine.ledger.verify`` says that the log is what a quorum ordered. This says that what was done
follows from it: the fold is run again, each certificate is checked again, and whatever the
actuator reports must name one that was complete by then.
"""

from collections.abc import Iterable, Sequence

import msgspec

from engine.certificate import certificate_digest, objection_to
from engine.charter import Charter
from engine.council import Council, Happening
from engine.genesis import ACTUATOR, Genesis
from engine.policy import Rules
from engine.proof import convicts
from engine.signing import Verifier
from engine.topology import Manifest
from engine.vocabulary import (
    Acted,
    Certificate,
    CertificateBody,
    Digest,
    IncidentKey,
    Operation,
    Submission,
    Undone,
)


class Audit(msgspec.Struct, frozen=True):
    """What the fold made of a log, and what does not follow from it."""

    incidents: int
    certificates: tuple[Certificate, ...]
    actions: int
    """Steps that the actuator reported, of plans and of undos."""
    objections: tuple[str, ...]
    """One line for each thing that must not be; none when the law was held."""
    digest: Digest
    """Of the council's state at the end: equal in every honest agent."""


class Auditor:
    """Runs the fold and keeps account of certificates and of what was done on them."""

    def __init__(
        self, genesis: Genesis, rules: Rules, manifest: Manifest, verifier: Verifier
    ) -> None:
        """Begin at genesis, with the rules and the manifest that it pins."""
        assert (rules.digest, manifest.digest) == (genesis.policy, genesis.manifest)
        self._constitutions: Sequence[Genesis] = (genesis,)
        self._verifier = verifier
        self._council = Council(genesis, rules, manifest, verifier, convicts(verifier))
        self._certificates: dict[Digest, Certificate] = {}
        self._decided: set[tuple[IncidentKey, int]] = set()
        self._undone: set[Digest] = set()
        self._actions = 0
        self._objections: list[str] = []

    def audit(
        self,
        submissions: Iterable[tuple[int, Submission]],
        constitutions: Sequence[Genesis] = (),
    ) -> Audit:
        """Judge a whole log; ``constitutions`` are those of its epochs, where it has several."""
        self._constitutions = constitutions or self._constitutions
        for number, submission in submissions:
            self._begin_epochs_before(number)
            for happening in self._council.apply(number, submission, b""):
                self._note(happening)
            if submission.author == ACTUATOR:
                for operation in submission.operations:
                    self._check_deed(number, operation)
        return Audit(
            self._council.opened,
            tuple(self._certificates.values()),
            self._actions,
            tuple(self._objections),
            self._council.digest(),
        )

    def _begin_epochs_before(self, number: int) -> None:
        while (epoch := self._council.genesis.epoch + 1) < len(self._constitutions):
            charter = self._constitutions[epoch]
            if not isinstance(charter, Charter) or charter.after >= number:
                return
            self._council.begin(charter)

    def _note(self, happening: Happening) -> None:
        incident = self._council.incidents.get(happening.incident or IncidentKey(""))
        if incident is None or happening.kind not in {"certificate", "undoing"}:
            return
        certificate = incident.attempt.certificate
        assert certificate is not None, "the fold tells of a certificate that it does not have"
        if happening.kind == "undoing":
            self._undone.add(certificate_digest(certificate.body))
            return
        place = f"entry {happening.sequence_number}: the certificate of {_plan(certificate.body)}"
        constitution = self._constitutions[certificate.body.epoch]
        objection = objection_to(certificate, constitution, self._verifier)
        if objection:
            self._objections.append(f"{place} {objection}")
        attempt = (certificate.body.incident, certificate.body.attempt)
        if attempt in self._decided:
            self._objections.append(f"{place} is the second one of this attempt")
        self._decided.add(attempt)
        self._certificates[certificate_digest(certificate.body)] = certificate

    def _check_deed(self, number: int, operation: Operation) -> None:
        if not isinstance(operation, Acted | Undone):
            return
        self._actions += 1
        name = operation.certificate
        place = f"entry {number}: the actuator reports step {operation.step} of {name.hex()[:12]}"
        certificate = self._certificates.get(name)
        if certificate is None:
            self._objections.append(f"{place}, and no complete certificate has that name")
            return
        undo = isinstance(operation, Undone)
        steps = certificate.plan.undo if undo else certificate.plan.actions
        if not 0 <= operation.step < len(steps):
            self._objections.append(f"{place}, which has {len(steps)} steps")
        if undo and name not in self._undone:
            self._objections.append(f"{place} as undone, and nobody had ordered that")


def _plan(body: CertificateBody) -> str:
    return f"{body.incident}, attempt {body.attempt},"
