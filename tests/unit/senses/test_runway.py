"""Warnings ahead of a limit: the leaks that must be seen, the look-alikes that must not."""

import math
import random
from collections.abc import Callable

import pytest

from engine.senses.ramp import Ramps
from engine.senses.runway import Crossing, Runway

STEP_S = 30.0


def play(share: Callable[[int], float], samples: int, seed: int = 1) -> list[tuple[int, Crossing]]:
    runway, rng = Runway(512.0, is_above=True), random.Random(seed)
    said = []
    for place in range(samples):
        value = 512.0 * (share(place) + rng.gauss(0.0, 0.006))
        crossing = runway.step(STEP_S * place, value)
        if crossing is not None:
            said.append((place, crossing))
    return said


def leak(place: int) -> float:
    return 0.3 + max(0.0, (place - 150) * 0.7 / 150)


def test_a_leak_is_warned_of_long_before_the_limit_with_its_time() -> None:
    said = play(leak, 300)

    first, _ = said[0]
    assert 150 < first <= 240
    place, crossing = next((place, c) for place, c in said if place >= 225)
    assert place * STEP_S + crossing.left_s == pytest.approx(300 * STEP_S, rel=0.05)
    assert crossing.earliest_s <= crossing.left_s <= crossing.latest_s


def test_a_limit_below_is_watched_as_one_above() -> None:
    above, below = Runway(100.0, is_above=True), Runway(0.0, is_above=False)
    rng = random.Random(2)
    said = []
    for place in range(300):
        value = 100.0 * (leak(place) + rng.gauss(0.0, 0.006))
        said.append((above.step(STEP_S * place, value), below.step(STEP_S * place, 100.0 - value)))

    assert any(crossing for crossing, _ in said)
    for one, other in said:
        assert (one is None) == (other is None)
        if one is not None and other is not None:
            assert one.left_s == pytest.approx(other.left_s)


CALM: dict[str, Callable[[int], float]] = {
    "noise": lambda _: 0.5,
    "season": lambda place: 0.6 + 0.25 * math.sin(place / 20 + 1.6),
    "sawtooth": lambda place: 0.6 + 0.2 * (place % 20) / 20,
    "rotated disk": lambda place: 0.3 + 0.55 * ((place + 40) % 60) / 60,
    "levels off": lambda place: 0.3 + 0.5 * (1 - math.exp(-max(0, place - 150) / 40)),
    "short burst": lambda place: 0.04 + 0.9 * math.exp(-abs(place - 250) / 12),
    "burst that has turned": lambda place: 0.04 + 0.9 * math.exp(-abs(place - 250) / 20),
    "one step": lambda place: 0.3 + 0.4 * (place > 200),
}


@pytest.mark.parametrize("name", CALM)
def test_nothing_is_said_of(name: str) -> None:
    assert play(CALM[name], 420) == []


def test_a_past_longer_than_the_memory_changes_nothing() -> None:
    short, long = Ramps(), Ramps()
    rng = random.Random(4)
    values = [10.0 - max(0.0, place - 2_900) * 0.02 + rng.gauss(0, 0.01) for place in range(3_000)]
    for place, value in enumerate(values):
        long.add(value)
        if place >= 3_000 - 400:
            short.add(value)

    one, other = short.falling(), long.falling()

    assert one is not None
    assert other is not None
    assert one.age == other.age
    assert one.slope == pytest.approx(other.slope, rel=1e-6)


def test_no_number_is_no_sample() -> None:
    runway = Runway(1.0, is_above=True)

    assert runway.step(0.0, math.nan) is None
    assert runway.step(1.0, math.inf) is None
