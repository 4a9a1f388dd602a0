"""What the actuator is asked to do, and whether it may: one pure judgement (no telemetry, no clock).

The actuator trusts nobody: it checks the quorum's signatures, the plan against the catalogue, the
time, the freeze and its own rate, and for an undo the signed orders that fire it.
"""

from collections.abc import Sequence

import msgspec

from engine import catalogue
from engine.certificate import certificate_digest, objection_to
from engine.codec import NO_DIGEST, Malformed, decode
from engine.genesis import Genesis
from engine.policy import Rules
from engine.ports import ActionKey
from engine.signing import Domain, Verifier
from engine.topology import Manifest
from engine.vocabulary import (
    Action,
    AuthorId,
    Certificate,
    Policy,
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
    """What the actuator itself knows at the moment of judging: its clock, and its own journal."""

    now_ms: int
    frozen: bool = False
    recent_actions: int = 0
    """Carried out in the last ten minutes."""
    begun_ms: int | None = None
    """When the newest step of this certificate's plan was begun; None when none was."""
    undo_begun: bool = False
    """Whether a step of this certificate's undo was begun."""
    newest_attempt: int = 0
    """Of this incident, among the attempts that were carried out, in part or whole."""
    changed_since: bool = False
    """Whether another order has since touched a service that this undo touches."""
    by_operator: bool = False
    """Whether an operator himself ordered this undo."""


def steps_of(order: Order) -> list[tuple[ActionKey, Action]]:
    """What carrying ``order`` out consists of, in order."""
    undo = bool(order.undo_orders)
    plan = order.certificate.plan
    digest = certificate_digest(order.certificate.body)
    actions = plan.undo if undo else plan.actions
    return [(ActionKey(digest, step, undo), action) for step, action in enumerate(actions)]


def proof_objection(
    order: Order, constitutions: Sequence[Genesis], manifest: Manifest, verifier: Verifier
) -> str:
    """Why the order proves nothing, whatever the circumstances; empty when it is authorised.

    ``constitutions`` are those of all epochs that the actuator has seen proved. Only the newest one
    may order anything new; what was done under an older one may still be undone.
    """
    newest, epoch = constitutions[-1], order.certificate.body.epoch
    older = 0 <= epoch < newest.epoch and bool(order.undo_orders)
    genesis = constitutions[epoch] if older else newest
    reason = objection_to(order.certificate, genesis, verifier)
    if reason:
        return f"the certificate {reason}"
    reason = catalogue.objection_to(order.certificate.plan, manifest)
    if reason:
        return f"the plan {reason}"
    if order.undo_orders:
        return _undo_objection(order, constitutions, verifier)
    return ""


def circumstance_objection(order: Order, rules: Rules, conditions: Conditions) -> str:
    """Why an authorised order may not be carried out now; checked again at the last moment."""
    if conditions.frozen:
        return "automation is frozen"
    if conditions.recent_actions >= rules.limits.actions_per_ten_minutes:
        return "too many actions in ten minutes"
    if order.undo_orders:
        return _undo_is_untimely(rules, conditions)
    body = order.certificate.body
    if conditions.undo_begun:
        return "it is being undone, or was"
    if body.attempt < conditions.newest_attempt:
        return "a later attempt of this incident was carried out"
    if conditions.now_ms >= body.not_after_ms:
        return "its time is over"
    mode = rules.automation.mode(order.certificate.plan.risk)
    if mode is Policy.OBSERVE:
        return "policy lets the swarm only observe at this risk"
    if mode is Policy.ASK and body.approval == NO_DIGEST:
        return "policy asks for an operator's approval, and it names none"
    if body.not_after_ms > conditions.now_ms + rules.spans.of(mode):
        return "it ends later than policy lets a plan live"
    return ""


def _undo_is_untimely(rules: Rules, conditions: Conditions) -> str:
    if conditions.begun_ms is None:
        return "nothing of it was carried out, so there is nothing to undo"
    if conditions.changed_since:
        return "something newer was done to the same service"
    # f agents can keep one honest agent's word, and add theirs when it suits them.
    if not conditions.by_operator and conditions.now_ms > conditions.begun_ms + rules.spans.undo_ms:
        return "agents may fire an undo only soon after the action; an operator still can"
    return ""


def operator_orders(order: Order, constitutions: Sequence[Genesis], verifier: Verifier) -> bool:
    """Whether one of the undo orders is an operator's own, and verifies."""
    operators = constitutions[-1].operators
    return any(author in operators for author in _undo_voices(order, constitutions, verifier))


def _undo_objection(order: Order, constitutions: Sequence[Genesis], verifier: Verifier) -> str:
    genesis = constitutions[-1]
    voices = _undo_voices(order, constitutions, verifier)
    agents = voices - genesis.operators.keys()
    if agents != voices or len(agents) > genesis.f:
        return ""
    return f"{len(agents)} agents say that it got worse; {genesis.f + 1} must, or an operator"


def _undo_voices(
    order: Order, constitutions: Sequence[Genesis], verifier: Verifier
) -> set[AuthorId]:
    """Whose signed words among the undo orders are about exactly this certificate.

    Each counts by the key that its author had in the epoch that it names, if it still has that key.
    """
    genesis = constitutions[-1]
    keys, agents = genesis.author_keys(), genesis.agent_keys()
    body = order.certificate.body
    voices: set[AuthorId] = set()
    for raw in order.undo_orders[: genesis.n + len(genesis.operators)]:
        try:
            signed = decode(raw, Signed)
            submission = decode(signed.payload, Submission)
        except Malformed:
            continue
        author, key = submission.author, keys.get(submission.author)
        known = 0 <= submission.epoch < len(constitutions)
        ours = submission.cluster == genesis.cluster and known
        ours = ours and constitutions[submission.epoch].author_keys().get(author) == key
        if (
            key is None
            or not ours
            or not verifier.verify(key, Domain.SUBMISSION, signed.payload, signed.signature)
        ):
            continue
        for operation in submission.operations:
            match operation:
                case Worse() if author in agents:
                    fits = (operation.incident, operation.attempt) == (body.incident, body.attempt)
                case UndoRequested() if author in genesis.operators:
                    fits = (operation.incident, operation.plan) == (body.incident, body.plan)
                case _:
                    fits = False
            if fits:
                voices.add(author)
    return voices
