"""What is kept of drills does not grow without end."""

import os
from pathlib import Path

from chaos.archive import oldest_above


def test_the_oldest_runs_are_the_ones_that_go(tmp_path: Path) -> None:
    for age, name in enumerate(("newest", "middle", "oldest")):
        (tmp_path / name).mkdir()
        os.utime(tmp_path / name, (1000 - age, 1000 - age))

    assert [path.name for path in oldest_above(tmp_path, 1)] == ["oldest", "middle"]
    assert oldest_above(tmp_path, 3) == []
