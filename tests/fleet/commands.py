"""Commands of ``main.py`` under test, as users start them, and the processes that they leave."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from engine.paths import RunPaths
from tests.fleet.shop import alive, descendants

ROOT = Path(__file__).resolve().parents[2]
GONE_WITHIN_S = 15.0


def command(*words: str) -> list[str]:
    return [sys.executable, str(ROOT / "main.py"), *words]


def environment(state: Path) -> dict[str, str]:
    """The user's, with a state folder of its own, and without the names of tests."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")}
    return kept | {"XDG_STATE_HOME": str(state)}


def by_hand(condition: Callable[[], object], within_s: float, what: str) -> None:
    """Wait for something in other processes."""
    end = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < end, f"not within {within_s} s: {what}"
        time.sleep(0.05)


class Up:
    """``main.py up``, told line by line into a file."""

    def __init__(self, folder: Path, *words: str) -> None:
        self.output = folder / "output.txt"
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(
                command("up", *words),
                cwd=ROOT,
                env=environment(folder / "state"),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.wait_for(" and its swarm in ", 20)
        line = next(line for line in self.said if " and its swarm in " in line)
        self.paths = RunPaths(Path(line.rsplit(" ", 1)[1]))

    @property
    def said(self) -> list[str]:
        return self.output.read_text(errors="replace").splitlines()

    def wait_for(self, text: str, within_s: float) -> None:
        def is_said() -> bool:
            assert self.process.poll() is None, self.output.read_text()
            return text in self.output.read_text(errors="replace")

        by_hand(is_said, within_s, f"{text!r} in {self.output.read_text(errors='replace')}")

    def processes(self) -> set[int]:
        """Everything that belongs to the run: by parentage, and by its folder in the arguments."""
        return descendants(self.process.pid) | naming(self.paths.root)

    def end(self, number: signal.Signals) -> tuple[int, set[int]]:
        """Send a signal to the command alone; its exit code, and who is left of its processes."""
        before = self.processes()
        assert len(before) > 15
        self.process.send_signal(number)
        code = self.process.wait(timeout=30)
        end = time.monotonic() + GONE_WITHIN_S
        left = before
        while left and time.monotonic() < end:
            left = {pid for pid in before | naming(self.paths.root) if alive(pid)}
            time.sleep(0.05)
        return code, left


def naming(folder: Path) -> set[int]:
    """Processes with ``folder`` in their arguments."""
    found: set[int] = set()
    for process in Path("/proc").iterdir():
        if process.name.isdigit() and str(folder).encode() in read(process / "cmdline"):
            found.add(int(process.name))
    return found


def read(path: Path) -> bytes:
    """What ``path`` holds; nothing when it has gone, or is not for us."""
    try:
        return path.read_bytes()
    except OSError:
        return b""
