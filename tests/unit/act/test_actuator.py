"""The actuator: what is certified is done once and reported once, whatever crashes in between."""

from collections.abc import Callable

import msgspec
import pytest

from engine.act.journal import Progress
from engine.act.orders import Order
from engine.certificate import certificate_digest, plan_digest, sign_body
from engine.codec import encode
from engine.policy import Automation, Limits, Rules
from engine.ports import ActionKey
from engine.vocabulary import (
    Certificate,
    CertificateBody,
    CommandId,
    Digest,
    Frozen,
    OutcomeKind,
    Plan,
    Policy,
    RestartService,
    Signed,
    Step,
    Thawed,
    UndoRequested,
    Worse,
)
from tests.court import (
    AGENTS,
    CHECKOUT,
    DETECTION,
    NOT_AFTER_MS,
    OPERATOR,
    OTHER_OPERATOR,
    PAYMENTS,
    Court,
    plan_of,
    restart,
    roll_back,
    signer_of,
)
from tests.unit.act.hands import FIRST, Killed, Machine, certify, undo_order

DONE_ONCE = [("Acted", 0, OutcomeKind.DONE)]


def good_roll_back() -> Plan:
    """A roll back of the run that is live in the shop."""
    plan = roll_back()
    (action,) = plan.actions
    return plan_of(
        msgspec.structs.replace(action, generation=FIRST, to_release="0.9.0"), service=PAYMENTS
    )


async def test_certified_action_is_done_and_reported(machine: Machine) -> None:
    order = Order(certify(machine.court, restart()))

    await machine.obey(order)

    assert machine.council.outcomes == DONE_ONCE
    assert machine.shop.running[PAYMENTS].pid == FIRST.pid + 1


async def test_order_sent_again_does_nothing(machine: Machine) -> None:
    order = Order(certify(machine.court, restart()))

    for _ in range(3):
        await machine.obey(order)
        await machine.restart()

    assert machine.council.outcomes == DONE_ONCE
    assert len(machine.shop.effects) == 1


# --- crashes --------------------------------------------------------------------------------------


async def test_crash_between_intent_and_effect(machine: Machine) -> None:
    machine.shop.kill_before = True

    await machine.obey(Order(certify(machine.court, restart())))

    assert machine.council.outcomes == DONE_ONCE
    assert len(machine.shop.effects) == 1


async def test_crash_between_effect_and_outcome(machine: Machine) -> None:
    machine.shop.kill_after = True

    await machine.obey(Order(certify(machine.court, restart())))

    assert machine.council.outcomes == DONE_ONCE
    assert len(machine.shop.effects) == 1


async def test_crash_between_outcome_and_report(machine: Machine) -> None:
    machine.council.kill_before = True

    await machine.obey(Order(certify(machine.court, restart())))

    assert machine.council.outcomes == DONE_ONCE
    assert len(machine.shop.effects) == 1


async def test_crash_after_the_report_reports_again_which_the_council_ignores(
    machine: Machine,
) -> None:
    machine.council.kill_after = True

    await machine.obey(Order(certify(machine.court, restart())))

    assert machine.council.outcomes == DONE_ONCE * 2
    assert len(machine.shop.effects) == 1
    assert machine.court.act()[0].kind == "acted"
    assert machine.court.act()[0].note == "this step was reported before"


async def test_intended_step_is_not_done_after_its_time(machine: Machine) -> None:
    machine.shop.kill_before = True
    order = Order(certify(machine.court, restart()))
    with pytest.raises(Killed):
        await machine.actuator.obey(encode(order))

    machine.clock.now_ms = NOT_AFTER_MS
    await machine.restart()

    assert machine.council.outcomes == [("Acted", 0, OutcomeKind.NOT_DONE)]
    assert not machine.shop.effects


async def test_intended_step_is_not_done_when_frozen_meanwhile(machine: Machine) -> None:
    machine.shop.kill_before = True
    order = Order(certify(machine.court, restart()))
    with pytest.raises(Killed):
        await machine.actuator.obey(encode(order))

    machine.actuator.freeze_or_thaw(machine.court.sign(OPERATOR, Frozen(CommandId("f")))[1])
    await machine.restart()

    assert machine.council.outcomes == [("Acted", 0, OutcomeKind.NOT_DONE)]
    assert not machine.shop.effects


# --- an executor that cannot be reached -----------------------------------------------------------


