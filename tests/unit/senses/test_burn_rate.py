"""The error budget: what burns it fast pages, what burns it slowly is a ticket, the rest is quiet."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.projection.probe import ProbeHistory
from engine.senses.burn_rate import LONGEST_MIN, RULES, BurnRate
from engine.topology import Objective

START_S = 1_700_000_040.0
"""The beginning of a minute."""


def _run(minutes: list[tuple[int, int]], permille: int = 999) -> BurnRate:
    """A budget after ``minutes`` of (good, bad)."""
    budget = BurnRate(permille)
    for minute, (good, bad) in enumerate(minutes):
        budget.add(START_S + 60 * minute, good, bad)
    return budget


def test_a_healthy_day_says_nothing() -> None:
    assert _run([(10_000, 1)] * 1_440).burning() == ()


def test_a_total_failure_pages_within_two_minutes_of_a_day() -> None:
    [first, *_] = _run([(1_000, 0)] * 1_440 + [(0, 1_000)] * 2).burning()
    assert first.rule == RULES[0]
    assert first.burn == pytest.approx(2 / 60 / 0.001)


def test_a_small_constant_loss_is_a_ticket_and_no_page() -> None:
    found = _run([(9_985, 15)] * LONGEST_MIN).burning()
    assert [burning.rule.page for burning in found] == [False]
    assert found[0].burn == pytest.approx(1.5)


def test_what_is_over_pages_no_more_though_the_hour_was_bad() -> None:
    found = _run([(1_000, 0)] * 1_440 + [(0, 1_000)] * 5 + [(1_000, 0)] * 31).burning()
    assert not any(burning.rule.page for burning in found)


def test_ten_bad_seconds_of_a_young_service_are_not_an_hour_of_them() -> None:
    assert _run([(1_000, 0), (830, 170)], permille=990).burning() == ()


def test_silence_burns_nothing_and_a_gap_is_passed_over() -> None:
    budget = BurnRate(999)
    assert budget.burning() == ()
    budget.add(START_S, 0, 1_000)
    budget.add(START_S + 60 * (LONGEST_MIN + 100), 1_000, 0)
    assert budget.burn(LONGEST_MIN) == 0.0


def test_a_late_second_is_dropped_and_counted() -> None:
    budget = _run([(1_000, 0)] * 3)
    budget.add(START_S, 0, 1_000)
    assert (budget.late_dropped, budget.burn(5)) == (1, 0.0)


@given(
    counts=st.lists(st.tuples(st.integers(0, 100), st.integers(0, 100)), min_size=1, max_size=200),
    minutes=st.integers(1, 200),
)
def test_it_is_what_counting_every_minute_anew_would_say(
    counts: list[tuple[int, int]], minutes: int
) -> None:
    seen = counts[-minutes:]
    good, bad = sum(g for g, _ in seen), sum(b for _, b in seen)
    wanted = bad / (good + bad) / 0.01 * len(seen) / minutes if good + bad else 0.0
    assert _run(counts, permille=990).burn(minutes) == pytest.approx(wanted)


def test_the_probe_says_in_words_how_its_budget_burns() -> None:
    probe = ProbeHistory(Objective("checkout", 990, 1_000, 5_000))
    for second in range(1_200):
        line = {"unix_ms": (int(START_S) + second) * 1_000, "good": 0, "bad": 5, "green": False}
        probe.add(msgspec.json.encode(line))
    assert probe.burning() == "page: checkout burns its error budget 33.3× (1 h and 5 min)"
