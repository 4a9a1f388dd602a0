"""Starting the emulator's process, and waiting until it is really ours that answers."""

import contextlib
import os
import socket
import subprocess
import sys
import time
import urllib.request
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec

from engine.supervisor import dying_with

__all__ = ["LOG", "Birth", "LocalAwsFailed"]

READY_WITHIN_S = 60.0
"""A start takes a second on an idle machine (measured 0.8-1.1 s)."""
LOG = "emulator.log"
REPOSITORY = Path(__file__).resolve().parents[2]


class LocalAwsFailed(Exception):
    """The emulator did not come up; the message names its log."""


class _Health(msgspec.Struct):
    """What we read of the emulator's health page."""

    edition: str = ""


def _free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass(frozen=True)
class Birth:
    """One attempt to start an emulator."""

    folder: Path
    port: int
    name: str
    """What the health page gives back: another one that took the port is not ours."""

    @classmethod
    def of(cls, folder: Path) -> "Birth":
        """An attempt in ``folder``, which is made, on a port that is free now."""
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return cls(folder, _free_port(), uuid.uuid4().hex)

    @property
    def _argv(self) -> list[str]:
        module = "infra.localaws.process"
        return [sys.executable, "-m", module, str(self.folder), str(self.port), self.name]

    def tied(self) -> subprocess.Popen[bytes]:
        """Start it as a child that dies with us."""
        with (self.folder / LOG).open("ab") as output:
            return subprocess.Popen(
                self._argv,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd=REPOSITORY,
                preexec_fn=dying_with(os.getpid()),
                start_new_session=True,
            )

    def kept(self) -> int:
        """Start it as nobody's child and return its process id."""
        with (self.folder / LOG).open("ab") as output:
            answer = subprocess.Popen(
                [*self._argv, "keep"],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=output,
                cwd=REPOSITORY,
                start_new_session=True,
            )
        assert answer.stdout is not None
        with answer.stdout as told:
            pid = int(told.readline() or 0)
        answer.wait()
        return pid

    def ready(self, lives: Callable[[], bool]) -> bool:
        """Wait until it answers (True) or has ended (False).

        Raises:
            LocalAwsFailed: it does neither in time.
        """
        deadline = time.monotonic() + READY_WITHIN_S
        # Its own event loop, in its own process: there is nothing to wait on but its answer.
        while lives():
            if self._answers():
                return True
            if time.monotonic() > deadline:
                raise LocalAwsFailed(f"the emulator did not answer within {READY_WITHIN_S:.0f} s")
            time.sleep(0.05)
        return False

    def _answers(self) -> bool:
        page = f"http://127.0.0.1:{self.port}/_ministack/health"
        with (
            contextlib.suppress(OSError, msgspec.DecodeError),
            urllib.request.urlopen(page, timeout=2) as answer,
        ):
            return msgspec.json.decode(answer.read(), type=_Health).edition == self.name
        return False