async def test_lost_answer_is_observed_and_not_repeated(machine: Machine) -> None:
    machine.shop.loses_answer = True

    await machine.obey(Order(certify(machine.court, restart())))

    assert machine.council.outcomes == DONE_ONCE
    assert len(machine.shop.effects) == 1


async def test_unreachable_for_a_while_is_not_done(machine: Machine) -> None:
    machine.shop.unreachable = 5

    await machine.obey(Order(certify(machine.court, restart())))

    assert machine.council.outcomes == [("Acted", 0, OutcomeKind.NOT_DONE)]


async def test_unreachable_for_good_is_unknown_and_stays_so(machine: Machine) -> None:
    machine.shop.unreachable = 1_000
    order = Order(certify(machine.court, restart()))

    await machine.obey(order)
    machine.shop.unreachable = 0
    await machine.obey(order)

    assert machine.council.outcomes == [("Acted", 0, OutcomeKind.UNKNOWN)]
    assert not machine.shop.effects


async def test_precondition_that_no_longer_holds_is_not_done(machine: Machine) -> None:
    await machine.obey(Order(certify(machine.court, restart(pid=1))))

    assert machine.council.outcomes == [("Acted", 0, OutcomeKind.NOT_DONE)]
    assert not machine.shop.effects


async def test_step_after_one_that_was_not_done_is_not_begun(machine: Machine) -> None:
    stale = RestartService(PAYMENTS, msgspec.structs.replace(FIRST, pid=1))
    live = RestartService(PAYMENTS, FIRST)

    await machine.obey(Order(certify(machine.court, plan_of(stale, live, service=PAYMENTS))))

    assert machine.council.outcomes == [("Acted", 0, OutcomeKind.NOT_DONE)]
    assert not machine.shop.effects


# --- what stands against it -----------------------------------------------------------------------


async def test_nothing_is_done_after_its_time(machine: Machine) -> None:
    machine.clock.now_ms = NOT_AFTER_MS

    await machine.obey(Order(certify(machine.court, restart())))

    assert not machine.shop.effects
    assert not machine.council.said


async def test_certificate_of_another_cluster_does_nothing(machine: Machine) -> None:
    await machine.obey(Order(certify(Court(name="other"), restart())))

    assert not machine.shop.effects


async def test_rate_is_limited_over_all_incidents(machine: Machine) -> None:
    machine.rules = Rules(
        limits=Limits(actions_per_ten_minutes=1), automation=machine.rules.automation
    )
    machine.court = Court(machine.rules)
    machine.start()
    first = certify(machine.court, restart())
    await machine.obey(Order(first))
    machine.court.act(OutcomeKind.DONE)
    machine.court.worsen()
    second = certify(machine.court, restart("catalog"))

    await machine.obey(Order(second))
    assert len(machine.shop.effects) == 1
    # Ten minutes later it may; the certificate must live as long, so only the journal is asked.
    later = machine.journal.conditions(Order(second), machine.clock.now_ms + 600_001)

    assert later.recent_actions == 0


async def test_a_policy_of_a_new_epoch_binds_the_actuator_as_soon_as_its_charter_is_proved(
    machine: Machine,
) -> None:
    court, asks = machine.court, Rules(automation=Automation(low=Policy.ASK))
    by_old_rules = certify(court, restart())
    court.say(OPERATOR, court.configured(asks))
    charter = court.council.changes.charter(bytes(32))
    court.council.begin(charter)
    court.genesis = charter

    machine.actuator.begin(charter)
    await machine.obey(Order(by_old_rules))
    by_old_policy = msgspec.structs.replace(by_old_rules.body, epoch=1, policy=machine.rules.digest)
    await machine.obey(Order(signed_by_all(by_old_policy, restart())))
    unapproved = msgspec.structs.replace(by_old_policy, policy=asks.digest)
    await machine.obey(Order(signed_by_all(unapproved, restart())))
    assert not machine.shop.effects

    approved = msgspec.structs.replace(unapproved, approval=Digest(b"a" * 32))
    await machine.obey(Order(signed_by_all(approved, restart())))
    assert len(machine.shop.effects) == 1


def signed_by_all(body: CertificateBody, plan: Plan) -> Certificate:
    """A certificate about ``body`` by all agents of the court."""
    return Certificate(body, plan, {it: sign_body(body, signer_of(it)) for it in AGENTS})


