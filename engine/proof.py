"""What proves that an agent lied: consensus's own kinds, and the council's contradictions (pure)."""

from collections.abc import Sequence

from engine.consensus import evidence as kinds
from engine.consensus.committee import Committee
from engine.consensus.evidence import Evidence
from engine.consensus.settings import settings_for
from engine.council.contradiction import contradiction
from engine.genesis import Genesis
from engine.signing import Verifier
from engine.vocabulary import Convicted

__all__ = ["convicts", "evidence_of", "is_proof"]


def convicts(verifier: Verifier) -> kinds.Proof:
    """Whether a ``Convicted`` operation holds proof against its culprit, as a function."""
    return kinds.convicts(verifier, contradiction=contradiction)


def is_proof(evidence: Evidence, constitutions: Sequence[Genesis], verifier: Verifier) -> bool:
    """Whether ``evidence`` proves what it says, by the constitutions of a cluster's epochs.

    It is about whoever had the culprit's key, whether another has its place since or not.
    """
    n, f = constitutions[0].n, constitutions[0].f
    by_key: dict[bytes | None, list[Committee]] = {}
    for it in constitutions:
        by_key.setdefault(it.agent_keys().get(evidence.culprit), []).append(Committee(it, verifier))
    window = settings_for(n, f).window
    return any(
        kinds.is_evidence(evidence, committees, window, contradiction)
        for committees in by_key.values()
    )


def evidence_of(operation: Convicted) -> Evidence:
    """The evidence that an operation carries."""
    return Evidence(operation.culprit, operation.kind, operation.first, operation.second)
