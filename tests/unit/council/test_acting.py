"""After the certificate: what the actuator reports, undoing, and how an incident ends."""

import pytest

from engine.certificate import plan_digest
from engine.council import IncidentStatus
from engine.council.elapsing import AWAITED_IN
from engine.genesis import ACTUATOR
from engine.vocabulary import (
    OutcomeKind,
    RestartService,
    Step,
    TakenOver,
    Undone,
    UndoRequested,
    Verdict,
    Worse,
)
from tests.court import (
    AGENTS,
    CHECKOUT,
    COMMUNICATION,
    DETECTION,
    DIAGNOSIS,
    GENERATION,
    OPERATOR,
    PAYMENTS,
    PREDICTION,
    Court,
    plan_of,
    restart,
    roll_back,
)


def acted(plan_undoable: bool = True) -> Court:
    court = Court()
    court.run_to_acted(roll_back() if plan_undoable else restart())
    return court


def undo_request(court: Court) -> UndoRequested:
    return UndoRequested(
        court.command(), CHECKOUT, court.incident.version, plan_digest(court.proposal.plan)
    )


def report_undone(court: Court, outcome: OutcomeKind = OutcomeKind.DONE) -> None:
    court.say(ACTUATOR, Undone(court.certificate_name, 0, outcome))


# --- what the actuator reports --------------------------------------------------------------------


def test_done_goes_on_to_verifying() -> None:
    assert acted().incident.status is IncidentStatus.ACTED


@pytest.mark.parametrize("outcome", [OutcomeKind.NOT_DONE, OutcomeKind.UNKNOWN])
def test_not_done_and_unknown_go_back_to_the_council(outcome: OutcomeKind) -> None:
    court = Court()
    court.open()
    court.decide(restart())
    court.certify()

    happenings = court.act(outcome)

    assert happenings[-1].note == f"the action is {outcome}"
    assert court.attempt.number == 2


def test_every_step_must_be_done() -> None:
    court = Court()
    court.open()
    actions = (
        RestartService(PAYMENTS, GENERATION),
        RestartService(PAYMENTS, type(GENERATION)(4712, 2_000, "1.1.0")),
    )
    court.decide(plan_of(*actions, service=PAYMENTS))
    court.certify()

    court.act(step=0)
    assert court.status() is IncidentStatus.CERTIFIED
    court.act(step=1)

    assert court.status() is IncidentStatus.ACTED


def test_report_of_an_unknown_step_is_ignored() -> None:
    court = Court()
    court.open()
    court.decide(restart())
    court.certify()

    assert court.act(step=1)[0].note == "no such step in the plan"
    assert court.act(step=-1)[0].note == "no such step in the plan"


def test_report_on_an_incomplete_certificate_is_ignored() -> None:
    court = Court()
    court.open()
    court.decide(restart())
    court.certify(*AGENTS[:3])

    assert court.act()[0].note == "no complete certificate has this name"
    assert court.status() is IncidentStatus.DECIDED


def test_first_report_wins() -> None:
    court = acted()

    assert court.act(OutcomeKind.UNKNOWN)[0].note == "this step was reported before"
    assert court.attempt.outcomes == {0: OutcomeKind.DONE}


def test_late_report_of_an_old_attempt_is_recorded_and_moves_nothing() -> None:
    court = Court()
    court.open()
    court.decide(restart())
    court.certify()
    old = court.certificate_name
    court.elapse(Step.ACT)

    court.act(OutcomeKind.DONE, certificate=old)

    assert court.attempt.number == 2
    assert court.status() is IncidentStatus.OPEN
    assert court.incident.attempts[0].outcomes == {0: OutcomeKind.DONE}


# --- undoing --------------------------------------------------------------------------------------


def test_two_agents_that_see_it_worse_fire_the_undo() -> None:
    court = acted()

    court.worsen(DETECTION)
    assert court.status() is IncidentStatus.ACTED
    court.worsen(COMMUNICATION)

    assert court.status() is IncidentStatus.UNDOING
    assert court.attempt.undo_orders.keys() == {DETECTION, COMMUNICATION}


def test_worse_without_an_undo_is_a_new_attempt() -> None:
    court = acted(plan_undoable=False)

    court.worsen()

    assert court.attempt.number == 2


def test_worse_before_anything_was_done_is_ignored() -> None:
    court = Court()
    court.open()

    court.ignored(DETECTION, Worse(CHECKOUT, 1))


def test_undone_is_a_new_attempt() -> None:
    court = acted()
    court.worsen()

    report_undone(court)

    assert court.attempt.number == 2
    assert court.status() is IncidentStatus.OPEN


@pytest.mark.parametrize("outcome", [OutcomeKind.NOT_DONE, OutcomeKind.UNKNOWN])
def test_undo_that_fails_is_handed_over(outcome: OutcomeKind) -> None:
    court = acted()
    court.worsen()

    report_undone(court, outcome)

    assert court.status() is IncidentStatus.HANDED_OVER


def test_undo_that_never_comes_is_handed_over() -> None:
    court = acted()
    court.worsen()

    court.elapse(Step.UNDO)

    assert court.status() is IncidentStatus.HANDED_OVER


def test_operator_alone_fires_the_undo() -> None:
    court = acted()

    court.say(OPERATOR, undo_request(court))

    assert court.status() is IncidentStatus.UNDOING


