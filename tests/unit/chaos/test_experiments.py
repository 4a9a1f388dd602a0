"""What a seed draws: the same plan every time, within the promised bounds."""

import pytest

from chaos.experiments import (
    BAD_RELEASES,
    CATALOGUE,
    LEAKING_RELEASES,
    LEVEL_MS,
    UnknownExperiment,
    draw,
)
from chaos.faults.fault import DeployRelease, KillService, LeakFiles
from engine.vocabulary import FaultKind


@pytest.mark.parametrize("name", [experiment.name for experiment in CATALOGUE])
def test_a_seed_draws_the_same_plan_every_time(name: str) -> None:
    for seed in range(20):
        plan = draw(name, seed)
        level_ms = LEVEL_MS if plan.foreseeable else 0
        assert plan == draw(name, seed)
        assert 3_000 <= plan.onset_ms - level_ms <= 8_000


def test_seeds_differ_in_onset_and_target() -> None:
    plans = [draw("bad-deploy", seed) for seed in range(60)]

    assert {plan.target for plan in plans} == set(BAD_RELEASES)
    assert len({plan.onset_ms for plan in plans}) > 50


def test_kill_payments_kills_payments_and_expects_a_restart() -> None:
    plan = draw("kill-payments", 3)

    assert plan.fault == KillService("payments")
    assert plan.expectation is not None
    assert (plan.expectation.kind, plan.expectation.repair) == (FaultKind.CRASH, "restart-service")


def test_a_bad_deploy_ships_a_bad_release_and_expects_a_roll_back() -> None:
    plan = draw("bad-deploy", 3)

    assert isinstance(plan.fault, DeployRelease)
    assert BAD_RELEASES[plan.fault.service] == plan.fault.release
    assert plan.expectation is not None
    assert plan.expectation.repair == "roll-back"


def test_a_leak_ships_a_release_that_only_leaks_and_expects_a_roll_back() -> None:
    plan = draw("leak", 3)

    assert isinstance(plan.fault, LeakFiles)
    assert LEAKING_RELEASES[plan.fault.service] == plan.fault.release
    assert plan.fault.release != BAD_RELEASES[plan.fault.service]
    assert plan.foreseeable
    assert plan.expectation is not None
    assert (plan.expectation.kind, plan.expectation.repair) == (FaultKind.LEAK, "roll-back")


def test_quiet_breaks_nothing_and_expects_nothing() -> None:
    plan = draw("quiet", 3)

    assert (plan.fault, plan.expectation, plan.target) == (None, None, None)


def test_demo_is_kill_payments_with_seed_1() -> None:
    assert draw("demo", 77) == draw("kill-payments", 1)


def test_an_unknown_name_is_answered_with_the_known_ones() -> None:
    with pytest.raises(UnknownExperiment, match=r"'nope': choose one of kill-payments"):
        draw("nope", 1)
