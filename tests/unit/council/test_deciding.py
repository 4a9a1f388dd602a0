"""From a proposal to a certificate: thresholds, ranking, policy, freeze and signatures."""

from collections.abc import Callable

import msgspec
import pytest

from engine.certificate import objection_to, plan_digest
from engine.codec import NO_DIGEST
from engine.council import IncidentStatus
from engine.policy import Automation, Limits, Rules
from engine.vocabulary import (
    AgentId,
    Approved,
    Assessed,
    Convicted,
    Diagnosed,
    Digest,
    FaultKind,
    Frozen,
    Hypothesis,
    Noted,
    OutcomeKind,
    Plan,
    Policy,
    Proposed,
    Refused,
    Risk,
    ServiceName,
    Step,
    TakenOver,
    Thawed,
    Verdict,
)
from tests.court import (
    AGENTS,
    CHECKOUT,
    COMMUNICATION,
    DETECTION,
    DIAGNOSIS,
    OPERATOR,
    OTHER_OPERATOR,
    PREDICTION,
    RESOLUTION,
    VERIFIER,
    Court,
    plan_of,
    restart,
    roll_back,
)

ASK = Rules(automation=Automation(low=Policy.ASK, medium=Policy.ASK, high=Policy.ASK))
OBSERVE = Rules(automation=Automation(low=Policy.OBSERVE))


def court_with_proposal(plan: Plan | None = None, rules: Rules | None = None) -> Court:
    court = Court() if rules is None else Court(rules)
    court.open()
    court.propose(plan or restart())
    return court


def compete(court: Court, plan: Plan, author: AgentId = DIAGNOSIS) -> Digest:
    """Put a second plan to the council, as a deputy."""
    return court.propose(plan, author).digest


def court_with_two_proposals() -> tuple[Court, Digest, Digest]:
    court = Court()
    court.open()
    court.elapse(Step.PROPOSE)
    first = court.propose(restart()).digest
    return court, first, compete(court, restart(pid=4712))


# --- who may plan ---------------------------------------------------------------------------------


@pytest.mark.parametrize("step", [Step.DIAGNOSE, Step.PROPOSE])
def test_deputy_may_take_a_step_only_after_two_agents_say_that_it_elapsed(step: Step) -> None:
    court = Court()
    court.open()
    deputy = COMMUNICATION
    operation = (
        Diagnosed(CHECKOUT, 1, ()) if step is Step.DIAGNOSE else Proposed(CHECKOUT, 1, restart())
    )

    before = court.ignored(deputy, operation)
    court.elapse(step, DETECTION)
    still = court.ignored(deputy, operation)
    court.elapse(step, PREDICTION)
    after = court.say(deputy, operation)

    assert before == still == "another role's duty, and its time is not over"
    assert after[0].kind != "ignored"


def test_diagnosis_of_an_unknown_service_is_ignored() -> None:
    court = Court()
    court.open()
    nowhere = Hypothesis(ServiceName("nowhere"), FaultKind.CRASH, 900)

    court.ignored(DIAGNOSIS, Diagnosed(CHECKOUT, 1, (nowhere,)))


@pytest.mark.parametrize(
    "forge",
    [
        lambda plan: msgspec.structs.replace(plan, risk=Risk.LOW),
        lambda plan: msgspec.structs.replace(plan, undo=()),
        lambda plan: msgspec.structs.replace(plan, blast_radius=()),
        lambda plan: msgspec.structs.replace(plan, actions=()),
        lambda plan: msgspec.structs.replace(plan, actions=plan.undo),
    ],
    ids=["risk", "undo", "blast radius", "nothing to do", "an undo as action"],
)
def test_plan_that_the_catalogue_refuses_is_ignored(forge: Callable[[Plan], Plan]) -> None:
    court = Court()
    court.open()

    reason = court.ignored(RESOLUTION, Proposed(CHECKOUT, 1, forge(roll_back())))

    assert reason.startswith("the plan ")


def test_author_proposes_once_in_an_attempt() -> None:
    court = court_with_proposal()

    reason = court.ignored(RESOLUTION, Proposed(CHECKOUT, 1, restart(pid=1)))

    assert reason == "this agent has proposed in this attempt"


def test_same_plan_is_put_to_the_council_once() -> None:
    court = Court()
    court.open()
    court.elapse(Step.PROPOSE)
    court.propose(restart())

    reason = court.ignored(DIAGNOSIS, Proposed(CHECKOUT, 1, restart()))

    assert reason == "the same plan was put to the council in this attempt"


