"""What the simulated agents look after: two services of which one breaks, and the actuator.

The actuator is nobody's puppet here either: it follows the canonical log alone, checks each
certificate itself and does each one once.
"""

from dataclasses import dataclass, field

from engine.catalogue import plan
from engine.certificate import certificate_digest, objection_to
from engine.consensus.simulate.law import Law
from engine.consensus.simulate.members import BACK, MANIFEST
from engine.vocabulary import (
    Acted,
    Anomaly,
    Certificate,
    Digest,
    FaultKind,
    Generation,
    Hypothesis,
    OutcomeKind,
    Plan,
    RestartService,
    Signal,
    SignalKind,
)

ANOMALY = Anomaly(Signal(BACK, SignalKind.LIVENESS), 0, 1000, 20, 990)
SUSPECT = Hypothesis(BACK, FaultKind.CRASH, 900)
PLAN_MS = 60_000
"""How long a plan may be carried out."""


@dataclass
class Fleet:
    """One service that may be broken, by its run."""

    broken_since_ms: int | None = None
    pid: int = 100
    acted: dict[Digest, OutcomeKind] = field(default_factory=dict)
    """What was done, by certificate."""

    @property
    def generation(self) -> Generation:
        """The run of the service that may break."""
        return Generation(self.pid, self.pid * 1000, "1.0.0")

    def breaks(self, now_ms: int) -> None:
        """The service stops to answer."""
        if self.broken_since_ms is None:
            self.broken_since_ms = now_ms

    def repair(self, now_ms: int) -> Plan:
        """The plan that mends it."""
        action = RestartService(BACK, self.generation)
        return plan((action,), SUSPECT, MANIFEST, now_ms + PLAN_MS)

    def carry_out(self, certificate: Certificate, law: Law, now_ms: int) -> Acted | None:
        """As the actuator: obey a certificate that holds, once; None when it must not be obeyed."""
        name = certificate_digest(certificate.body)
        newest = law.council.genesis
        if name in self.acted or objection_to(certificate, newest, law.council.verifier):
            return None
        if now_ms > certificate.body.not_after_ms:
            return None
        fits = certificate.plan.actions == (RestartService(BACK, self.generation),)
        outcome = OutcomeKind.DONE if fits else OutcomeKind.NOT_DONE
        if fits:
            self.pid += 1
            self.broken_since_ms = None
        self.acted[name] = outcome
        return Acted(name, 0, outcome, self.generation)