async def test_older_attempt_cannot_act_after_a_newer_one(machine: Machine) -> None:
    court = machine.court
    withheld = certify(court, restart())
    court.act(OutcomeKind.NOT_DONE)
    newer = certify(court, restart("catalog"))
    await machine.obey(Order(newer))

    await machine.obey(Order(withheld))

    assert [key.certificate for key in machine.shop.effects] == [certificate_digest(newer.body)]


async def test_garbage_is_no_order(machine: Machine) -> None:
    for raw in (b"", b"\x00", b"\xff" * 100, encode(Signed(b"", b""))):
        await machine.actuator.obey(raw)

    assert not machine.shop.effects


# --- undo -----------------------------------------------------------------------------------------


async def acted_roll_back(machine: Machine) -> Order:
    order = Order(certify(machine.court, good_roll_back()))
    await machine.obey(order)
    machine.court.act()
    return order


async def test_two_agents_words_undo_it_once(machine: Machine) -> None:
    order = await acted_roll_back(machine)
    machine.court.worsen()
    undo = undo_order(machine.court, order.certificate)

    for _ in range(2):
        await machine.obey(undo)

    assert machine.council.outcomes == [*DONE_ONCE, ("Undone", 0, OutcomeKind.DONE)]
    assert machine.shop.running[PAYMENTS].release == FIRST.release
    assert len(machine.shop.effects) == 2


async def test_operators_word_undoes_it(machine: Machine) -> None:
    order = await acted_roll_back(machine)
    court = machine.court
    plan = plan_digest(order.certificate.plan)
    court.say(OPERATOR, UndoRequested(court.command(), CHECKOUT, court.incident.version, plan))

    await machine.obey(undo_order(court, order.certificate))

    assert len(machine.shop.effects) == 2


@pytest.mark.parametrize("forgery", ["one agent", "twice the same", "of another key", "garbage"])
async def test_forged_undo_orders_undo_nothing(machine: Machine, forgery: str) -> None:
    order = await acted_roll_back(machine)
    court, other = machine.court, Court(name="other")
    word = Worse(CHECKOUT, 1)
    forged = {
        "one agent": (court.sign(DETECTION, word)[1],),
        "twice the same": (court.sign(DETECTION, word)[1], court.sign(DETECTION, word)[1]),
        "of another key": tuple(other.sign(agent, word)[1] for agent in AGENTS),
        "garbage": (b"", b"\x00"),
    }[forgery]

    await machine.obey(Order(order.certificate, forged))

    assert len(machine.shop.effects) == 1


async def test_words_about_another_attempt_undo_nothing(machine: Machine) -> None:
    order = await acted_roll_back(machine)
    words = tuple(machine.court.sign(agent, Worse(CHECKOUT, 2))[1] for agent in AGENTS)

    await machine.obey(Order(order.certificate, words))

    assert len(machine.shop.effects) == 1


async def test_what_was_not_done_is_not_undone(machine: Machine) -> None:
    certificate = certify(machine.court, good_roll_back())
    words = tuple(machine.court.sign(agent, Worse(CHECKOUT, 1))[1] for agent in AGENTS)

    await machine.obey(Order(certificate, words))

    assert not machine.shop.effects


async def test_what_is_being_undone_is_not_done_again(machine: Machine) -> None:
    order = await acted_roll_back(machine)
    machine.court.worsen()
    await machine.obey(undo_order(machine.court, order.certificate))
    key = ActionKey(certificate_digest(order.certificate.body), 0)
    conditions = machine.journal.conditions(order, machine.clock.now_ms)

    await machine.obey(order)

    assert conditions.undo_begun
    assert machine.shop.effects.count(key) == 1


async def test_agents_cannot_fire_an_undo_long_after_the_action(machine: Machine) -> None:
    order = await acted_roll_back(machine)
    machine.court.worsen()
    machine.clock.now_ms += machine.rules.spans.undo_ms + 1

    await machine.obey(undo_order(machine.court, order.certificate))

    assert len(machine.shop.effects) == 1


async def test_undo_does_not_go_over_a_newer_change_of_the_same_service(machine: Machine) -> None:
    order = await acted_roll_back(machine)
    court = machine.court
    words = tuple(court.sign(agent, Worse(CHECKOUT, 1))[1] for agent in AGENTS)
    court.elapse(Step.RECOVER)
    (action,) = restart().actions
    now = machine.shop.running[PAYMENTS]
    newer = plan_of(msgspec.structs.replace(action, generation=now), service=PAYMENTS)
    await machine.obey(Order(certify(court, newer)))

    await machine.obey(Order(order.certificate, words))

    assert machine.shop.running[PAYMENTS].release == "0.9.0"
    assert len(machine.shop.effects) == 2


