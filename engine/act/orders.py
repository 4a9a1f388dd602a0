"""What the actuator is asked to do, and whether it may: one pure judgement (no telemetry, no clock).

The actuator trusts nobody: it checks the quorum's signatures, the plan against the catalogue, the
time, the freeze and its own rate, and for an undo the signed orders that fire it.
"""

import msgspec

from engine.act import catalogue
from engine.certificate import certificate_digest, objection_to
from engine.codec import Malformed, decode
from engine.genesis import Genesis
from engine.policy import Rules
from engine.ports import ActionKey
from engine.signing import Domain, Verifier
from engine.topology import Manifest
from engine.vocabulary import (
    Action,
    AuthorId,
    Certificate,
    Signed,
    Submission,
    UndoRequested,
    Worse,
)


class Order(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A certificate to be carried out, or undone when ``undo_orders`` prove that it must be."""

    certificate: Certificate
    undo_orders: tuple[bytes, ...] = ()
    """Encoded ``Signed`` submissions: f+1 agents' ``Worse``, or one operator's request."""


class Conditions(msgspec.Struct, frozen=True):
    """What the actuator itself knows at the moment of judging."""

    now_ms: int
    frozen: bool
    recent_actions: int
    """Carried out in the last ten minutes."""


def steps_of(order: Order) -> list[tuple[ActionKey, Action]]:
    """What carrying ``order`` out consists of, in order."""
    undo = bool(order.undo_orders)
    plan = order.certificate.plan
    digest = certificate_digest(order.certificate.body)
    actions = plan.undo if undo else plan.actions
    return [(ActionKey(digest, step, undo), action) for step, action in enumerate(actions)]


def proof_objection(order: Order, genesis: Genesis, manifest: Manifest, verifier: Verifier) -> str:
    """Why the order proves nothing, whatever the circumstances; empty when it is authorised."""
    reason = objection_to(order.certificate, genesis, verifier)
    if reason:
        return f"the certificate {reason}"
    reason = catalogue.objection_to(order.certificate.plan, manifest)
    if reason:
        return f"the plan {reason}"
    if order.undo_orders:
        return _undo_objection(order, genesis, verifier)
    return ""


def circumstance_objection(order: Order, rules: Rules, conditions: Conditions) -> str:
    """Why an authorised order may not be carried out now; checked again at the last moment."""
    if conditions.frozen:
        return "automation is frozen"
    if conditions.recent_actions >= rules.limits.actions_per_ten_minutes:
        return "too many actions in ten minutes"
    body = order.certificate.body
    if order.undo_orders:
        return ""
    if conditions.now_ms >= body.not_after_ms:
        return "its time is over"
    mode = rules.automation.mode(order.certificate.plan.risk)
    if body.not_after_ms > conditions.now_ms + rules.spans.of(mode):
        return "it ends later than policy lets a plan live"
    return ""


def _undo_objection(order: Order, genesis: Genesis, verifier: Verifier) -> str:
    keys = genesis.author_keys()
    body = order.certificate.body
    agents: set[AuthorId] = set()
    for raw in order.undo_orders[: genesis.n + 1]:
        try:
            signed = decode(raw, Signed)
            submission = decode(signed.payload, Submission)
        except Malformed:
            continue
        key = keys.get(submission.author)
        if (
            key is None
            or submission.cluster != genesis.cluster
            or submission.epoch != genesis.epoch
            or not verifier.verify(key, Domain.SUBMISSION, signed.payload, signed.signature)
        ):
            continue
        for operation in submission.operations:
            match operation:
                case Worse() if submission.author in genesis.agent_keys():
                    if (operation.incident, operation.attempt) == (body.incident, body.attempt):
                        agents.add(submission.author)
                case UndoRequested() if submission.author in genesis.operators:
                    if (operation.incident, operation.plan) == (body.incident, body.plan):
                        return ""
                case _:
                    pass
    if len(agents) <= genesis.f:
        return f"{len(agents)} agents say that it got worse; {genesis.f + 1} must, or an operator"
    return ""
