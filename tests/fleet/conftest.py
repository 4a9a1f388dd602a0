"""One running shop for all tests of a file that ask for it."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fleet.shop import RunningShop


@pytest.fixture(scope="module")
def shop() -> Iterator[RunningShop]:
    # Not tmp_path: PostgreSQL runs as nobody when we are root, who may not enter pytest's folder.
    with tempfile.TemporaryDirectory(prefix="shop-") as folder:
        running = RunningShop(Path(folder))
        try:
            running.wait_until_up()
            yield running
        finally:
            running.stop()
