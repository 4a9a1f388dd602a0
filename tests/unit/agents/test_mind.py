"""What a mind says: each duty once, in time, and never two things where it may say only one."""

from dataclasses import dataclass, field

import msgspec
import pytest

from engine.agents.mind import Mind, Now
from engine.agents.patience import deadlines
from engine.agents.spoken import SpokenFile
from engine.council import Attempt, Incident, IncidentStatus
from engine.council.elapsing import AWAITED_IN
from engine.policy import Patience
from engine.telemetry.window import Window
from engine.vocabulary import (
    AgentId,
    Assessed,
    Certified,
    Digest,
    Elapsed,
    Frozen,
    Operation,
    Proposed,
    Step,
    Verdict,
)
from tests.court import (
    AGENTS,
    CHECKOUT,
    DETECTION,
    MANIFEST,
    NOT_AFTER_MS,
    OPERATOR,
    RESOLUTION,
    Court,
    restart,
    signer_of,
)

SPAN_MS = 60_000
IN_TIME_MS = NOT_AFTER_MS - 30_000


@dataclass
class Memory:
    """What was said, in memory."""

    said: dict[str, Operation] = field(default_factory=dict)

    def recall(self, identity: str) -> Operation | None:
        return self.said.get(identity)

    def remember(self, identity: str, operation: Operation) -> None:
        self.said[identity] = operation


def mind_of(court: Court, agent: AgentId = DETECTION, memory: Memory | None = None) -> Mind:
    """A mind that sees nothing: its window is empty."""
    return Mind(agent, signer_of(agent), court.council, Window(MANIFEST), memory or Memory())


def at(unix_ms: int) -> Now:
    """One time, by both clocks."""
    return Now(unix_ms, unix_ms)


def decided() -> Court:
    court = Court()
    court.open()
    court.decide(restart())
    return court


def proposed() -> Court:
    court = Court()
    court.open()
    court.propose(restart())
    return court


# --- certifying -----------------------------------------------------------------------------------


def test_certifies_what_was_decided_once() -> None:
    court = decided()
    mind = mind_of(court)

    (certified,) = mind.step(at(IN_TIME_MS))

    assert isinstance(certified, Certified)
    assert court.say(DETECTION, certified)[0].kind == "certified"
    assert mind.step(at(IN_TIME_MS + 1)) == []


@pytest.mark.parametrize("now_ms", [NOT_AFTER_MS, NOT_AFTER_MS - SPAN_MS - 1])
def test_does_not_sign_what_is_over_or_lasts_longer_than_policy_lets_it(now_ms: int) -> None:
    assert mind_of(decided()).step(at(now_ms)) == []


def test_does_not_sign_while_frozen() -> None:
    court = decided()
    court.say(OPERATOR, Frozen(court.command()))

    assert mind_of(court).step(at(IN_TIME_MS)) == []


def test_gives_a_decision_up_only_when_its_certificate_is_over_for_everybody() -> None:
    court = decided()
    mind = mind_of(court)
    court.say(OPERATOR, Frozen(court.command()))

    for now_ms in (IN_TIME_MS, NOT_AFTER_MS, NOT_AFTER_MS + 999):
        assert mind.step(at(now_ms)) == []
    assert mind.step(at(NOT_AFTER_MS + 1_000)) == [Elapsed(CHECKOUT, 1, Step.CERTIFY)]


# --- judging --------------------------------------------------------------------------------------


@pytest.mark.parametrize("now_ms", [NOT_AFTER_MS, NOT_AFTER_MS - SPAN_MS - 1])
def test_rejects_a_plan_that_it_would_not_sign(now_ms: int) -> None:
    court = proposed()

    said = mind_of(court).step(at(now_ms))

    assert said == [Assessed(CHECKOUT, court.proposal.digest, Verdict.REJECT, 0)]


def test_abstains_only_after_having_waited_for_its_window() -> None:
    mind = mind_of(proposed())

    assert mind.step(at(IN_TIME_MS)) == []
    (said,) = mind.step(at(IN_TIME_MS + Patience().assess_ms // 2))

    assert isinstance(said, Assessed)
    assert said.verdict is Verdict.ABSTAIN


def test_says_the_same_again_after_a_crash_and_is_not_convicted() -> None:
    court, memory = proposed(), Memory()
    (first,) = mind_of(court, memory=memory).step(at(NOT_AFTER_MS))

    # It judges differently now, but it has spoken.
    (second,) = mind_of(court, memory=memory).step(at(IN_TIME_MS))
    court.say(DETECTION, first)
    court.say(DETECTION, second)

    assert first == second
    assert not court.council.convicted


def test_words_survive_a_crash_on_disk_and_a_torn_record_was_never_said(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    path = tmp_path_factory.mktemp("agent") / "spoken"
    first = Assessed(CHECKOUT, restart_digest(), Verdict.ACCEPT, 1)
    memory = SpokenFile(path)
    memory.remember("one", first)
    memory.remember("two", first)
    memory.close()
    path.write_bytes(path.read_bytes()[:-3])

    again = SpokenFile(path)
    recalled = (again.recall("one"), again.recall("two"))
    again.remember("three", first)
    again.close()
    once_more = SpokenFile(path)
    once_more.close()

    assert recalled == (first, None)
    assert once_more.recall("three") == first


def restart_digest() -> Digest:
    court = proposed()
    return court.proposal.digest


# --- time -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", IncidentStatus)
def test_only_steps_that_the_council_awaits_are_said_to_have_elapsed(
    status: IncidentStatus,
) -> None:
    incident = Incident(CHECKOUT, "checkout", status, 1, attempts=[Attempt(1)])

    steps = [step for step, _ in deadlines(incident, Patience(), 0)]

    assert steps == [step for step in Step if status in AWAITED_IN[step]]


def test_deputies_get_the_step_before_the_attempt_is_given_up() -> None:
    incident = Incident(CHECKOUT, "checkout", IncidentStatus.OPEN, 1, attempts=[Attempt(1)])

    times = dict(deadlines(incident, Patience(), 0))

    assert times[Step.DIAGNOSE] < times[Step.PROPOSE] < times[Step.PLAN]


def test_minds_that_see_nothing_hand_over_in_the_end() -> None:
    court = Court()
    court.open()
    minds = {agent: mind_of(court, agent) for agent in AGENTS}
    now_ms = IN_TIME_MS

    for _ in range(400):
        now_ms += 500
        for agent, mind in minds.items():
            for operation in mind.step(at(now_ms)):
                court.say(agent, operation)

    assert court.status() is IncidentStatus.HANDED_OVER
    assert court.attempt.number == court.rules.limits.attempts
    assert len(court.log) < 200


def test_elapsed_is_said_once_and_not_before_its_time() -> None:
    court = proposed()
    mind = mind_of(court)
    said = [
        operation
        for tick in range(40)
        for operation in mind.step(at(IN_TIME_MS + 500 * tick))
        if isinstance(operation, Elapsed)
    ]

    assert said == [Elapsed(CHECKOUT, 1, Step.ASSESS)]


def test_plan_with_a_far_end_is_never_decided_by_minds() -> None:
    court = Court()
    court.open()
    endless = msgspec.structs.replace(restart(), not_after_ms=1 << 50)
    court.say(RESOLUTION, Proposed(CHECKOUT, 1, endless))

    for agent in AGENTS:
        for operation in mind_of(court, agent).step(at(IN_TIME_MS)):
            court.say(agent, operation)

    assert court.attempt.number == 2
