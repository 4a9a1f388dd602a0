"""Keeps processes of the swarm running: restart with back-off, and nothing left behind.

What to do is a pure decision (``next_delay_ms``); doing it is a thin asyncio shell. A child is tied
to its parent twice: the kernel ends it when the parent dies (PR_SET_PDEATHSIG), and its standard
input is a pipe whose end it can watch. A request to stop is the end of that pipe, or SIGTERM.
"""

import asyncio
import ctypes
import os
import signal
import stat
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import structlog

from engine.clock import Clock

FIRST_DELAY_MS = 100
MAX_DELAY_MS = 10_000
STABLE_MS = 20_000
"""A child that ran this long begins the back-off anew."""
STOP_GRACE_S = 3.0
"""Between the request to stop and SIGKILL."""

_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None, use_errno=True)
"""Loaded here and not between fork and exec, where another thread may hold the loader's lock."""

log = structlog.get_logger()


class ProcessState(msgspec.Struct, frozen=True):
    """One supervised process, for screens and for drills."""

    name: str
    pid: int
    """0 while it is down."""
    restarts: int
    started_ms: int = 0
    """Unix milliseconds of its newest start."""


def next_delay_ms(failures: int) -> int:
    """How long to wait before the next start, after ``failures`` short lives in a row."""
    return 0 if failures == 0 else min(MAX_DELAY_MS, FIRST_DELAY_MS << min(failures - 1, 10))


def dying_with(parent: int) -> Callable[[], None]:
    """What a child of the process ``parent`` runs before its program, to be killed with it.

    Linux only. The kernel watches the thread that forked: start children from the main thread.
    """

    def tie() -> None:
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            # It died before the kernel was asked: nobody would ever tell us.
            os._exit(1)

    return tie


def lifeline_stdin() -> asyncio.Event:
    """An event that is set when this process shall stop: its parent is gone, or somebody asks.

    Standard input that ends says so where it is a pipe; SIGTERM and SIGINT say so everywhere, also
    where there is no such pipe (a service manager gives ``/dev/null``). Must be called inside a
    running loop, in the main thread.
    """
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    descriptor = _pipe_from_parent()
    if descriptor is None:
        return ended
    os.set_blocking(descriptor, False)

    def readable() -> None:
        try:
            if os.read(descriptor, 4096):
                return
        except BlockingIOError:
            return
        except OSError:
            pass
        loop.remove_reader(descriptor)
        ended.set()

    loop.add_reader(descriptor, readable)
    return ended


def _pipe_from_parent() -> int | None:
    """Standard input, where it is something whose end means that the other side has gone."""
    try:
        descriptor = sys.stdin.fileno()
        mode = os.fstat(descriptor).st_mode
    except (AttributeError, OSError, ValueError):
        return None
    return descriptor if stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode) else None


@dataclass
class Child:
    """A process to keep running."""

    name: str
    argv: list[str]
    log_file: Path
    environment: Mapping[str, str] | None = None
    process: asyncio.subprocess.Process | None = None
    restarts: int = 0
    failures: int = 0
    started_ns: int = 0
    started_ms: int = 0
    """The same moment as a Unix time, for screens."""
    task: asyncio.Task[None] | None = field(default=None, repr=False)


class Supervisor:
    """Starts children, restarts those that end, and stops all of them."""

    def __init__(self, clock: Clock, on_change: Callable[[list[ProcessState]], None]) -> None:
        """``on_change`` hears of every start and end."""
        self._clock = clock
        self._on_change = on_change
        self._children: dict[str, Child] = {}
        self._stopping = False

    @property
    def states(self) -> list[ProcessState]:
        """All children as they are now."""
        return [
            ProcessState(child.name, _pid_of(child), child.restarts, child.started_ms)
            for child in self._children.values()
        ]

    def add(self, child: Child) -> None:
        """Start ``child`` now and keep it running until ``stop``."""
        assert child.name not in self._children, f"{child.name} is supervised already"
        self._children[child.name] = child
        child.task = asyncio.create_task(self._keep(child), name=f"supervise {child.name}")

    async def retire(self, name: str) -> None:
        """End the child ``name`` and keep it running no more; nothing when there is none."""
        child = self._children.pop(name, None)
        if child is None:
            return
        if child.task is not None:
            child.task.cancel()
            await asyncio.gather(child.task, return_exceptions=True)
        await end(child.process)
        self._on_change(self.states)

    def rename(self, name: str, new: str) -> None:
        """Call the child ``name`` by another name from now on; nothing when there is none."""
        child = self._children.pop(name, None)
        if child is not None:
            assert new not in self._children, f"{new} is supervised already"
            child.name = new
            self._children[new] = child
            self._on_change(self.states)

    async def stop(self) -> None:
        """End all children at once: ask, wait, then kill; none is left when this returns."""
        self._stopping = True
        tasks = [child.task for child in self._children.values() if child.task is not None]
        for task in tasks:
            task.cancel()
        # A start that was interrupted half way ends its process itself before its task is over.
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.gather(*(end(child.process) for child in self._children.values()))
        self._on_change(self.states)

    async def _keep(self, child: Child) -> None:
        while not self._stopping:
            await asyncio.sleep(next_delay_ms(child.failures) / 1000)
            try:
                await self._start(child)
            except OSError as error:
                child.failures += 1
                log.error("child_not_started", name=child.name, why=str(error))
                continue
            assert child.process is not None
            code = await child.process.wait()
            lived_ms = (self._clock.monotonic_ns() - child.started_ns) // 1_000_000
            child.failures = 1 if lived_ms >= STABLE_MS else child.failures + 1
            child.restarts += 1
            log.warning("child_ended", name=child.name, code=code, lived_ms=lived_ms)
            self._on_change(self.states)

    async def _start(self, child: Child) -> None:
        with child.log_file.open("ab") as output:
            child.process = await asyncio.create_subprocess_exec(
                *child.argv,
                stdin=asyncio.subprocess.PIPE,
                stdout=output,
                stderr=output,
                env=child.environment,
                preexec_fn=dying_with(os.getpid()),
                start_new_session=True,
            )
        child.started_ns, child.started_ms = self._clock.monotonic_ns(), self._clock.unix_ms()
        self._on_change(self.states)


def _pid_of(child: Child) -> int:
    process = child.process
    return process.pid if process is not None and process.returncode is None else 0


async def end(process: asyncio.subprocess.Process | None) -> None:
    """End one process that we started: close its stdin and ask, wait, then kill."""
    if process is None or process.returncode is not None:
        return
    if process.stdin is not None:
        process.stdin.close()
    try:
        process.send_signal(signal.SIGTERM)
        await asyncio.wait_for(process.wait(), STOP_GRACE_S)
    except TimeoutError:
        process.kill()
        await process.wait()
    except ProcessLookupError:
        pass


def write_states(states: list[ProcessState], path: Path) -> None:
    """Write ``states`` as JSON, whole or not at all."""
    scratch = path.with_suffix(".tmp")
    scratch.write_bytes(msgspec.json.encode(states))
    scratch.replace(path)


def read_states(path: Path) -> dict[str, ProcessState]:
    """The states in a file by name; empty while there is none."""
    try:
        states = msgspec.json.decode(path.read_bytes(), type=list[ProcessState])
    except (OSError, msgspec.DecodeError):
        return {}
    return {state.name: state for state in states}
