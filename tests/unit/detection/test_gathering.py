"""Samples become rows whatever their phases are."""

import random

import pytest

from engine.detection.gathering import Gathering, Row

STEP_S = 60.0
SIGNALS = [(service, metric) for service in "abc" for metric in ("cpu", "p50", "memory", "ops")]


def rows_of(samples: list[tuple[float, tuple[str, str]]], every_s: float = 5.0) -> list[Row]:
    """The rows, asked for every so many seconds."""
    gathering, found, asked_s = Gathering(STEP_S), [], 0.0
    for at_s, signal in sorted(samples):
        if at_s // every_s != asked_s:
            found += [row for _, row in gathering.done()]
            asked_s = at_s // every_s
        gathering.add(at_s, signal, at_s)
    return found


@pytest.mark.parametrize("spread_s", [0.0, 4.0, 55.0])
def test_every_row_holds_every_signal_once(spread_s: float) -> None:
    rng = random.Random(1)
    phases = {signal: rng.uniform(0.0, spread_s) for signal in SIGNALS}
    samples = [(step * STEP_S + phases[s], s) for step in range(30) for s in SIGNALS]

    found = rows_of(samples)

    assert len(found) >= 28
    assert all(len(row) == len(SIGNALS) for row in found)
    assert all(max(row.values()) - min(row.values()) < STEP_S for row in found)


def test_a_row_that_is_whole_is_done_before_the_next_step() -> None:
    gathering, done = Gathering(STEP_S), []
    for step in range(10):
        for signal in SIGNALS:
            gathering.add(step * STEP_S, signal, 1.0)
        done = gathering.done()

    assert [at_s for at_s, _ in done] == [9 * STEP_S]


def test_signals_that_come_seldom_or_fall_silent_hold_nothing_up() -> None:
    gathering, done = Gathering(STEP_S), []
    for step in range(40):
        told = [s for s in SIGNALS if step < 20 or s[0] != "c"]
        told += [("a", "hourly")] if step % 7 == 3 else []
        for signal in told:
            gathering.add(step * STEP_S, signal, 1.0)
        done += gathering.done()

    assert done[-1][0] == 39 * STEP_S
    assert 38 <= len(done) <= 40
