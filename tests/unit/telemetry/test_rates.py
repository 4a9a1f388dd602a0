"""Totals that never fall become rates; everything else passes as it is."""

from engine.telemetry.rates import LEAST_SAMPLES, Rates
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
