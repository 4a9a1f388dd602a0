"""What the responders did, told from the log alone and judged by the truth of the drill."""

from chaos.measure import ActionTaken
from chaos.story import Expectation, Stamped, needless, story_of
from engine.council import Happening
from engine.vocabulary import (
    AuthorId,
    Diagnosed,
    FaultKind,
    Hypothesis,
    Operation,
    OutcomeKind,
    ServiceName,
    Step,
)
from tests.court import CHECKOUT, DIAGNOSIS, Court, restart

PAYMENTS = ServiceName("payments")
TRUTH = Expectation(PAYMENTS, FaultKind.CRASH, "restart-service")
RIGHT = (Hypothesis(PAYMENTS, FaultKind.CRASH, 900),)
WRONG = (Hypothesis(ServiceName("catalog"), FaultKind.CRASH, 900),)


class StampedCourt(Court):
    """A court whose every word is stamped a second after the last one."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.stamped: list[Stamped] = []

    def say(self, author: AuthorId, *operations: Operation) -> list[Happening]:
        happenings = super().say(author, *operations)
        self.stamped += [Stamped(len(self.log) * 10**9, happening) for happening in happenings]
        return happenings

    def diagnose(self, hypotheses: tuple[Hypothesis, ...]) -> None:
        self.say(DIAGNOSIS, Diagnosed(CHECKOUT, self.attempt.number, hypotheses))


def at(court: StampedCourt, kind: str) -> int:
    return next(one.received_ns for one in court.stamped if one.happening.kind == kind)


def test_every_stamp_is_when_the_engine_received_what_it_is_about() -> None:
    court = StampedCourt()
    court.open()
    court.diagnose(RIGHT)
    court.decide(restart())
    court.certify()
    court.act()

    story = story_of(court.stamped, court.council, TRUTH, 0)

    assert story.detected_ns == at(court, "open") == 2 * 10**9
    assert story.diagnosed_ns == at(court, "diagnosed")
    assert story.decided_ns == at(court, "decided")
    assert story.acted_ns == at(court, "acted on")
    order = [at(court, kind) for kind in ("open", "diagnosed", "decided", "acted on")]
    assert order == sorted(set(order))
    assert story.diagnosis_right is True
    (action,) = story.actions
    assert (action.action, action.service, action.outcome) == ("restart-service", PAYMENTS, "done")
    assert story.needless_actions == 0
    assert not story.handed_over


def test_a_wrong_diagnosis_has_no_time_and_is_not_right() -> None:
    court = StampedCourt()
    court.open()
    court.diagnose(WRONG)

    story = story_of(court.stamped, court.council, TRUTH, 0)

    assert story.diagnosed_ns is None
    assert story.diagnosis_right is False


def test_without_any_diagnosis_nobody_was_right_or_wrong() -> None:
    court = StampedCourt()
    court.open()

    assert story_of(court.stamped, court.council, TRUTH, 0).diagnosis_right is None


def test_what_came_before_the_injection_is_not_the_responders_merit() -> None:
    court = StampedCourt()
    court.open()

    story = story_of(court.stamped, court.council, TRUTH, 60 * 10**9)

    assert story.detected_ns is None


def test_an_incident_that_nobody_could_mend_is_told_as_handed_over() -> None:
    court = StampedCourt()
    court.open()
    for _ in range(12):
        if court.council.incidents[CHECKOUT].status == "handed over":
            break
        court.elapse(Step.PLAN)

    assert story_of(court.stamped, court.council, TRUTH, 0).handed_over


def action(service: str, name: str, outcome: OutcomeKind = OutcomeKind.DONE) -> ActionTaken:
    return ActionTaken(name, service, str(outcome), 1.0)


def test_the_one_right_repair_is_needed_and_everything_else_is_not() -> None:
    right = action("payments", "restart-service")

    assert needless([right], TRUTH) == 0
    assert needless([right, right], TRUTH) == 1
    assert needless([action("catalog", "restart-service"), right], TRUTH) == 1
    assert needless([action("payments", "roll-back")], TRUTH) == 1


def test_what_changed_nothing_was_not_needless() -> None:
    assert needless([action("catalog", "restart-service", OutcomeKind.NOT_DONE)], TRUTH) == 0


def test_when_nothing_was_broken_every_change_is_needless() -> None:
    assert needless([action("payments", "restart-service")] * 2, None) == 2
