"""n and f against availability zones: what the loss of a zone costs."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.founding import swarm_of
from engine.quorum import quorum_of
from infra.placement import place, zones_to_survive

LETTERS = "abcdef"
SIZES = st.sampled_from([5, 10, 15, 20])


def zones(count: int) -> tuple[str, ...]:
    return tuple(f"eu-west-1{letter}" for letter in LETTERS[:count])


@given(agents=SIZES, count=st.integers(1, 6))
def test_every_agent_lies_in_one_zone_and_no_zone_holds_more_than_it_must(
    agents: int, count: int
) -> None:
    placement = place(agents, (agents - 1) // 3, zones(count))

    held = [len(placement.agents_in(zone)) for zone in zones(count)]
    assert set(placement.zone_of) == {agent for agent, _ in swarm_of(agents)}
    assert sum(held) == agents
    assert max(held) - min(held) <= 1


@given(agents=SIZES, count=st.integers(1, 6))
def test_survival_is_what_counting_the_rest_says(agents: int, count: int) -> None:
    traitors = (agents - 1) // 3
    placement = place(agents, traitors, zones(count))

    left = min(agents - len(placement.agents_in(zone)) for zone in zones(count))
    assert placement.survives_zone_loss == (left >= quorum_of(agents, traitors))
    assert placement.spare_after_zone_loss == left - quorum_of(agents, traitors)


@given(agents=SIZES)
def test_zones_to_survive_is_the_least_number(agents: int) -> None:
    traitors = (agents - 1) // 3
    needed = zones_to_survive(agents, traitors)

    verdicts = [place(agents, traitors, zones(count)).survives_zone_loss for count in range(1, 7)]
    assert verdicts == [count >= needed for count in range(1, 7)]


@pytest.mark.parametrize(
    ("agents", "traitors", "count", "survives"),
    [(5, 1, 3, False), (5, 1, 5, True), (10, 3, 3, False), (10, 3, 4, True)],
)
def test_the_sizes_that_are_deployed(
    agents: int, traitors: int, count: int, survives: bool
) -> None:
    assert place(agents, traitors, zones(count)).survives_zone_loss is survives


def test_two_quorums_still_share_an_honest_agent_when_any_zone_is_lost() -> None:
    placement = place(10, 3, zones(4))
    for zone in zones(4):
        left = [agent for agent in placement.zone_of if placement.zone_of[agent] != zone]
        for one, other in itertools.combinations(itertools.combinations(left, placement.quorum), 2):
            assert len(set(one) & set(other)) > 3


@pytest.mark.parametrize("given_zones", [(), ("a", "a")])
def test_zones_that_are_none_are_refused(given_zones: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="name each zone once"):
        place(5, 1, given_zones)
