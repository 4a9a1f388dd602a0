"""An operator's orders about deployments: signed like everything he commands, and not for the log.

A deployment is the operator's own doing: no agent votes on it and no incident depends on it. So the
order goes to the engine's deployer, checked as strictly as an operation would be: the cluster it was
signed for, his key, a minute of validity, and a number that rises so that nothing is done twice.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Protocol

import msgspec

from engine.codec import Malformed, decode
from engine.genesis import Genesis
from engine.signing import Domain, Verifier
from engine.stream.state import DeployRow
from engine.vocabulary import AuthorId, Digest, Signed

__all__ = ["ABOUT", "HOLDS_MS", "DeployOrder", "DeployVerb", "Deployer", "OrderDesk"]

ABOUT = "deploy"
"""What ``Command.about`` says for these."""
HOLDS_MS = 60_000
"""An order that is older was held back by somebody."""


class DeployVerb(StrEnum):
    """What can be ordered."""

    PLAN = "plan"
    APPLY = "apply"
    APPROVE = "approve"
    HEALTH = "health"
    ROLLBACK = "rollback"
    DESTROY = "destroy"


class DeployOrder(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """What an operator wants done to one environment."""

    cluster: Digest
    author: AuthorId
    counter: int
    verb: DeployVerb
    environment: str
    plan: str
    """Hexadecimal digest of the plan that he saw, for ``approve``."""
    typed_name: str
    """What he typed where a name is asked for."""
    not_after_ms: int


class Deployer(Protocol):
    """Deploys environments; handed in by ``main.py``, so that the engine knows of no cloud."""

    @property
    def rows(self) -> Mapping[str, DeployRow]:
        """Every environment as it stands; the same object while nothing has changed."""
        ...

    async def run(self) -> None:
        """Keep ``rows`` true until cancelled."""
        ...

    async def order(self, order: DeployOrder) -> str:
        """Begin what an operator ordered; why not, or empty. What was begun outlives the engine."""
        ...


class OrderDesk:
    """Takes orders in: each once, and only from an operator of this cluster."""

    def __init__(self, genesis: Genesis, verifier: Verifier) -> None:
        self._genesis = genesis
        self._verifier = verifier
        self._last: dict[AuthorId, int] = {}

    def take(self, payload: bytes, seen: str, now_ms: int) -> DeployOrder:
        """The order in ``payload``.

        Args:
            payload: an encoded ``Signed``.
            seen: the digest that the screen says was shown.
            now_ms: Unix milliseconds.

        Raises:
            Malformed: it is none, not signed by an operator, for another cluster, too old, a
                repetition, or about another plan than was shown.
        """
        signed = decode(payload, Signed)
        order = decode(signed.payload, DeployOrder)
        key = self._genesis.operators.get(order.author)
        if key is None or not self._verifier.verify(
            key, Domain.DEPLOYMENT, signed.payload, signed.signature
        ):
            raise Malformed("not signed by an operator")
        if order.cluster != self._genesis.cluster:
            raise Malformed("signed for another cluster")
        if not now_ms <= order.not_after_ms <= now_ms + 2 * HOLDS_MS:
            raise Malformed("too old, or the clocks of screen and engine differ by a minute")
        if order.counter <= self._last.get(order.author, 0):
            raise Malformed("it came before")
        if order.verb is DeployVerb.APPROVE and (not order.plan or order.plan != seen):
            raise Malformed("it names another plan than was shown")
        self._last[order.author] = order.counter
        return order
