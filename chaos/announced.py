"""That a drill runs, for screens: never what it breaks, so that no responder learns more than people do."""

import os
from pathlib import Path

import msgspec

from engine.paths import RunPaths


class _Note(msgspec.Struct, frozen=True):
    """What lies in the run's folder while a drill runs."""

    pid: int


def announce(paths: RunPaths) -> None:
    """Say that this process rehearses in the run at ``paths``."""
    scratch = paths.drill_note.with_suffix(".new")
    descriptor = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(msgspec.json.encode(_Note(os.getpid())))
    scratch.replace(paths.drill_note)


def withdraw(paths: RunPaths) -> None:
    """Say that it is over."""
    paths.drill_note.unlink(missing_ok=True)


def running(paths: RunPaths) -> bool:
    """Whether somebody rehearses in the run at ``paths``: a process that is gone does not."""
    return _alive(paths.drill_note)


def _alive(note: Path) -> bool:
    try:
        pid = msgspec.json.decode(note.read_bytes(), type=_Note).pid
        os.kill(pid, 0)
    except (OSError, OverflowError, msgspec.DecodeError):
        return False
    return pid > 0
