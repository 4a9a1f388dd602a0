"""Orders that are not for the log, and the desk that takes them in: each once, from operators only.

An order is good for the cluster it was signed for, under its author's key, for a minute, and once:
its number must be higher than that of the last one.
"""

from typing import TypeVar

from engine.codec import Malformed, decode
from engine.genesis import Genesis
from engine.signing import Domain, Verifier
from engine.stream.deploying import DeployOrder, DeployVerb
from engine.stream.drilling import DrillOrder
from engine.vocabulary import AuthorId, Signed

__all__ = ["HOLDS_MS", "OrderDesk"]

HOLDS_MS = 60_000
"""An order that is older was held back by somebody."""

AnOrder = TypeVar("AnOrder", DeployOrder, DrillOrder)


class OrderDesk:
    """Takes orders in: each once, and only from an operator of this cluster."""

    def __init__(self, genesis: Genesis, verifier: Verifier) -> None:
        self._genesis = genesis
        self._verifier = verifier
        self._last: dict[AuthorId, int] = {}

    def take(self, payload: bytes, seen: str, now_ms: int) -> DeployOrder:
        """The order about a deployment in ``payload``.

        Args:
            payload: an encoded ``Signed``.
            seen: the digest that the screen says was shown.
            now_ms: Unix milliseconds.

        Raises:
            Malformed: it is none, not signed by an operator, for another cluster, too old, a
                repetition, or about another plan than was shown.
        """
        order = self._checked(payload, DeployOrder, Domain.DEPLOYMENT, now_ms)
        if order.verb is DeployVerb.APPROVE and (not order.plan or order.plan != seen):
            raise Malformed("it names another plan than was shown")
        self._last[order.author] = order.counter
        return order

    def take_drill(self, payload: bytes, now_ms: int) -> DrillOrder:
        """The order of a drill in ``payload``, an encoded ``Signed``, at Unix time ``now_ms``.

        Raises:
            Malformed: it is none, not signed by an operator, for another cluster, too old, or a
                repetition.
        """
        order = self._checked(payload, DrillOrder, Domain.DRILL, now_ms)
        self._last[order.author] = order.counter
        return order

    def _checked(self, payload: bytes, kind: type[AnOrder], domain: Domain, now_ms: int) -> AnOrder:
        signed = decode(payload, Signed)
        order = decode(signed.payload, kind)
        key = self._genesis.operators.get(order.author)
        if key is None or not self._verifier.verify(key, domain, signed.payload, signed.signature):
            raise Malformed("not signed by an operator")
        if order.cluster != self._genesis.cluster:
            raise Malformed("signed for another cluster")
        if not now_ms <= order.not_after_ms <= now_ms + 2 * HOLDS_MS:
            raise Malformed("too old, or the clocks of screen and engine differ by a minute")
        if order.counter <= self._last.get(order.author, 0):
            raise Malformed("it came before")
        return order
