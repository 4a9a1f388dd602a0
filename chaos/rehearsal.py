"""A drill runner's other end: starts the process, hears its events, puts questions to it."""

import asyncio
from collections.abc import Callable

import msgspec

from chaos.faults.fault import Effect, Fault
from chaos.fleet.process import CODE, python
from chaos.runner import Ask, Event, EventKind, Order
from engine.paths import RunPaths

ANSWER_WITHIN_S = 60.0


class RehearsalFailed(RuntimeError):
    """The runner could not do its part; the message is its reason."""


class Rehearsal:
    """One drill under way."""

    def __init__(self, process: asyncio.subprocess.Process, onset_ms: int) -> None:
        """Talk to the runner ``process``, which puts its fault in after ``onset_ms``."""
        self._process = process
        self._onset_s = onset_ms / 1_000

    @classmethod
    async def start(cls, paths: RunPaths, fault: Fault | None, onset_ms: int) -> "Rehearsal":
        """Start a runner that puts ``fault`` in after ``onset_ms``; it is ready when this returns.

        Raises:
            RehearsalFailed: it did not start.
        """
        command = python("chaos.runner", "--run-dir", str(paths.root))
        process = await asyncio.create_subprocess_exec(
            *command,
            cwd=CODE,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            start_new_session=True,
        )
        rehearsal = cls(process, onset_ms)
        try:
            await rehearsal._send(msgspec.json.encode(Order(fault, onset_ms)))
            await rehearsal._wait_for(EventKind.READY)
        except BaseException:
            await rehearsal.abandon()
            raise
        return rehearsal

    @property
    def pid(self) -> int:
        """The runner's process id."""
        return self._process.pid

    async def injected(self, injecting: Callable[[int], None] | None = None) -> tuple[int, Effect]:
        """Wait until the fault is in: when it was put in (CLOCK_MONOTONIC), and its effect.

        Raises:
            RehearsalFailed: it could not be put in.
        """
        began = await self._wait_for(EventKind.INJECTING, self._onset_s + ANSWER_WITHIN_S)
        if injecting is not None:
            injecting(began.monotonic_ns)
        event = await self._wait_for(EventKind.INJECTED)
        if event.effect is None:
            raise RehearsalFailed("the runner did not say what effect the fault had")
        return began.monotonic_ns, event.effect

    async def present(self) -> Effect | None:
        """Whether the fault is still there now; None where nothing was to be broken.

        Raises:
            RehearsalFailed: it cannot be said.
        """
        await self._send(msgspec.json.encode(Ask.PRESENT))
        return (await self._wait_for(EventKind.PRESENT)).effect

    async def over(self) -> Effect | None:
        """End the drill: whatever is still in is taken out when this returns.

        Raises:
            RehearsalFailed: it could not be taken out.
        """
        await self._send(msgspec.json.encode(Ask.OVER))
        effect = (await self._wait_for(EventKind.UNDONE)).effect
        await self._process.wait()
        return effect

    async def abandon(self) -> None:
        """Close the runner's standard input, which ends the drill too, and wait for its end."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        await self._process.wait()

    async def _send(self, line: bytes) -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(line + b"\n")
            await self._process.stdin.drain()
        except OSError:
            raise RehearsalFailed("the drill runner is gone") from None

    async def _wait_for(self, wanted: EventKind, within_s: float = ANSWER_WITHIN_S) -> Event:
        assert self._process.stdout is not None
        async with asyncio.timeout(within_s):
            while line := await self._process.stdout.readline():
                event = msgspec.json.decode(line, type=Event)
                if event.event is wanted:
                    return event
                if event.event is EventKind.FAILED:
                    raise RehearsalFailed(event.reason)
        raise RehearsalFailed(f"the drill runner ended before it was {wanted}")
