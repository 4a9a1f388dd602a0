"""What earlier attempts teach: an action is spent only while the run that it left behind is there."""

import pytest

from engine.agents.hindsight import did_not_hold, spent
from engine.agents.mind import Mind, Now
from engine.genesis import ACTUATOR
from engine.telemetry.samples import StatusSeen
from engine.telemetry.window import Window
from engine.topology import FleetStatus, ServiceStatus
from engine.vocabulary import Acted, Generation, OutcomeKind, ServiceName, Worse
from tests.court import DETECTION, MANIFEST, Court, restart, roll_back, signer_of
from tests.unit.agents.test_mind import Memory

PAYMENTS = ServiceName("payments")
LEFT = Generation(pid=5000, started_ms=1_000, release="1.0.0")
NEXT = Generation(pid=6000, started_ms=2_000, release="1.0.0")


def acted_on(court: Court) -> None:
    """The plan was carried out and left ``LEFT`` behind."""
    court.say(ACTUATOR, Acted(court.certificate_name, 0, OutcomeKind.DONE, LEFT))


def restarted() -> Court:
    court = Court()
    court.open()
    court.decide(restart())
    court.certify()
    acted_on(court)
    return court


def seeing(generation: Generation, *, alive: bool) -> Window:
    window = Window(MANIFEST)
    status = ServiceStatus(PAYMENTS, alive, generation)
    window.add(StatusSeen(3_000, FleetStatus((status,))))
    return window


@pytest.mark.parametrize(
    ("generation", "alive", "held"),
    [(LEFT, True, True), (LEFT, False, False), (NEXT, True, False)],
)
def test_an_action_held_while_the_run_it_left_behind_is_there(
    generation: Generation, *, alive: bool, held: bool
) -> None:
    attempt = restarted().attempt

    assert did_not_hold(attempt, seeing(generation, alive=alive)) is not held


def test_what_is_not_known_to_be_gone_held() -> None:
    assert not did_not_hold(restarted().attempt, Window(MANIFEST))


@pytest.mark.parametrize(
    ("generation", "alive", "expected"),
    [
        (LEFT, True, {(PAYMENTS, "restart-service")}),
        (LEFT, False, set()),
        (NEXT, False, set()),
    ],
)
def test_a_restart_is_spent_until_its_run_has_gone_too(
    generation: Generation, *, alive: bool, expected: set[tuple[ServiceName, str]]
) -> None:
    court = restarted()
    court.worsen()

    assert len(court.incident.attempts) == 2
    assert spent(court.incident, seeing(generation, alive=alive)) == expected


def test_a_mind_ends_an_attempt_whose_restart_did_not_hold_at_once() -> None:
    court = restarted()
    window = seeing(LEFT, alive=False)
    mind = Mind(DETECTION, signer_of(DETECTION), court.council, window, Memory())

    said = mind.step(Now(3_000, 3_000))

    assert Worse(court.incident.key, 1) in said


def test_a_roll_back_whose_run_died_is_not_undone_into_the_bad_release() -> None:
    court = Court()
    court.open()
    court.decide(roll_back())
    court.certify()
    acted_on(court)
    window = seeing(LEFT, alive=False)
    mind = Mind(DETECTION, signer_of(DETECTION), court.council, window, Memory())

    said = mind.step(Now(3_000, 3_000))

    assert not any(isinstance(operation, Worse) for operation in said)
