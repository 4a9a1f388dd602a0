"""The probe's word reaches the council in order, as soon as there is one, and is never piled up."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import pytest

from chaos.fleet import announce
from chaos.fleet.announce import MAX_WAITING, Announcer, Voice
from engine.paths import RunPaths
from engine.vocabulary import Operation, Probed
from tests.until import until


class Council:
    """A council that may be away, and keeps what it is told."""

    def __init__(self) -> None:
        self.here = False
        self.told: list[Operation] = []

    async def open(self, _: RunPaths) -> Voice | None:
        return self if self.here else None

    async def submit(self, operations: Sequence[Operation]) -> int:
        self.told += operations
        return len(self.told)

    async def close(self) -> None:
        self.here = False


def probed(counter: int) -> Probed:
    return Probed("checkout", counter, green=True, held_ms=1_000)


async def test_what_was_judged_before_there_was_a_council_is_said_in_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(announce, "RETRY_EVERY_S", 0.01)
    council = Council()
    announcer = Announcer(RunPaths(tmp_path), council.open)
    running = asyncio.ensure_future(announcer.run())
    for counter in range(3):
        announcer.announce(probed(counter))
    await asyncio.sleep(0)

    council.here = True
    await until(lambda: len(council.told) == 3)
    announcer.announce(probed(3))
    await until(lambda: len(council.told) == 4)

    assert council.told == [probed(counter) for counter in range(4)]
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running


async def test_only_the_newest_wait_and_the_dropped_are_counted(tmp_path: Path) -> None:
    announcer = Announcer(RunPaths(tmp_path), Council().open)

    for counter in range(MAX_WAITING + 5):
        announcer.announce(probed(counter))

    assert announcer.dropped == 5


async def test_without_the_files_of_a_swarm_there_is_nobody_to_tell(tmp_path: Path) -> None:
    assert await announce.open_voice(RunPaths(tmp_path)) is None
