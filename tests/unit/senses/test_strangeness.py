"""How strange a sample is: what must be loud, and what must stay quiet."""

import math
import random

import numpy as np
import pytest

from engine.senses.reach import Reach
from engine.senses.season import season_of
from engine.senses.strangeness import Excursions, Strangeness
from engine.senses.tail import MOST_SURPRISE, Tail


def scores(values: list[float]) -> list[float]:
    judge = Strangeness()
    return [judge.score(value) for value in values]


def noise(count: int, seed: int = 1) -> list[float]:
    rng = random.Random(seed)
    return [100.0 + rng.gauss(0.0, 2.0) for _ in range(count)]


@pytest.mark.parametrize("jump", [-40.0, 40.0])
def test_a_jump_is_strange_whichever_way_it_goes(jump: float) -> None:
    values = noise(500)

    assert scores([*values, 100.0 + jump])[-1] > 1.5 * max(scores(values)[300:])


def test_a_constant_signal_is_never_strange_until_it_moves() -> None:
    given = scores([45.0] * 800 + [46.0])

    assert max(given[:-1]) < 1.0
    assert given[-1] > 2.5


def test_a_gap_is_no_anomaly_and_teaches_nothing() -> None:
    values = noise(400)
    whole, gappy = Strangeness(), Strangeness()
    for place, value in enumerate(values):
        whole.score(value)
        gappy.score(value)
        if place % 7 == 0:
            assert gappy.score(math.nan) == 0.0

    assert gappy.score(160.0) == whole.score(160.0)
    assert gappy.gaps == 58


def test_a_familiar_value_at_the_wrong_time_of_the_season_is_strange() -> None:
    def wave(place: int) -> float:
        return 50.0 + 30.0 * (place % 48 >= 24)

    rng = random.Random(3)
    values = [wave(place) + rng.gauss(0.0, 0.5) for place in range(48 * 14)]
    missing = [50.0 + 30.0 * (place % 48 < 24) + rng.gauss(0.0, 0.5) for place in range(48)]

    given = scores(values + missing)

    assert max(given[48 * 14 + 24 :]) > 2.5
    assert max(given[48 * 8 : 48 * 14]) < 2.5


def test_an_excursion_speaks_when_it_begins_and_when_it_grows() -> None:
    excursions = Excursions()

    assert [excursions.new(score) for score in (0.5, 3.0, 2.0, 3.0, 4.0)] == [0.5, 3.0, 0, 0, 4.0]


def test_the_season_of_a_wave_is_found_and_that_of_noise_is_not() -> None:
    assert season_of(np.sin(np.arange(600) * 2 * np.pi / 60)) == 60
    assert season_of(np.asarray(noise(600))) == 0
    assert season_of(np.full(600, 7.0)) == 0


def test_surprise_grows_with_the_distance_and_is_bounded() -> None:
    def after_habit(value: float) -> float:
        tail = Tail()
        for usual in noise(1_000):
            tail.surprise(usual)
        return tail.surprise(value)

    near, far, beyond = after_habit(108.0), after_habit(120.0), after_habit(1e9)

    assert 1.7 <= near < far < beyond <= MOST_SURPRISE


def test_the_reach_follows_the_quantiles() -> None:
    reach = Reach()
    rng = random.Random(5)
    for _ in range(4_000):
        reach.learn(rng.uniform(0.0, 1.0))

    assert reach.width == pytest.approx(0.9, abs=0.08)
