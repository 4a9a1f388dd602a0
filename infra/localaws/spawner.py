"""One thread that starts processes, so that they die with us.

The kernel ends a child when the *thread* that forked it ends (PR_SET_PDEATHSIG). The emulator's own
threads come and go, so all forks are done by one that stays for as long as the process does.
"""

import os
import queue
import subprocess
import threading
from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path

from engine.supervisor import dying_with

__all__ = ["Start", "spawn"]


@dataclass(frozen=True)
class Start:
    """A process to start."""

    argv: tuple[str, ...]
    environment: Mapping[str, str]
    folder: Path
    """Where it runs."""
    log: Path
    """What it writes, both streams, appended."""


class _Spawner:
    """The thread and its orders."""

    def __init__(self) -> None:
        self._orders: queue.SimpleQueue[tuple[Start, Future[subprocess.Popen[bytes]]]] = (
            queue.SimpleQueue()
        )
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def order(self, start: Start) -> subprocess.Popen[bytes]:
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="spawner", daemon=True)
                self._thread.start()
        result: Future[subprocess.Popen[bytes]] = Future()
        self._orders.put((start, result))
        return result.result()

    def _work(self) -> None:
        while True:
            start, result = self._orders.get()
            try:
                result.set_result(_fork(start))
            except (OSError, ValueError) as error:
                result.set_exception(error)


def _fork(start: Start) -> subprocess.Popen[bytes]:
    with start.log.open("ab") as output:
        return subprocess.Popen(
            start.argv,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=dict(start.environment),
            cwd=start.folder,
            preexec_fn=dying_with(os.getpid()),
            start_new_session=True,
        )


_SPAWNER = _Spawner()
"""Of the process and not of an object: it stands for a property of the process."""


def spawn(start: Start) -> subprocess.Popen[bytes]:
    """Start a process that the kernel ends when this process ends.

    Raises:
        OSError: it cannot be started.
    """
    return _SPAWNER.order(start)
