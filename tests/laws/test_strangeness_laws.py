"""Laws of the detectors: units, offsets and extremes must not matter."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.senses.runway import Runway
from engine.senses.strangeness import Strangeness
from engine.senses.tail import MOST_SURPRISE

series = st.lists(st.integers(-50, 50), min_size=60, max_size=160)
anything = st.lists(st.floats(allow_nan=True, allow_infinity=True), max_size=120)


def scores(values: list[float]) -> list[float]:
    judge = Strangeness()
    return [judge.score(value) for value in values]


@settings(max_examples=25, deadline=None)
@given(series, st.sampled_from([0.25, 2.0, 1024.0]))
def test_the_unit_does_not_matter(whole: list[int], unit: float) -> None:
    values = [float(value) for value in whole]

    assert scores([unit * value for value in values]) == pytest.approx(scores(values), abs=1e-6)


@settings(max_examples=25, deadline=None)
@given(anything)
def test_whatever_comes_is_judged_within_bounds(values: list[float]) -> None:
    assert all(0.0 <= score <= MOST_SURPRISE for score in scores(values))


@settings(max_examples=25, deadline=None)
@given(anything, st.booleans())
def test_no_input_breaks_a_forecast(values: list[float], is_above: bool) -> None:
    runway = Runway(1.0, is_above=is_above)
    for place, value in enumerate(values):
        crossing = runway.step(float(place), value)
        assert crossing is None or crossing.left_s >= 0.0


@settings(max_examples=15, deadline=None)
@given(st.integers(1, 50), st.sampled_from([0.5, 4.0, 1000.0]))
def test_a_forecast_does_not_depend_on_unit_or_clock(slope: int, unit: float) -> None:
    plain, moved = Runway(512.0, is_above=True), Runway(512.0 * unit, is_above=True)
    for place in range(260):
        value = 100.0 + 3 * math.sin(place) + max(0, place - 120) * slope / 10
        one = plain.step(10.0 * place, value)
        other = moved.step(1e6 + 10.0 * place, value * unit)
        assert (one is None) == (other is None)
        if one is not None and other is not None:
            assert one.left_s == pytest.approx(other.left_s, rel=1e-3)
