"""Convictions: proof against an agent takes its voice away, and changes no threshold.

What a convicted agent said before stands: at most f agents are ever convicted, and every count
tolerates f liars. More proofs than f mean that the model itself is violated: the replicas halt at
that entry, and people must look.
"""

from engine.council.deciding import try_to_decide
from engine.council.docket import Docket, Ignored
from engine.vocabulary import AgentId, Convicted


def convicted(docket: Docket, operation: Convicted) -> None:
    """Convict an agent of whom two messages prove that it lied."""
    if operation.culprit not in docket.genesis.agent_keys():
        raise Ignored("no such agent")
    if operation.culprit in docket.proven:
        raise Ignored("convicted before")
    if not docket.convict(operation, docket.constitutions):
        raise Ignored("the two messages prove nothing")
    _silence(docket, operation.culprit)


def convict(docket: Docket, culprit: AgentId, why: str) -> None:
    """Convict an agent whose two answers both stand, signed, in the log."""
    if culprit not in docket.proven:
        docket.tell("convicted", note=f"{culprit}: {why}")
        _silence(docket, culprit)


def _silence(docket: Docket, culprit: AgentId) -> None:
    if len(docket.convicted) >= docket.genesis.f:
        docket.excess.add(culprit)
        docket.tell("violated", note=f"more than f agents lied, {culprit} too: people must look")
        return
    docket.convicted.add(culprit)
    for incident in docket.open_incidents:
        # One voice fewer may be what makes a threshold unreachable.
        try_to_decide(docket, incident)
