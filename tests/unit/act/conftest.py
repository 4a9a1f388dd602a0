"""An actuator with a journal of its own."""

from pathlib import Path

import pytest

from tests.unit.act.hands import Machine


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """An actuator, its court and its shop."""
    return Machine(tmp_path / "journal.sqlite")
