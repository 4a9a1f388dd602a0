"""The outlook says what runs out while it does, of whatever is bounded."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.senses.outlook import MAX_WATCHED, MOST_SHARE, Outlook


def climbed(outlook: Outlook, period_s: float = 1.0, steps: int = 55) -> float:
    """Sixty samples of a level, then so many of a ramp; when the last one was taken."""
    for step in range(60):
        outlook.add(period_s * step, "db", "disk", 0.2 + 0.01 * (step % 3))
    for step in range(steps):
        outlook.add(period_s * (60 + step), "db", "disk", 0.2 + 0.01 * step)
    return period_s * (59 + steps)


@pytest.mark.parametrize("period_s", [1.0, 60.0, 300.0])
def test_a_ramp_is_foreseen_whatever_the_sampling_period(period_s: float) -> None:
    outlook = Outlook()
    at_s = climbed(outlook, period_s)

    (foreseen,) = outlook.standing(at_s)

    left = (1.0 - 0.74) / 0.01 * period_s
    assert (foreseen.service, foreseen.kind) == ("db", "disk")
    assert abs(foreseen.crosses_s - at_s - left) < 0.2 * left
    assert foreseen.earliest_s <= foreseen.crosses_s <= foreseen.latest_s
    assert abs(foreseen.began_s - 60 * period_s) < 8 * period_s
    assert 0.15 < foreseen.usual_share < 0.25


def test_a_forecast_stands_until_its_signal_is_silent_or_levels_off() -> None:
    outlook = Outlook()
    at_s = climbed(outlook)
    assert outlook.standing(at_s + 9)
    assert not outlook.standing(at_s + 11)

    for step in range(40):
        outlook.add(at_s + 1 + step, "db", "disk", 0.74)
    assert not outlook.standing(at_s + 40)


def test_what_has_fallen_back_is_forgotten_and_news_when_it_climbs_again() -> None:
    outlook = Outlook()
    at_s = climbed(outlook)
    outlook.add(at_s + 1, "db", "disk", 0.21)
    assert not outlook.standing(at_s + 1)

    for step in range(55):
        outlook.add(at_s + 2 + step, "db", "disk", 0.2 + 0.01 * step)
    assert outlook.standing(at_s + 56)


def test_more_signals_than_can_be_watched_are_counted() -> None:
    outlook = Outlook()
    for place in range(MAX_WATCHED + 3):
        outlook.add(0.0, f"service-{place}", "disk", 0.1)

    assert outlook.dropped == 3


@settings(max_examples=40, deadline=None)
@given(st.lists(st.floats(), max_size=120))
def test_no_input_breaks_it(shares: list[float]) -> None:
    outlook = Outlook()
    for at_s, share in enumerate(shares):
        outlook.add(float(at_s), "db", "pool", share)

    assert len(outlook.standing(float(len(shares)))) <= 1
    assert outlook.dropped == sum(not 0.0 <= share <= MOST_SHARE for share in shares)
