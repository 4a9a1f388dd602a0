"""What proves that an agent lied: consensus's own kinds, and the council's contradictions (pure)."""

from collections.abc import Callable

from engine.consensus import evidence as kinds
from engine.consensus.evidence import Evidence
from engine.consensus.settings import settings_for
from engine.council.contradiction import contradiction
from engine.genesis import Genesis
from engine.signing import Verifier
from engine.vocabulary import Convicted

__all__ = ["convicts", "evidence_of", "is_proof"]


def convicts(genesis: Genesis, verifier: Verifier) -> Callable[[Convicted], bool]:
    """Whether a ``Convicted`` operation holds proof against its culprit, as a function."""
    return kinds.convicts(genesis, verifier, contradiction=contradiction)


def is_proof(evidence: Evidence, genesis: Genesis, verifier: Verifier) -> bool:
    """Whether ``evidence`` proves what it says; the genesis alone is trusted."""
    window = settings_for(genesis.n, genesis.f).window
    return kinds.verify_evidence(evidence, genesis, verifier, window, contradiction)


def evidence_of(operation: Convicted) -> Evidence:
    """The evidence that an operation carries."""
    return Evidence(operation.culprit, operation.kind, operation.first, operation.second)