def test_same_action_on_the_same_run_is_not_tried_again() -> None:
    court = Court()
    court.run_to_acted(restart())
    court.elapse(Step.RECOVER)

    same = court.ignored(RESOLUTION, Proposed(CHECKOUT, 2, restart()))

    assert same == "this action on this run was tried before in this incident"
    court.propose(restart(pid=4712))
    assert court.status() is IncidentStatus.PROPOSED


def test_plan_cannot_hold_the_same_action_twice() -> None:
    court = Court()
    court.open()
    (action,) = restart().actions

    court.ignored(
        RESOLUTION,
        Proposed(CHECKOUT, 1, plan_of(action, action, service=action.service)),
    )


# --- thresholds -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("plan", "risk", "accepts"),
    [
        (restart("payments"), Risk.LOW, 3),
        (roll_back("payments"), Risk.MEDIUM, 3),
        (restart("postgres"), Risk.HIGH, 4),
    ],
)
def test_plan_is_decided_with_exactly_its_threshold(plan: Plan, risk: Risk, accepts: int) -> None:
    court = court_with_proposal(plan)
    assert plan.risk is risk

    court.accept(*AGENTS[: accepts - 1])
    assert court.status() is IncidentStatus.PROPOSED
    court.accept(AGENTS[accepts - 1])

    assert court.status() is IncidentStatus.DECIDED


@pytest.mark.parametrize(("plan", "rejects"), [(restart(), 3), (restart("postgres"), 2)])
@pytest.mark.parametrize("verdict", [Verdict.REJECT, Verdict.ABSTAIN])
def test_plan_is_refused_as_soon_as_its_threshold_is_out_of_reach(
    plan: Plan, rejects: int, verdict: Verdict
) -> None:
    court = court_with_proposal(plan)

    for agent in AGENTS[: rejects - 1]:
        court.assess(agent, verdict)
    assert court.attempt.number == 1
    happenings = court.assess(AGENTS[rejects - 1], verdict)

    assert happenings[-1].note == "refused by the council"
    assert court.attempt.number == 2
    assert court.status() is IncidentStatus.OPEN


def test_silent_agents_have_abstained_once_assessing_elapsed() -> None:
    court = court_with_proposal()
    court.accept(*AGENTS[:2])

    court.elapse(Step.ASSESS, DETECTION)
    assert court.attempt.number == 1
    court.elapse(Step.ASSESS, PREDICTION)

    assert court.attempt.number == 2


def test_conviction_may_put_a_threshold_out_of_reach() -> None:
    court = Court(convict=lambda *_: True)
    court.open()
    court.propose(restart("postgres"))
    court.assess(AGENTS[0], Verdict.REJECT)

    court.say(DETECTION, Convicted(COMMUNICATION, "double commit", b"1", b"2"))

    assert court.attempt.number == 2


def test_conviction_changes_no_threshold() -> None:
    court = Court(convict=lambda *_: True)
    court.open()
    court.say(DETECTION, Convicted(COMMUNICATION, "double commit", b"1", b"2"))
    court.propose(restart("postgres"))

    court.accept(*AGENTS[:3])
    assert court.status() is IncidentStatus.PROPOSED
    court.accept(AGENTS[3])

    assert court.status() is IncidentStatus.DECIDED


def test_never_more_than_f_agents_are_convicted() -> None:
    court = Court(convict=lambda *_: True)
    court.say(DETECTION, Convicted(COMMUNICATION, "double commit", b"1", b"2"))

    told = court.say(DETECTION, Convicted(RESOLUTION, "double commit", b"1", b"2"))

    assert court.council.convicted == {COMMUNICATION}
    assert court.council.proven == {COMMUNICATION, RESOLUTION}
    assert "violated" in {happening.kind for happening in told}


def test_conviction_without_proof_is_ignored() -> None:
    court = Court()

    court.ignored(DETECTION, Convicted(COMMUNICATION, "double commit", b"1", b"2"))

    assert not court.council.convicted


# --- identity -------------------------------------------------------------------------------------


def test_second_different_assessment_is_ignored_and_convicts() -> None:
    court = court_with_proposal()
    court.assess(COMMUNICATION, Verdict.ACCEPT)

    happenings = court.assess(COMMUNICATION, Verdict.REJECT)

    assert [happening.kind for happening in happenings] == ["ignored", "convicted"]
    assert court.proposal.assessments[COMMUNICATION].verdict is Verdict.ACCEPT
    assert court.council.convicted == {COMMUNICATION}


