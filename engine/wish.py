"""What an operator's command asks of a running engine beside the log: a successor, and news of orders.

Signed with the operator's key in a domain of its own. The engine may start a process for it; whether
that process ever counts is for the log to say (``Replaced``), as it is which policy counts.
"""

from typing import Any, cast

import msgspec

from engine.codec import Malformed, decode, encode
from engine.genesis import Genesis
from engine.policy import Rules
from engine.signing import Domain, Signer, Verifier
from engine.vocabulary import AgentId, AuthorId, CommandId, Digest, Signed

FRESH_MS = 60_000
"""A wish older than this is not granted: whoever recorded it cannot have it again tomorrow."""


class Wished(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """What every wish names: where it counts, who has it and when."""

    cluster: Digest
    operator: AuthorId
    at_ms: int
    """By the operator's clock, Unix milliseconds."""


class SuccessorWanted(Wished, frozen=True, tag="successor-wanted"):
    """A new process with a new key for an agent, that waits until it is ordered in."""

    agent: AgentId


class OrderGiven(Wished, frozen=True, tag="order-given"):
    """A signed submission, to be brought into the log."""

    submission: bytes


class StandingWanted(Wished, frozen=True, tag="standing-wanted"):
    """How far an agent's replacement has come."""

    agent: AgentId


class PolicyWanted(Wished, frozen=True, tag="policy-wanted"):
    """Which policy is in force, and which one is ordered."""


Wish = SuccessorWanted | OrderGiven | StandingWanted | PolicyWanted


class Standing(msgspec.Struct, frozen=True):
    """How far an agent's replacement has come, as the engine sees it."""

    epoch: int
    executed: int
    """The newest entry of the engine's copy of the ledger."""
    public_key: bytes
    """The agent's key in this epoch."""
    boundary: int = 0
    """The last entry of this epoch; 0 while nothing is about to change."""
    pending_key: bytes = b""
    """The agent's key in the next epoch, where that is ordered already."""
    generation: int = 0
    """Of the successor that waits; 0 when there is none."""
    ready: bool = False
    """Whether the agent in office says that it is well."""
    convicted: tuple[AgentId, ...] = ()
    fault_budget: int = 0
    """How many more agents may lie or be missing: f, less those who do."""
    objection: str = ""
    """Why the newest order about the agent did not count; empty when it did."""


class PolicyStanding(msgspec.Struct, frozen=True):
    """Which policy is in force and which one is ordered, as the engine sees it."""

    epoch: int
    executed: int
    """The newest entry of the engine's copy of the ledger."""
    policy: Digest
    """Of the policy in force, as certificates name it."""
    rules: Rules
    """The policy in force, without its hand-over: that is not the log's, and may hold secrets."""
    since_epoch: int
    since_entry: int
    """The first entry that it counts for."""
    pending: Rules | None = None
    """The policy of the next epoch, where one is ordered already."""
    boundary: int = 0
    """The last entry of this epoch; 0 while nothing is about to change."""
    answered: CommandId = CommandId("")
    """The newest order for another policy that the engine has seen in the log."""
    objection: str = ""
    """Why that one does not count; empty when it does."""


def signed_wish(wish: Wish, signer: Signer) -> bytes:
    """The encoded ``Signed`` around ``wish``."""
    payload = encode(wish)
    return encode(Signed(payload, signer.sign(Domain.WISH, payload)))


def read_wish(raw: bytes, constitution: Genesis, verifier: Verifier, now_ms: int) -> Wish:
    """The wish in ``raw``, if an operator of this cluster has it now.

    Raises:
        Malformed: it is none, or nobody's who may wish; the message says why.
    """
    signed = decode(raw, Signed)
    wish = decode(signed.payload, cast("type[Wish]", cast("Any", Wish)))
    key = constitution.operators.get(wish.operator)
    if key is None or wish.cluster != constitution.cluster:
        raise Malformed("not of an operator of this cluster")
    if not verifier.verify(key, Domain.WISH, signed.payload, signed.signature):
        raise Malformed("the signature does not verify")
    if abs(now_ms - wish.at_ms) > FRESH_MS:
        raise Malformed("too old, or from a clock that is wrong; say it again")
    return wish
