"""Totals that never fall become rates; everything else passes as it is."""

import pytest

from engine.telemetry.history import Series
from engine.telemetry.rates import LEAST_SAMPLES, Rates, rated
from engine.telemetry.records import Point

STEP_S = 10.0


def told(values: list[float], metric: str = "requests_total") -> list[float]:
    rates = Rates()
    found = [rates.of(Point(STEP_S * n, "pay", metric, v)) for n, v in enumerate(values)]
    return [point.value for point in found if point is not None]


def test_a_counter_is_told_by_its_increase_a_second_through_a_reset() -> None:
    counted = [1_000.0 + 50.0 * n for n in range(20)] + [30.0, 80.0, 130.0]

    assert told(counted) == [5.0] * (20 - LEAST_SAMPLES) + [3.0, 5.0, 5.0]


def test_what_is_called_a_total_and_falls_is_none() -> None:
    values = [5.0, 7.0, 6.0, 8.0, 5.0, 9.0]

    assert told(values) == values[2:]


def test_other_names_pass_whatever_they_do() -> None:
    rising = [float(n) for n in range(20)]

    assert told(rising, "disk_used_bytes") == rising
    assert told(rising, "subtotals") == rising


def series(values: list[float]) -> Series:
    found = Series()
    for place, value in enumerate(values):
        found.add(STEP_S * place, value)
    return found


def test_a_whole_series_that_only_rises_or_begins_again_is_its_increase_a_second() -> None:
    counted = [1_000.0 + 50.0 * n for n in range(20)] + [30.0, 80.0, 130.0]

    found = rated("requests_total", series(counted))

    assert list(found.values) == [5.0] * 19 + [3.0, 5.0, 5.0]
    assert list(found.times_s) == [STEP_S * n for n in range(1, 23)]


@pytest.mark.parametrize(
    ("metric", "values"),
    [
        ("panic_count", [0.0] * 80 + [27.0, 20.0, 23.0, 18.0]),
        ("requests_sum", [100.0, 40.0, 90.0, 30.0, 100.0, 20.0, 90.0]),
        ("balance_total", [-3.0 + n for n in range(20)]),
        ("disk_used_bytes", [float(n) for n in range(20)]),
        ("errors_total", [1.0, 2.0, 3.0]),
    ],
)
def test_a_whole_series_that_is_no_counter_is_left_alone(metric: str, values: list[float]) -> None:
    given = series(values)

    assert rated(metric, given) is given
