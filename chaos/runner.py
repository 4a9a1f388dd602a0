"""The drill runner, as a process: puts one fault in, proves that it took effect, takes it out.

``python -m chaos.runner --run-dir DIR``. What to break comes as one line on standard input, so
that no argument, environment, path or log names it. Events go to standard output, questions come
in by standard input; when that closes, whatever is in is taken out.
"""

import argparse
import asyncio
import contextlib
import os
import secrets
import signal
import subprocess
import sys
import time
from enum import StrEnum
from pathlib import Path

import msgspec

from chaos.door import AskEffect, DrillDoor, Inject, Undo
from chaos.faults.fault import Effect, Fault
from chaos.first_line import MAX_BYTES, read_first_line
from chaos.fleet.process import CODE, python
from chaos.watchdog import FINISHED, READY
from engine.paths import RunPaths


class Order(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The first line: what to do, and when."""

    fault: Fault | None
    onset_ms: int
    """Counted from when the runner says that it is ready."""


class Ask(StrEnum):
    """What may be asked afterwards, one word in a line of JSON each: ``"present"``."""

    PRESENT = "present"
    OVER = "over"


class EventKind(StrEnum):
    """What the runner reports."""

    READY = "ready"
    """The watchdog watches; the onset counts from here."""
    INJECTING = "injecting"
    INJECTED = "injected"
    """``effect`` says whether it took effect, measured by the fault's own probe."""
    PRESENT = "present"
    """The answer to the question; ``effect.present``."""
    UNDONE = "undone"
    """The last event of a good run."""
    FAILED = "failed"


class Event(msgspec.Struct, frozen=True, omit_defaults=True):
    """One line of standard output."""

    event: EventKind
    monotonic_ns: int
    effect: Effect | None = None
    """None where nothing was to be broken."""
    reason: str = ""


def _emit(kind: EventKind, effect: Effect | None = None, reason: str = "") -> None:
    line = msgspec.json.encode(Event(kind, time.monotonic_ns(), effect, reason)) + b"\n"
    with contextlib.suppress(OSError):
        # Whoever listened may be gone: that ends the drill through standard input.
        os.write(sys.stdout.fileno(), line)


class Runner:
    """One drill from its first line to its end."""

    def __init__(self, door: DrillDoor, order: Order) -> None:
        """Do what ``order`` says, through ``door``."""
        self._door = door
        self._order = order
        self._id = secrets.token_hex(8)
        self._injected = False
        self.asked: asyncio.Queue[Ask] = asyncio.Queue(maxsize=64)

    async def run(self) -> None:
        """Wait for the onset, inject, answer, and take it out when it is over.

        Raises:
            OSError: the orchestrator cannot be reached, or refuses.
        """
        _emit(EventKind.READY)
        over = await self._until_onset()
        if not over and self._order.fault is not None:
            self._injected = True
            _emit(EventKind.INJECTING)
            answer = await self._door.say(Inject(self._id, self._order.fault))
            _emit(EventKind.INJECTED, answer.effect)
        while not over:
            over = await self.asked.get() is Ask.OVER
            if not over:
                _emit(EventKind.PRESENT, await self._effect())
        if self._injected:
            answer = await self._door.say(Undo(self._id))
            if answer.effect is not None and answer.effect.present:
                raise ConnectionError("the fault is still there after its undo")
        _emit(EventKind.UNDONE, await self._effect())

    async def _until_onset(self) -> bool:
        """Wait for the onset; whether the drill was over before it."""
        try:
            async with asyncio.timeout(self._order.onset_ms / 1000):
                while await self.asked.get() is not Ask.OVER:
                    _emit(EventKind.PRESENT)
        except TimeoutError:
            return False
        return True

    async def _effect(self) -> Effect | None:
        if not self._injected:
            return None
        return (await self._door.say(AskEffect(self._id))).effect


def start_watchdog(run_dir: Path) -> "subprocess.Popen[bytes]":
    """A watchdog that undoes what is in when we die; it watches when this returns.

    Raises:
        OSError: it did not start.
    """
    watchdog = subprocess.Popen(
        python("chaos.watchdog", "--run-dir", str(run_dir)),
        cwd=CODE,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    assert watchdog.stdout is not None
    if watchdog.stdout.readline() != READY:
        watchdog.kill()
        raise OSError("the watchdog did not start")
    return watchdog


async def _listen(runner: Runner) -> None:
    """Put questions to the runner as they come; the end of standard input is ``over``."""
    reader = asyncio.StreamReader(limit=MAX_BYTES)
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        try:
            await runner.asked.put(msgspec.json.decode(line, type=Ask))
        except msgspec.DecodeError as error:
            _emit(EventKind.FAILED, reason=f"not a question: {error}")
    await runner.asked.put(Ask.OVER)


async def drill(run_dir: Path, order: Order) -> None:
    """Run one drill under a watchdog.

    Raises:
        OSError: the watchdog or the orchestrator could not do its part.
    """
    watchdog = start_watchdog(run_dir)
    runner = Runner(DrillDoor(RunPaths(run_dir)), order)
    listening = asyncio.ensure_future(_listen(runner))
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, runner.asked.put_nowait, Ask.OVER)
    try:
        await runner.run()
        assert watchdog.stdin is not None
        watchdog.stdin.write(FINISHED)
    finally:
        listening.cancel()
        # Without the word "finished" before it, this makes the watchdog undo.
        watchdog.communicate()


def main() -> None:
    """Run one drill; the first line of standard input says which."""
    parser = argparse.ArgumentParser(prog="python -m chaos.runner", description=main.__doc__)
    parser.add_argument("--run-dir", type=Path, required=True, help="the run's folder")
    given = parser.parse_args()
    try:
        order = msgspec.json.decode(read_first_line(), type=Order)
        asyncio.run(drill(given.run_dir.resolve(), order))
    except msgspec.DecodeError as error:
        parser.exit(2, f"not an order: {error}\n")
    except OSError as error:
        _emit(EventKind.FAILED, reason=str(error))
        sys.exit(1)


if __name__ == "__main__":
    main()
