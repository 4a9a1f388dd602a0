"""The drill's watchdog, as a process: undoes every fault when the runner dies before it could.

It reads a pipe that only the runner holds. The end of the pipe without the word that all is
undone means that the runner is gone, however it went: then whatever the undo ledger still lists
is taken out, through the door for drills, within two seconds.
"""

import argparse
import contextlib
import os
import signal
import sys
import time
from pathlib import Path

from chaos.door import DrillDoor, UndoAll
from engine.paths import RunPaths

READY = b"watching\n"
FINISHED = b"finished\n"
TRY_FOR_S = 30.0
TRY_EVERY_S = 0.1


def watch(door: DrillDoor) -> bool:
    """Wait for the end of standard input; whether nothing is in any more."""
    last = b""
    while data := os.read(sys.stdin.fileno(), 4_096):
        last = (last + data)[-len(FINISHED) :]
    if last == FINISHED:
        return True
    deadline = time.monotonic() + TRY_FOR_S
    while time.monotonic() < deadline:
        try:
            door.say_now(UndoAll())
        except (FileNotFoundError, ConnectionRefusedError):
            # Nobody stands at the door: the orchestrator has ended, and every fault with it.
            return True
        except OSError:
            time.sleep(TRY_EVERY_S)
        else:
            return True
    return False


def main() -> None:
    """Watch one drill runner."""
    parser = argparse.ArgumentParser(prog="python -m chaos.watchdog", description=main.__doc__)
    parser.add_argument("--run-dir", type=Path, required=True, help="the run's folder")
    given = parser.parse_args()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        # It has to outlive whoever ends the drill, and ends by itself right after.
        signal.signal(number, signal.SIG_IGN)
    os.write(sys.stdout.fileno(), READY)
    done = watch(DrillDoor(RunPaths(given.run_dir)))
    with contextlib.suppress(OSError):
        if not done:
            sys.stderr.write("the orchestrator did not undo what is in; end the fleet\n")
    sys.exit(0 if done else 1)


if __name__ == "__main__":
    main()
