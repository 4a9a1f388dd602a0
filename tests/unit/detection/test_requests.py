"""Requests and logs as trials: what is broken, what is only a burst, and what is habit."""

import random
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.detection.outcry import Outcry
from engine.detection.persistence import LEAST_BINS, LEAST_TRIALS, THRESHOLD, Persistence
from engine.detection.requests import (
    LATE_IN,
    LATE_WORK,
    MISSING,
    Requests,
)
from engine.detection.rows import (
    FAILED,
    OUTCRY,
    THRESHOLD_OF_TWO,
    WARM_UP_S,
    Row,
    Rows,
)
from engine.telemetry.bins import BIN_S
from engine.telemetry.records import LogRecord, Span

BROKEN_S = WARM_UP_S + 300.0
END_S = BROKEN_S + 120.0


def request(
    at_s: float,
    rng: random.Random,
    way_ms: float = 0.0,
    work_ms: float = 0.0,
    error: bool = False,
    calls_bank: bool = True,
) -> Iterator[Span]:
    """A page of ``web``, which asks ``pay``, which asks ``bank``; children end first."""
    trace, own = f"t{at_s}", 20.0 * rng.lognormvariate(0.0, 0.2) + work_ms
    bank_ms = 10.0 * rng.lognormvariate(0.0, 0.2)
    if calls_bank:
        yield Span(at_s, "bank", "debit", trace, "4", "3", bank_ms, error=False)
        yield Span(at_s, "pay", "call bank", trace, "3", "2", bank_ms + 4.0, error=False)
    pay_ms = own + (bank_ms + 4.0 if calls_bank else 0.0)
    yield Span(at_s, "pay", "pay", trace, "2", "1", pay_ms, error=error)
    web_ms = pay_ms + 5.0 + way_ms
    yield Span(at_s, "web", "call pay", trace, "1", "0", web_ms, error=False)
    yield Span(at_s, "web", "GET /", trace, "0", "", web_ms + 3.0, error=False)


def broken(fault: dict[str, float | bool], from_s: float = BROKEN_S, every: int = 1) -> list[Row]:
    rows, rng = Rows(), random.Random(1)
    requests, found, place = Requests(rows), [], 0
    at_s = 0.0
    while at_s < END_S:
        place += 1
        is_hit = at_s >= from_s and place % every == 0
        for span in request(at_s, rng, **fault if is_hit else {}):  # type: ignore[arg-type]
            requests.add(span)
        found += [each.row for each in rows.broken(at_s)]
        at_s += 4.0
    return found


@pytest.mark.parametrize(
    ("fault", "row"),
    [
        ({"way_ms": 300.0}, Row("pay", LATE_IN)),
        ({"work_ms": 900.0}, Row("pay", LATE_WORK)),
        ({"error": True}, Row("pay", FAILED, "pay")),
        ({"calls_bank": False}, Row("pay", MISSING, "pay to bank")),
    ],
)
def test_what_goes_wrong_nearly_always_is_broken(fault: dict[str, float | bool], row: Row) -> None:
    assert row in broken(fault)


def test_what_goes_wrong_now_and_then_is_not() -> None:
    assert not broken({"way_ms": 300.0}, every=3)


def test_nothing_is_broken_where_nothing_changes() -> None:
    assert not broken({}, from_s=END_S)


def test_what_was_always_so_is_habit() -> None:
    assert not broken({"error": True}, from_s=0.0)


def bins(wrong: list[float], trials: int = 6) -> list[float]:
    """The nats after each bin of so many trials, of which so large a share went wrong."""
    row, said = Persistence(), []
    for share in wrong:
        for place in range(trials):
            row.add(wrong=place < share * trials)
        said.append(row.close())
    return said


def test_a_burst_within_one_bin_says_only_so_much() -> None:
    assert max(bins([0.0] * 20 + [1.0] + [0.0] * 5, trials=500)) < THRESHOLD / 4


def test_a_new_habit_is_accepted_in_the_end() -> None:
    said = bins([0.0] * 20 + [1.0] * 400)

    assert max(said) >= THRESHOLD
    assert said[-1] == 0.0


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50)), max_size=300))
def test_nats_stay_in_bounds_whatever_comes(told: list[tuple[int, int]]) -> None:
    row = Persistence()
    for judged, (wrong, fine) in enumerate(told, start=1):
        for _ in range(wrong):
            row.add(wrong=True)
        for _ in range(fine):
            row.add(wrong=False)
        nats = row.close()
        assert 0.0 <= nats <= 2.5 * max(0, judged - LEAST_BINS)
    assert row.trials == row.wrong == 0
    assert LEAST_TRIALS > 0


def crying(
    loud_from_s: float, template: str = "request {} failed", usual: float = 0.0
) -> list[Row]:
    rows, rng, found = Rows(), random.Random(2), []
    outcry, at_s = Outcry(rows), 0.0
    while at_s < END_S:
        outcry.add(LogRecord(at_s, "pay", "INFO", f"paid {rng.randrange(10**6)}"))
        if rng.random() < usual:
            outcry.add(LogRecord(at_s, "pay", "ERROR", "cache miss"))
        if at_s >= loud_from_s and rng.random() < 0.7:
            line = template.format(rng.randrange(10**6))
            outcry.add(LogRecord(at_s, "pay", "ERROR", line))
        found += [each.row for each in rows.broken(at_s)]
        at_s += 3.0
    return found


def test_a_log_that_starts_to_cry_out_is_heard() -> None:
    assert Row("pay", OUTCRY) in crying(BROKEN_S)


def test_new_words_are_heard_in_a_log_that_was_always_loud() -> None:
    assert Row("pay", OUTCRY) in crying(BROKEN_S, usual=0.9)


def test_a_log_that_was_always_loud_is_not() -> None:
    assert not crying(END_S, usual=0.9)
    assert BIN_S > 0


def together(wrong: dict[str, list[bool]]) -> list[float]:
    """The nats at which one service is called broken, a trial a bin of each signal."""
    rows, found = Rows(), []
    for place in range(60):
        for signal, said in wrong.items():
            is_wrong = said[place - 40] if place >= 40 and place - 40 < len(said) else False
            rows.add(place * BIN_S, Row("pay", signal), wrong=is_wrong)
        found += [each.nats for each in rows.broken(place * BIN_S + 1.0)]
    return found


def test_failing_and_crying_out_about_it_is_told_sooner_than_either_alone() -> None:
    thrice = [True] * 3

    assert not together({FAILED: thrice})
    assert not together({OUTCRY: thrice})
    said = together({FAILED: thrice, OUTCRY: thrice})
    assert said
    assert min(said) >= THRESHOLD_OF_TWO > THRESHOLD
