"""The door at which a rehearsal's fleet leaves its spans, for the engine's tape (a shell).

A fleet of one's own is told of its doors by whoever sets it up; a rehearsal's finds the address and
the token in a file of the run that only its owner can read, for as long as the engine listens.
"""

import asyncio
import os
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec

from engine.clock import Clock
from engine.paths import RunPaths
from engine.stream.access import Listen
from engine.stream.token import load_or_create_token
from engine.telemetry.doors.intake import Intake
from engine.telemetry.doors.listener import open_doors
from engine.telemetry.records import Span

TAKE_EVERY_S = 0.5


@asynccontextmanager
async def open_fleet_door(
    paths: RunPaths, keep: Callable[[Sequence[Span], int], None], clock: Clock
) -> AsyncGenerator[None]:
    """Listen while the block lasts; ``keep`` gets the spans and the Unix milliseconds.

    Raises:
        Malformed: the token's file is not private.
    """
    intake, token = Intake(), load_or_create_token(paths.door_token)
    async with open_doors(intake, token, Listen(), clock) as (_, port):
        address = {"url": f"http://127.0.0.1:{port}", "token": token}
        _write_private(paths.fleet_door, msgspec.json.encode(address))
        taking = asyncio.create_task(_take(intake, keep, clock))
        try:
            yield
        finally:
            taking.cancel()
            paths.fleet_door.unlink(missing_ok=True)


async def _take(intake: Intake, keep: Callable[[Sequence[Span], int], None], clock: Clock) -> None:
    while True:
        await asyncio.sleep(TAKE_EVERY_S)
        keep([it for it in intake.take() if isinstance(it, Span)], clock.unix_ms())


def _write_private(path: Path, data: bytes) -> None:
    """Write a file for its owner alone, whole or not at all."""
    scratch = path.with_name(f"{path.name}.{os.getpid()}")
    scratch.unlink(missing_ok=True)
    descriptor = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
    scratch.replace(path)
