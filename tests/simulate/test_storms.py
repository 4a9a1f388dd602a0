"""Whole clusters under seeded faults: agreement at every execution, progress after every storm."""

import pytest

from engine.consensus.simulate.coverage import Coverage
from engine.consensus.simulate.play import play, size_of

SEEDS = 2000
CHUNK = 100
"""So that the workers of the test run share them."""


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("first", range(0, SEEDS, CHUNK))
def test_no_storm_breaks_agreement_or_stops_progress_and_every_chunk_visits_enough(
    first: int,
) -> None:
    coverage = Coverage()
    for seed in range(first, first + CHUNK):
        played = play(seed, size_of(seed))
        assert not played.violation, f"seed {seed}, n = {played.n}: {played.violation}"
        coverage.add(played.marks)

    assert not coverage.below(), "\n".join(coverage.lines())


def test_an_epoch_ends_though_it_needs_the_voice_of_whoever_is_replaced() -> None:
    """One lies, one is dead, and the successor was in office before the old epoch had ended."""
    played = play(2006, 6)

    assert not played.violation
    assert {"membership change", "conviction"} <= set(played.marks)


def test_a_proof_too_long_to_be_ordered_stops_nobody() -> None:
    """Twins begin one view twice, with the same batches: 79 KB of evidence of two NEW-VIEWs."""
    played = play(5851, 7)

    assert not played.violation
    assert {"equivocation", "conviction"} <= set(played.marks)


def test_a_certificate_of_the_last_entry_of_an_epoch_counts_whoever_is_replaced() -> None:
    """Its third accept is of the agent whose successor takes office with the next entry."""
    played = play(108337, 5)

    assert not played.violation
    assert {"membership change", "certificate"} <= set(played.marks)


def test_a_primary_that_restarts_behind_its_own_new_view_puts_nothing_else_there() -> None:
    """Its window, from a checkpoint long ago, ended below what its view had begun with."""
    played = play(151340, 4)

    assert not played.violation
    assert {"view change", "crash-restart", "state transfer"} <= set(played.marks)