def test_assessment_sent_again_convicts_nobody() -> None:
    court = court_with_proposal()
    court.assess(COMMUNICATION, Verdict.ACCEPT)

    court.assess(COMMUNICATION, Verdict.ACCEPT)

    assert not court.council.convicted


def test_score_is_per_mille() -> None:
    court = court_with_proposal()
    digest = court.proposal.digest

    court.ignored(DETECTION, Assessed(CHECKOUT, digest, Verdict.ACCEPT, 1001))


def test_command_id_counts_once_whatever_it_says() -> None:
    court = court_with_proposal()
    command = court.command()
    court.say(OPERATOR, Noted(command, CHECKOUT, "looking"))

    court.say(OPERATOR, Frozen(command))
    assert not court.council.frozen
    court.say(OTHER_OPERATOR, Frozen(command))

    assert court.council.frozen


# --- competing proposals --------------------------------------------------------------------------


def test_carried_plan_waits_for_a_competitor_that_may_still_be_carried() -> None:
    court, first, second = court_with_two_proposals()

    for agent in AGENTS[:3]:
        court.assess(agent, score=700, proposal=first)
    assert court.status() is IncidentStatus.PROPOSED
    for agent in AGENTS[:3]:
        court.assess(agent, score=800, proposal=second)

    assert court.attempt.chosen == second


def test_second_lowest_score_ranks_so_one_liar_cannot_lift_a_plan() -> None:
    court, first, second = court_with_two_proposals()

    for agent, score in zip(AGENTS, (600, 620, 1000, 1000, 1000), strict=True):
        court.assess(agent, score=score, proposal=first)
    for agent, score in zip(AGENTS[:3], (0, 700, 700), strict=True):
        court.assess(agent, score=score, proposal=second)

    assert court.attempt.chosen == second


def test_carried_plan_is_decided_when_assessing_elapsed() -> None:
    court, first, _ = court_with_two_proposals()
    for agent in AGENTS[:3]:
        court.assess(agent, proposal=first)

    court.elapse(Step.ASSESS)

    assert court.attempt.chosen == first


# --- policy ---------------------------------------------------------------------------------------


def test_observe_hands_over() -> None:
    court = court_with_proposal(restart(), OBSERVE)

    court.accept(*AGENTS[:3])

    assert court.status() is IncidentStatus.HANDED_OVER
    assert court.attempt.body is None


def test_auto_needs_no_approval() -> None:
    court = court_with_proposal()

    court.accept(*AGENTS[:3])

    assert court.attempt.body is not None
    assert court.attempt.body.approval == NO_DIGEST


def test_ask_waits_for_an_operator_and_the_certificate_names_his_word() -> None:
    court = court_with_proposal(restart(), ASK)

    court.accept(*AGENTS[:3])
    assert court.status() is IncidentStatus.AWAITING_APPROVAL
    court.approve()

    assert court.status() is IncidentStatus.DECIDED
    assert court.attempt.body is not None
    assert court.attempt.body.approval != NO_DIGEST


def test_approval_before_the_vote_does_not_replace_the_vote() -> None:
    court = court_with_proposal(restart(), ASK)

    court.approve()
    assert court.status() is IncidentStatus.PROPOSED
    court.accept(*AGENTS[:3])

    assert court.status() is IncidentStatus.DECIDED


@pytest.mark.parametrize("wrong", ["version", "plan", "expiry"])
def test_approval_is_bound_to_what_the_operator_saw(wrong: str) -> None:
    court = court_with_proposal(restart(), ASK)
    court.accept(*AGENTS[:3])
    version, plan = court.incident.version, court.proposal.plan

    court.ignored(
        OPERATOR,
        Approved(
            court.command(),
            CHECKOUT,
            version - (wrong == "version"),
            plan_digest(restart(pid=1) if wrong == "plan" else plan),
            plan.not_after_ms + (wrong == "expiry"),
        ),
    )

    assert court.status() is IncidentStatus.AWAITING_APPROVAL


def test_operator_may_approve_another_carried_plan_than_the_best() -> None:
    court = Court(ASK)
    court.open()
    court.elapse(Step.PROPOSE)
    first = court.propose(restart())
    best = compete(court, restart(pid=4712))
    for agent in AGENTS[:3]:
        court.assess(agent, score=500, proposal=first.digest)
        court.assess(agent, score=900, proposal=best)

    plan = first.plan
    court.say(
        OPERATOR,
        Approved(
            court.command(), CHECKOUT, court.incident.version, plan_digest(plan), plan.not_after_ms
        ),
    )

    assert court.attempt.chosen == first.digest


