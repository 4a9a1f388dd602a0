"""The kill matrix's cells: who is ended when, and what counts as a repetition."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chaos.moments import Moment, repeated, sample, whole

VICTIMS = [f"process-{i}" for i in range(17)]


def test_the_whole_matrix_has_every_victim_at_every_moment() -> None:
    cells = whole(VICTIMS)

    assert len(set(cells)) == len(VICTIMS) * len(Moment)


@given(seed=st.integers(), count=st.integers(len(Moment), 40))
def test_a_sample_visits_every_victim_once_and_every_moment(seed: int, count: int) -> None:
    victims = [f"process-{i}" for i in range(count)]

    cells = sample(victims, seed)

    assert sorted(cell.victim for cell in cells) == sorted(victims)
    assert {cell.moment for cell in cells} == set(Moment)
    assert cells == sample(victims, seed)


@pytest.mark.parametrize(("keys", "twice"), [(["a", "b"], 0), (["a", "b", "a"], 1), ([], 0)])
def test_an_intent_for_a_key_that_was_begun_before_is_a_repetition(
    keys: list[str], twice: int
) -> None:
    assert repeated(keys) == twice
