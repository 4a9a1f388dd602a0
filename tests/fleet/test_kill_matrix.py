"""Every process once, every moment once: whatever is ended, nothing stays broken or is done twice."""

import os
import random

import pytest

from chaos.matrix import cell_line, cells_for, play_all
from chaos.moments import Moment

pytestmark = [pytest.mark.fleet, pytest.mark.timeout(1200)]


async def test_whoever_is_killed_at_whatever_moment_nothing_stays_broken(
    capsys: pytest.CaptureFixture[str],
) -> None:
    seed = int(os.environ.get("KILL_MATRIX_SEED", random.SystemRandom().randrange(1_000_000)))
    cells = cells_for(seed, sampled=True)
    with capsys.disabled():
        print(f"\nkill matrix of {len(cells)} cells, KILL_MATRIX_SEED={seed}")  # noqa: T201

        records = await play_all(cells, lambda line: print(line, flush=True))  # noqa: T201

    assert {record.moment for record in records} == {moment.name.lower() for moment in Moment}
    assert len({record.victim for record in records}) == len(cells)
    assert [cell_line(record) for record in records if record.failure] == []
    assert sum(record.repeated + record.orders_lost for record in records) == 0
