"""One run of one process: started so that it can never outlive the one who started it."""

import asyncio
import contextlib
import ctypes
import functools
import os
import pwd
import resource
import signal
import subprocess
import sys
from pathlib import Path
from typing import IO

import msgspec

from engine.topology import Use
from engine.vocabulary import Generation, SignalKind

CODE = Path(__file__).resolve().parents[2]
"""Where ``python -m chaos…`` finds the code, installed or checked out."""
UNPRIVILEGED_USER = "nobody"
"""PostgreSQL refuses to run as root."""

_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)


MAX_FILES = 256
"""Files and sockets that a service may have open: the limit that a container would set."""


class Launch(msgspec.Struct, frozen=True):
    """What to start, and how."""

    command: tuple[str, ...]
    unprivileged: bool = False
    """Run as another user when we are root."""
    death_signal: int = signal.SIGKILL
    """What the kernel sends it in the moment in which we die."""
    stop_signal: int = signal.SIGTERM
    """What asks it to stop cleanly."""
    announces: bool = False
    """It takes ``--ready-fd N`` and writes one byte there when it serves."""
    directed: bool = False
    """Its standard input is ours to write lines to."""
    max_files: int | None = None
    """How many files and sockets it may have open; ours, where nothing is said."""


def python(module: str, *arguments: str) -> tuple[str, ...]:
    """The command that runs one of our own modules."""
    return (sys.executable, "-m", module, *arguments)


def _tie(parent: int, death_signal: int, max_files: int | None) -> None:
    """Between fork and exec: die with the parent, and now if it is dead already (prctl(2)).

    It runs after the change of user, which would have cleared the setting.
    """
    _libc.prctl(_PR_SET_PDEATHSIG, death_signal, 0, 0, 0)
    if max_files is not None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (max_files, max_files))
    if os.getppid() != parent:
        os._exit(1)


class Run:
    """A process from its start to its end. Started from the main thread: the kernel ties to it."""

    def __init__(self, launch: Launch, release: str, started_ms: int, output: int) -> None:
        """Start it; ``output`` is the descriptor for its standard output and error."""
        self._stop_signal = launch.stop_signal
        self._ready: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._ended = asyncio.Event()
        self._exit = ""
        self._process = self._start(launch, output)
        self.generation = Generation(self._process.pid, started_ms, release)
        self._pidfd = os.pidfd_open(self._process.pid)
        asyncio.get_running_loop().add_reader(self._pidfd, self._reap)

    def _start(self, launch: Launch, output: int) -> "subprocess.Popen[bytes]":
        command = launch.command
        read_end = write_end = -1
        if launch.announces:
            read_end, write_end = os.pipe()
            command = (*command, "--ready-fd", str(write_end))
        lowered = launch.unprivileged and os.geteuid() == 0
        try:
            return subprocess.Popen(
                command,
                cwd=CODE,
                stdin=subprocess.PIPE if launch.directed else subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                pass_fds=(write_end,) if launch.announces else (),
                # A terminal's Ctrl-C is for us; we end our children in order.
                start_new_session=True,
                user=UNPRIVILEGED_USER if lowered else None,
                group=pwd.getpwnam(UNPRIVILEGED_USER).pw_gid if lowered else None,
                extra_groups=[] if lowered else None,
                preexec_fn=functools.partial(
                    _tie, os.getpid(), int(launch.death_signal), launch.max_files
                ),
            )
        finally:
            if launch.announces:
                os.close(write_end)
                asyncio.get_running_loop().add_reader(read_end, self._announced, read_end)

    def _announced(self, read_end: int) -> None:
        asyncio.get_running_loop().remove_reader(read_end)
        if not self._ready.done():
            self._ready.set_result(os.read(read_end, 1) != b"")
        os.close(read_end)

    def _reap(self) -> None:
        code = self._process.poll()
        if code is None:
            return
        asyncio.get_running_loop().remove_reader(self._pidfd)
        os.close(self._pidfd)
        self._exit = f"signal {-code}" if code < 0 else f"code {code}"
        if self._process.stdin is not None:
            with contextlib.suppress(OSError):
                self._process.stdin.close()
        if not self._ready.done():
            self._ready.set_result(False)
        self._ended.set()

    @property
    def alive(self) -> bool:
        """Whether the process exists."""
        return not self._ended.is_set()

    @property
    def exit(self) -> str:
        """How it ended, ``signal 9`` or ``code 1``; empty while it runs."""
        return self._exit

    @property
    def pid(self) -> int:
        """Its process id."""
        return self.generation.pid

    @property
    def open_files(self) -> Use | None:
        """How many files and sockets it has open, of how many; None when it cannot be told."""
        try:
            limit, _ = resource.prlimit(self.pid, resource.RLIMIT_NOFILE)
            return Use(SignalKind.FILES, len(list(Path(f"/proc/{self.pid}/fd").iterdir())), limit)
        except OSError:
            return None

    @property
    def stdin(self) -> IO[bytes] | None:
        """Where to write lines to it, if it was started so."""
        return self._process.stdin

    async def ready(self, within_s: float) -> bool:
        """Whether it said that it serves, before it ended and within the time given."""
        try:
            async with asyncio.timeout(within_s):
                return await asyncio.shield(self._ready)
        except TimeoutError:
            return False

    async def ended(self, within_s: float | None = None) -> bool:
        """Whether it is gone, waiting at most the time given, or for as long as it takes."""
        try:
            async with asyncio.timeout(within_s):
                await self._ended.wait()
        except TimeoutError:
            return False
        return True

    def signal(self, number: int) -> None:
        """Send it a signal; nothing happens when it is gone."""
        if self.alive:
            self._process.send_signal(number)

    def tell(self, line: str) -> None:
        """Write one short line to its standard input; nothing happens when it is gone."""
        if self.stdin is not None and self.alive:
            with contextlib.suppress(OSError):
                self.stdin.write(line.encode() + b"\n")
                self.stdin.flush()

    async def stop(self, grace_s: float) -> None:
        """Ask it to stop, and end it when it has not after the time given."""
        self.signal(self._stop_signal)
        if not await self.ended(grace_s):
            self.signal(signal.SIGKILL)
            await self.ended(5.0)
