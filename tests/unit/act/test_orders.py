"""Why the actuator refuses an order: each objection, one by one."""

from collections.abc import Callable

import msgspec
import pytest

from engine.act.orders import Conditions, Order, circumstance_objection, proof_objection
from engine.certificate import plan_digest, sign_body, undo_digest
from engine.codec import NO_DIGEST
from engine.policy import Automation, Rules
from engine.vocabulary import (
    AgentId,
    AuthorId,
    Certificate,
    CertificateBody,
    Digest,
    IncidentKey,
    Plan,
    Policy,
    Risk,
    Worse,
)
from tests.court import (
    AGENTS,
    CHECKOUT,
    MANIFEST,
    NOT_AFTER_MS,
    OPERATOR,
    STRANGER,
    VERIFIER,
    Court,
    restart,
    roll_back,
    signer_of,
)
from tests.unit.act.hands import NOW_MS, certify

COURT = Court()
CERTIFICATE = certify(COURT, roll_back())
NOTHING_AGAINST = Conditions(NOW_MS)


def signed(body: CertificateBody, plan: Plan, *signers: AgentId) -> Certificate:
    """A certificate that ``signers`` really signed."""
    signatures = {agent: sign_body(body, signer_of(agent)) for agent in signers or AGENTS}
    return Certificate(body, plan, signatures)


def body_with(**changes: object) -> Certificate:
    body = msgspec.structs.replace(CERTIFICATE.body, **changes)
    return signed(body, CERTIFICATE.plan)


def plan_with(**changes: object) -> Certificate:
    plan = msgspec.structs.replace(CERTIFICATE.plan, **changes)
    body = msgspec.structs.replace(CERTIFICATE.body, plan=plan_digest(plan), undo=undo_digest(plan))
    return signed(body, plan)


def proof(order: Order) -> str:
    return proof_objection(order, [COURT.genesis], MANIFEST, VERIFIER)


def test_nothing_is_said_against_a_proven_order() -> None:
    assert proof(Order(CERTIFICATE)) == ""
    assert circumstance_objection(Order(CERTIFICATE), COURT.rules, NOTHING_AGAINST) == ""


@pytest.mark.parametrize(
    ("forge", "reason"),
    [
        (lambda: body_with(cluster=NO_DIGEST), "the certificate is of another cluster"),
        (lambda: body_with(epoch=1), "the certificate is of epoch 1, not 0"),
        (lambda: body_with(policy=NO_DIGEST), "the certificate was made under another policy"),
        (lambda: body_with(plan=NO_DIGEST), "the certificate does not name this plan"),
        (lambda: body_with(undo=NO_DIGEST), "the certificate does not name this plan's undo"),
        (lambda: body_with(not_after_ms=1), "the certificate ends at another time than its plan"),
        (
            lambda: signed(CERTIFICATE.body, CERTIFICATE.plan, *AGENTS[:3]),
            "the certificate has 3 valid signatures; the quorum is 4",
        ),
        (
            lambda: msgspec.structs.replace(
                CERTIFICATE, signatures=dict.fromkeys(AGENTS, CERTIFICATE.signatures[AGENTS[0]])
            ),
            "the certificate has 1 valid signatures; the quorum is 4",
        ),
        (
            lambda: signed(
                CERTIFICATE.body,
                CERTIFICATE.plan,
                *AGENTS[:3],
                *(AgentId(name) for name in (STRANGER, OPERATOR, AuthorId("actuator"))),
            ),
            "the certificate has 3 valid signatures; the quorum is 4",
        ),
        (
            lambda: certify(Court(name="other"), roll_back()),
            "the certificate is of another cluster",
        ),
        (lambda: plan_with(risk=Risk.LOW), "the plan has another risk than the catalogue says"),
        (lambda: plan_with(undo=()), "the plan has another undo than the catalogue declares"),
        (lambda: plan_with(actions=()), "the plan has 0 actions, not 1 to 4"),
    ],
)
def test_order_without_proof_is_refused(forge: Callable[[], Certificate], reason: str) -> None:
    assert proof(Order(forge())) == reason


def test_changed_byte_anywhere_in_the_body_breaks_the_certificate() -> None:
    body = CERTIFICATE.body
    changed = {
        "sequence_number": body.sequence_number + 1,
        "incident": IncidentKey("shop/checkout#2"),
        "attempt": body.attempt + 1,
        "approval": Digest(b"\1" * 32),
    }

    for name, value in changed.items():
        forged = msgspec.structs.replace(
            CERTIFICATE, body=msgspec.structs.replace(body, **{name: value})
        )
        assert proof(Order(forged)).endswith("has 0 valid signatures; the quorum is 4")


@pytest.mark.parametrize(
    ("conditions", "reason"),
    [
        ({"frozen": True}, "automation is frozen"),
        ({"recent_actions": 8}, "too many actions in ten minutes"),
        ({"undo_begun": True}, "it is being undone, or was"),
        ({"newest_attempt": 2}, "a later attempt of this incident was carried out"),
        ({"now_ms": NOT_AFTER_MS}, "its time is over"),
        ({"now_ms": NOT_AFTER_MS - 60_001}, "it ends later than policy lets a plan live"),
    ],
)
def test_order_is_not_carried_out_now(conditions: dict[str, object], reason: str) -> None:
    known = msgspec.structs.replace(NOTHING_AGAINST, **conditions)

    assert circumstance_objection(Order(CERTIFICATE), COURT.rules, known) == reason


@pytest.mark.parametrize(
    ("mode", "reason"),
    [
        (Policy.OBSERVE, "policy lets the swarm only observe at this risk"),
        (Policy.ASK, "policy asks for an operator's approval, and it names none"),
    ],
)
def test_actuator_holds_policy_itself(mode: Policy, reason: str) -> None:
    rules = Rules(automation=Automation(medium=mode))

    assert circumstance_objection(Order(CERTIFICATE), rules, NOTHING_AGAINST) == reason


@pytest.mark.parametrize(
    ("conditions", "reason"),
    [
        ({}, "nothing of it was carried out, so there is nothing to undo"),
        ({"begun_ms": NOW_MS, "frozen": True}, "automation is frozen"),
        (
            {"begun_ms": NOW_MS, "changed_since": True, "by_operator": True},
            "something newer was done to the same service",
        ),
        (
            {"begun_ms": NOW_MS - 300_001},
            "agents may fire an undo only soon after the action; an operator still can",
        ),
        ({"begun_ms": NOW_MS - 300_001, "by_operator": True}, ""),
        ({"begun_ms": NOW_MS, "now_ms": NOT_AFTER_MS + 1}, ""),
    ],
)
def test_undo_is_not_carried_out_now(conditions: dict[str, object], reason: str) -> None:
    words = tuple(COURT.sign(agent, Worse(CHECKOUT, 1))[1] for agent in AGENTS[:2])
    order = Order(CERTIFICATE, words)
    known = msgspec.structs.replace(NOTHING_AGAINST, **conditions)

    assert proof(order) == ""
    assert circumstance_objection(order, COURT.rules, known) == reason


def test_plan_of_another_certificate_does_not_pass() -> None:
    swapped = msgspec.structs.replace(CERTIFICATE, plan=restart())

    assert proof(Order(swapped)) == "the certificate does not name this plan"