def test_operator_who_took_over_keeps_it_after_the_undo() -> None:
    court = acted()
    court.say(OPERATOR, TakenOver(court.command(), CHECKOUT, court.incident.version))
    court.say(OPERATOR, undo_request(court))

    report_undone(court)

    assert court.status() is IncidentStatus.TAKEN_OVER
    assert court.attempt.number == 1


def test_undo_is_fired_once() -> None:
    court = acted()
    court.say(OPERATOR, undo_request(court))

    court.ignored(OPERATOR, undo_request(court))


def test_undo_of_what_has_none_is_ignored() -> None:
    court = acted(plan_undoable=False)

    court.ignored(OPERATOR, undo_request(court))

    assert court.status() is IncidentStatus.ACTED


def test_undo_of_what_was_not_done_yet_is_ignored() -> None:
    court = Court()
    court.open()
    court.decide(roll_back())
    court.certify()

    court.ignored(OPERATOR, undo_request(court))


# --- the end --------------------------------------------------------------------------------------


def test_three_agents_end_it() -> None:
    court = acted()

    court.recover(*AGENTS[:2])
    assert court.status() is IncidentStatus.ACTED
    court.recover(AGENTS[2])

    assert court.status() is IncidentStatus.RECOVERED
    assert court.council.closed == 1


def test_incident_that_goes_away_by_itself_subsided() -> None:
    court = Court()
    court.open()

    court.recover()

    assert court.status() is IncidentStatus.SUBSIDED


def test_action_that_was_not_done_recovered_nothing() -> None:
    court = Court()
    court.open()
    court.decide(restart())
    court.certify()
    court.act(OutcomeKind.NOT_DONE)

    court.recover()

    assert court.status() is IncidentStatus.SUBSIDED


def test_recovery_seen_before_the_action_does_not_count_after_it() -> None:
    court = Court()
    court.open()
    court.recover(*AGENTS[:2])
    court.run_to_acted(restart())

    court.recover(AGENTS[2])
    assert court.status() is IncidentStatus.ACTED
    court.recover(*AGENTS[:2])

    assert court.status() is IncidentStatus.RECOVERED


@pytest.mark.parametrize(("green", "held_ms"), [(False, 60_000), (True, 4_999)])
def test_probe_has_to_agree_for_its_hold_time(green: bool, held_ms: int) -> None:
    court = Court(probe=True)
    court.run_to_acted(restart())
    court.probe_says(green=green, held_ms=held_ms)

    court.recover()
    assert court.status() is IncidentStatus.ACTED
    court.probe_says(green=True, held_ms=5_000)

    assert court.status() is IncidentStatus.RECOVERED


def test_silent_probe_does_not_agree() -> None:
    court = Court(probe=True)
    court.run_to_acted(restart())

    court.recover()

    assert court.status() is IncidentStatus.ACTED


def test_probe_alone_ends_nothing() -> None:
    court = Court(probe=True)
    court.run_to_acted(restart())

    court.probe_says(green=True, held_ms=60_000)

    assert court.status() is IncidentStatus.ACTED


@pytest.mark.parametrize("underway", ["decided", "certified", "undoing"])
def test_nobody_can_say_that_it_is_over_while_something_is_under_way(underway: str) -> None:
    court = Court()
    court.open()
    court.decide(roll_back())
    if underway != "decided":
        court.certify()
    if underway == "undoing":
        court.act()
        court.worsen()

    for agent in AGENTS:
        court.recover(agent)

    assert str(court.status()) == underway


def test_handed_over_after_the_last_attempt_and_still_closes_when_it_is_over() -> None:
    court = Court()
    court.open()
    for attempt in range(court.rules.limits.attempts):
        court.run_to_acted(restart(pid=attempt))
        court.elapse(Step.RECOVER)
    assert court.status() is IncidentStatus.HANDED_OVER

    court.recover()

    assert court.status() is IncidentStatus.RECOVERED


# --- time -----------------------------------------------------------------------------------------


def test_one_agents_clock_ends_nothing() -> None:
    court = acted()

    court.elapse(Step.RECOVER, DIAGNOSIS)
    court.elapse(Step.RECOVER, DIAGNOSIS)

    assert court.attempt.number == 1


def test_voice_about_an_earlier_status_cannot_cut_a_later_one_short() -> None:
    court = Court()
    court.open()
    court.propose(restart())

    # Raised while nobody had a plan, ordered after somebody had one.
    court.elapse(Step.PLAN)

    assert court.attempt.number == 1
    assert court.status() is IncidentStatus.PROPOSED


@pytest.mark.parametrize(
    "step", [s for s in Step if IncidentStatus.OPEN not in AWAITED_IN[s]], ids=str
)
def test_step_that_is_not_awaited_cannot_elapse(step: Step) -> None:
    court = Court()
    court.open()

    court.elapse(step)

    assert not court.attempt.elapsed


def test_every_step_is_awaited_somewhere() -> None:
    assert AWAITED_IN.keys() == set(Step)


def test_late_assessment_of_an_old_attempt_is_harmless() -> None:
    court = Court()
    court.open()
    old = court.propose(restart()).digest
    for agent in AGENTS[:3]:
        court.assess(agent, Verdict.REJECT, proposal=old)

    court.assess(PREDICTION, proposal=old)

    assert court.attempt.number == 2
    assert not court.attempt.proposals