# --- freeze ---------------------------------------------------------------------------------------


async def test_frozen_actuator_does_nothing_and_does_it_after_the_thaw(machine: Machine) -> None:
    order = Order(certify(machine.court, restart()))
    frozen = machine.actuator.freeze_or_thaw(
        machine.court.sign(OPERATOR, Frozen(CommandId("f")))[1]
    )
    await machine.obey(order)
    assert (frozen, machine.shop.effects) == ("frozen", [])

    thawed = machine.actuator.freeze_or_thaw(
        machine.court.sign(OPERATOR, Thawed(CommandId("t")))[1]
    )
    await machine.obey(order)

    assert thawed == "thawed"
    assert machine.council.outcomes == DONE_ONCE


async def test_freeze_survives_a_crash(machine: Machine) -> None:
    machine.actuator.freeze_or_thaw(machine.court.sign(OPERATOR, Frozen(CommandId("f")))[1])

    await machine.restart()

    assert machine.journal.frozen


async def test_freeze_between_two_steps_stops_the_second(machine: Machine) -> None:
    first = RestartService(PAYMENTS, FIRST)
    second = RestartService(PAYMENTS, msgspec.structs.replace(FIRST, pid=4712, started_ms=1_001))
    order = Order(certify(machine.court, plan_of(first, second, service=PAYMENTS)))
    machine.council.kill_after = True
    with pytest.raises(Killed):
        await machine.actuator.obey(encode(order))
    machine.start()

    machine.actuator.freeze_or_thaw(machine.court.sign(OPERATOR, Frozen(CommandId("f")))[1])
    await machine.actuator.settle()
    await machine.obey(order)

    assert len(machine.shop.effects) == 1


def test_old_thaw_sent_again_does_not_take(machine: Machine) -> None:
    say = machine.actuator.freeze_or_thaw
    say(machine.court.sign(OPERATOR, Frozen(CommandId("f1")))[1])
    old = machine.court.sign(OPERATOR, Thawed(CommandId("t1")))[1]
    say(old)
    say(machine.court.sign(OPERATOR, Frozen(CommandId("f2")))[1])

    assert say(old) == "refused: older than the last word"
    assert machine.journal.frozen


def test_old_freeze_sent_again_does_not_take_once_it_was_thawed(machine: Machine) -> None:
    say = machine.actuator.freeze_or_thaw
    old = machine.court.sign(OPERATOR, Frozen(CommandId("f")))[1]
    say(old)
    assert say(old) == "frozen"
    say(machine.court.sign(OPERATOR, Thawed(CommandId("t")))[1])

    assert say(old) == "refused: obeyed and thawed before; freeze anew"
    assert not machine.journal.frozen


def test_freeze_takes_even_when_another_operator_counts_higher(machine: Machine) -> None:
    say, court = machine.actuator.freeze_or_thaw, machine.court
    early = court.sign(OTHER_OPERATOR, Frozen(CommandId("f")))[1]
    say(court.sign(OPERATOR, Thawed(CommandId("t")))[1])

    assert say(early) == "frozen"
    assert machine.journal.frozen


@pytest.mark.parametrize(
    "raw",
    [
        lambda court: court.sign(DETECTION, Frozen(CommandId("f")))[1],
        lambda court: Court(name="other").sign(OPERATOR, Frozen(CommandId("f")))[1],
        lambda court: court.sign(OPERATOR, Worse(CHECKOUT, 1))[1],
        lambda court: court.sign(OPERATOR)[1],
        lambda court: b"freeze!",
    ],
    ids=["an agent", "another cluster", "no freeze", "nothing", "garbage"],
)
def test_only_operators_freeze(machine: Machine, raw: Callable[[Court], bytes]) -> None:
    assert machine.actuator.freeze_or_thaw(raw(machine.court)).startswith("refused: ")
    assert not machine.journal.frozen


def test_journal_keeps_progress(machine: Machine) -> None:
    certificate = certify(machine.court, restart())
    order = Order(certificate)
    key = ActionKey(certificate_digest(certificate.body), 0)

    assert machine.journal.entry(key) is None
    machine.journal.intend(key, order, 1, 1)
    machine.start()
    (entry,) = machine.journal.unsettled()

    assert (entry.progress, entry.order, entry.report) == (Progress.INTENDED, order, None)
