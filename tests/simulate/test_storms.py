"""Whole clusters under seeded faults: agreement at every execution, progress after every storm."""

import pytest

from engine.consensus.simulate.storm import Storm

SIZES = ((4, 1), (5, 1), (7, 2))
SEEDS = range(210)
"""30 ms each; ``main.py simulate`` is for more. A seed that ever failed gets a test of its own."""


@pytest.mark.parametrize("first", range(0, len(SEEDS), 35))
def test_no_storm_breaks_agreement_or_stops_progress_for_good(first: int) -> None:
    for seed in SEEDS[first : first + 35]:
        n, f = SIZES[seed % len(SIZES)]
        try:
            Storm(n, f, seed).run()
        except Exception as error:
            raise AssertionError(f"seed {seed}, n = {n}, f = {f}: {error}") from error