def test_operators_no_ends_the_attempt_when_it_was_the_last_plan() -> None:
    court = court_with_proposal(restart(), ASK)
    court.accept(*AGENTS[:3])

    happenings = court.say(
        OPERATOR,
        Refused(court.command(), CHECKOUT, court.incident.version, plan_digest(restart())),
    )

    assert happenings[-1].note == "refused by an operator"
    assert court.attempt.number == 2


def test_operators_no_leaves_the_other_carried_plan() -> None:
    court = Court(ASK)
    court.open()
    court.elapse(Step.PROPOSE)
    first = court.propose(restart())
    best = compete(court, restart(pid=4712))
    for agent in AGENTS[:3]:
        court.assess(agent, score=500, proposal=first.digest)
        court.assess(agent, score=900, proposal=best)

    version = court.incident.version
    court.say(
        OPERATOR,
        Refused(court.command(), CHECKOUT, version, plan_digest(restart(pid=4712))),
    )

    assert court.status() is IncidentStatus.AWAITING_APPROVAL
    assert court.incident.version > version
    assert court.proposal.digest == first.digest


def test_nobody_approves_in_time_hands_over() -> None:
    court = court_with_proposal(restart(), ASK)
    court.accept(*AGENTS[:3])

    court.elapse(Step.APPROVE)

    assert court.status() is IncidentStatus.HANDED_OVER


# --- freeze and people ----------------------------------------------------------------------------


def test_frozen_council_decides_nothing_until_thawed() -> None:
    court = court_with_proposal()
    court.say(OPERATOR, Frozen(court.command()))

    court.accept(*AGENTS)
    assert court.status() is IncidentStatus.PROPOSED
    court.say(OPERATOR, Thawed(court.command()))

    assert court.status() is IncidentStatus.DECIDED


def test_taken_over_incident_is_left_to_the_operator() -> None:
    court = court_with_proposal()
    court.say(OPERATOR, TakenOver(court.command(), CHECKOUT, court.incident.version))

    court.accept(*AGENTS)

    assert court.status() is IncidentStatus.TAKEN_OVER
    assert court.attempt.body is None


# --- the certificate ------------------------------------------------------------------------------


def test_certificate_is_complete_at_the_quorum_and_verifies() -> None:
    court = Court()
    court.open()
    court.decide(restart())

    court.certify(*AGENTS[:3])
    assert court.status() is IncidentStatus.DECIDED
    court.certify(AGENTS[3])

    certificate = court.attempt.certificate
    assert certificate is not None
    assert objection_to(certificate, court.genesis, VERIFIER) == ""
    assert court.status() is IncidentStatus.CERTIFIED


def test_late_signature_does_not_change_the_certificate() -> None:
    court = Court()
    court.open()
    court.decide(restart())
    court.certify()
    certificate = court.attempt.certificate

    court.certify(AGENTS[4])

    assert court.attempt.certificate == certificate
    assert certificate is not None
    assert certificate.signatures.keys() == set(AGENTS[:4])


def test_signature_by_another_key_is_ignored() -> None:
    court = Court()
    court.open()
    court.decide(restart())

    stolen = court.certification(AGENTS[1])

    assert court.ignored(AGENTS[0], stolen) == "the signature does not verify"


def test_signature_over_another_body_is_ignored() -> None:
    court = Court()
    court.open()
    court.decide(restart())
    other = msgspec.structs.replace(court.certification(AGENTS[0]), body=NO_DIGEST)

    assert court.ignored(AGENTS[0], other) == "another body than the fold's"


def test_signature_for_an_earlier_attempt_is_harmless() -> None:
    court = Court()
    court.open()
    court.decide(restart())
    court.certify(*AGENTS[:3])
    late = court.certification(AGENTS[3])
    old = court.certificate_name
    court.elapse(Step.CERTIFY)

    court.ignored(AGENTS[3], late)
    court.act(OutcomeKind.DONE, certificate=old)

    assert court.attempt.number == 2
    assert court.status() is IncidentStatus.OPEN
    assert not court.attempt.outcomes


def test_attempts_are_as_many_as_policy_allows_then_people_get_it() -> None:
    court = Court(Rules(limits=Limits(attempts=2)))
    court.open()

    court.elapse(Step.PLAN)
    assert court.attempt.number == 2
    court.elapse(Step.PLAN)

    assert court.status() is IncidentStatus.HANDED_OVER
    assert court.attempt.number == 2
