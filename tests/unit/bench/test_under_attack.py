"""What is measured under attack is measured on a swarm that bears it, and convicts by proof alone."""

import pytest

from chaos.bench.attacked import Attacked
from chaos.bench.under_attack import BACKUP, FLOOR, KINDS, PRIMARY, delayed, measure
from chaos.byzantine import PROVABLE


@pytest.mark.parametrize("kind", KINDS)
def test_the_honest_decide_everything_and_convict_whoever_left_proof(kind: str) -> None:
    ring = Attacked(kind, BACKUP)

    for _ in range(3):
        ring.decide()

    expected = frozenset({ring.traitor} if kind in PROVABLE else ())
    assert all(member.convicted == expected for member in ring.honest)
    assert len({member.replica.chain for member in ring.honest}) == 1
    assert min(member.executed for member in ring.honest) >= 3


def test_a_flood_fills_no_more_than_its_own_share_of_an_inbox() -> None:
    ring = Attacked("flood", BACKUP)

    for _ in range(45):
        ring.decide()

    assert ring.dropped > 0
    assert all(member.replica.view == 0 for member in ring.honest)


def test_only_the_work_of_the_honest_counts() -> None:
    ring = Attacked("silent", PRIMARY)

    ring.decide()

    assert ring.spent_s == sum(member.spent_s for member in ring.honest)
    assert len(ring.honest) == 4
    assert ring.members[ring.traitor].spent_s > 0


def test_a_primary_that_delays_everything_stays_above_the_stated_floor() -> None:
    figure = delayed(counted_ms=3_000)

    assert figure.aim == round(FLOOR, 2)
    assert figure.holds
    assert figure.value >= figure.aim


def test_every_kind_has_its_figure_with_the_aim_beside_it() -> None:
    heard: list[str] = []

    figures = measure(heard.append, decisions=1)

    assert len(figures) == len(KINDS)
    assert len(heard) == 3
    for figure, kind in zip(figures, KINDS, strict=True):
        assert kind in figure.name
        assert figure.aim == 0.5
        assert figure.value > 0
        assert figure.holds == (figure.value >= figure.aim)
