"""What a new epoch means for the council: whose lie it was, who may speak, and what begins anew."""

import msgspec
import pytest

from engine.charter import Charter
from engine.council import IncidentStatus
from engine.policy import DRILL_RULES, Automation, Limits, Rules, Spans
from engine.vocabulary import Assessed, Convicted, Policy, Verdict
from tests.court import (
    AGENTS,
    CHECKOUT,
    COMMUNICATION,
    DETECTION,
    OPERATOR,
    Court,
    restart,
)


def begin(court: Court) -> Charter:
    """Have what was ordered take effect."""
    charter = court.council.changes.charter(bytes(32))
    court.council.begin(charter)
    return charter


def test_an_order_to_replace_is_counted_and_told_with_its_end() -> None:
    court = Court()

    happenings = court.say(OPERATOR, court.replaced(COMMUNICATION))

    assert [it.kind for it in happenings] == ["replaced", "changing"]
    assert happenings[1].note == "communication-1: epoch ends at 192"


def test_a_conviction_ends_with_the_key_that_lied() -> None:
    court = Court(convict=lambda *_: True)
    for culprit in (COMMUNICATION,):
        court.say(DETECTION, Convicted(culprit, "double-commit", b"1", b"2"))
    court.say(OPERATOR, court.replaced(COMMUNICATION))
    assert court.council.convicted == {COMMUNICATION}

    happenings = court.council.begin(court.council.changes.charter(bytes(32)))

    assert court.council.convicted == set()
    assert court.council.genesis.epoch == 1
    assert happenings[0].note == "epoch 1: another key for communication-1"


def test_somebody_elses_conviction_outlives_the_epoch() -> None:
    court = Court(convict=lambda *_: True)
    court.say(DETECTION, Convicted(AGENTS[1], "double-commit", b"1", b"2"))
    court.say(OPERATOR, court.replaced(COMMUNICATION))

    begin(court)

    assert court.council.convicted == {AGENTS[1]}


def test_what_is_signed_for_the_old_epoch_is_ignored_in_the_new_one() -> None:
    court = Court()
    court.say(OPERATOR, court.replaced(COMMUNICATION))
    begin(court)

    assert court.ignored(DETECTION, Assessed(CHECKOUT, b"p" * 32, Verdict.ACCEPT, 1)) == (  # type: ignore[arg-type]
        "of another cluster or epoch"
    )


def test_a_successor_may_judge_otherwise_than_who_was_there_before() -> None:
    court = Court()
    court.open()
    proposal = court.propose(restart())
    court.assess(COMMUNICATION, Verdict.REJECT)
    court.assess(DETECTION)
    court.say(OPERATOR, court.replaced(COMMUNICATION))
    court.genesis = begin(court)

    court.assess(COMMUNICATION, Verdict.ACCEPT)

    assert set(proposal.assessments) == {COMMUNICATION, DETECTION}
    assert proposal.assessments[COMMUNICATION].verdict is Verdict.ACCEPT
    assert not court.council.proven


def test_what_was_decided_and_not_certified_is_tried_again_in_the_new_epoch() -> None:
    court = Court()
    court.open()
    court.decide(restart())
    assert court.status() is IncidentStatus.DECIDED
    court.say(OPERATOR, court.replaced(COMMUNICATION))

    begin(court)

    assert court.status() is IncidentStatus.OPEN
    assert court.attempt.number == 2


def test_what_was_certified_stands() -> None:
    court = Court()
    court.open()
    court.decide(restart())
    court.certify()
    court.say(OPERATOR, court.replaced(COMMUNICATION))

    court.genesis = begin(court)
    court.act()

    assert court.status() is IncidentStatus.ACTED


# --- another policy -------------------------------------------------------------------------------

ASKS = msgspec.structs.replace(DRILL_RULES, automation=Automation(low=Policy.ASK))


def test_an_order_for_another_policy_is_told_with_its_end_and_the_epoch_with_what_it_changes() -> (
    None
):
    court = Court()

    ordered = court.say(OPERATOR, court.configured(ASKS))
    begun = court.council.begin(court.council.changes.charter(bytes(32)))

    assert [(it.kind, it.note) for it in ordered] == [
        ("configured", ""),
        ("changing", "policy: epoch ends at 192"),
    ]
    (told,) = [it.note for it in begun]
    assert told == (
        "epoch 1: policy automation.low ask (was auto), automation.medium ask (was auto), "
        "automation.high ask (was auto)"
    )
    assert court.council.rules == ASKS


def test_a_policy_counts_from_its_epoch_on_and_no_earlier() -> None:
    court = Court()
    court.open()
    court.say(OPERATOR, court.configured(ASKS))
    court.propose(restart())
    court.accept(*AGENTS[:3])
    assert court.status() is IncidentStatus.DECIDED

    court.genesis = begin(court)
    court.propose(restart())
    court.accept(*AGENTS[:3])

    assert court.attempt.number == 2
    assert court.status() is IncidentStatus.AWAITING_APPROVAL
    court.approve()
    assert court.attempt.body is not None
    assert court.attempt.body.policy == ASKS.digest == court.council.genesis.policy


@pytest.mark.parametrize(
    ("rules", "end"),
    [
        (DRILL_RULES, IncidentStatus.DECIDED),
        (Rules(automation=Automation(low=Policy.OBSERVE)), IncidentStatus.HANDED_OVER),
        (
            msgspec.structs.replace(ASKS, spans=Spans(ask_ms=1_000)),
            IncidentStatus.AWAITING_APPROVAL,
        ),
    ],
)
def test_what_waits_for_an_operator_is_put_to_the_council_anew_under_another_policy(
    rules: Rules, end: IncidentStatus
) -> None:
    """Its plan ends when the old policy let it: nobody would sign that under a shorter span."""
    court = Court(ASKS)
    court.open()
    court.propose(restart())
    court.accept(*AGENTS[:3])
    assert court.status() is IncidentStatus.AWAITING_APPROVAL
    court.say(OPERATOR, court.configured(rules))

    court.genesis = begin(court)
    assert (court.status(), court.attempt.number) == (IncidentStatus.OPEN, 2)
    court.propose(restart())
    court.accept(*AGENTS[:3])

    assert court.status() is end


def test_what_waits_for_an_operator_goes_on_waiting_when_a_policy_judges_it_as_before() -> None:
    court = Court(ASKS)
    court.open()
    court.propose(restart())
    court.accept(*AGENTS[:3])
    court.say(OPERATOR, court.configured(msgspec.structs.replace(ASKS, limits=Limits(attempts=2))))

    court.genesis = begin(court)

    assert (court.status(), court.attempt.number) == (IncidentStatus.AWAITING_APPROVAL, 1)
    court.approve()
    assert court.status() is IncidentStatus.DECIDED


def test_attempts_are_as_many_as_the_policy_in_force_allows() -> None:
    court = Court()
    court.open()
    court.decide(restart())
    once = msgspec.structs.replace(DRILL_RULES, limits=Limits(attempts=1))
    court.say(OPERATOR, court.configured(once))

    begin(court)

    assert court.status() is IncidentStatus.HANDED_OVER


def test_another_policy_is_part_of_the_state_that_agents_compare() -> None:
    one, other = Court(), Court()
    one.say(OPERATOR, one.configured(ASKS))
    other.say(OPERATOR, other.configured(Rules(limits=Limits(attempts=1))))
    assert one.council.digest() != other.council.digest()

    begin(one)
    begin(other)

    assert one.council.digest() != other.council.digest()
