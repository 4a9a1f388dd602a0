"""``main.py --help`` answers at once and loads no screen."""

import resource
import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
PROCESSOR_TIME_S = 0.5
"""The promise; 0.05 s measured on two cores, 2026-11-23."""
SCREENS = {"PySide6", "pyvista", "pyvistaqt", "textual", "vtk"}


def ask_for_help(*options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *options, "main.py", "--help"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=True,
    )


def children_processor_time_s() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def test_help_takes_little_processor_time() -> None:
    ask_for_help()  # The first run compiles, and reads from the disk.

    before_s = children_processor_time_s()
    answer = ask_for_help()
    taken_s = children_processor_time_s() - before_s

    assert "doctor" in answer.stdout
    assert taken_s <= PROCESSOR_TIME_S


def test_help_loads_no_screen() -> None:
    lines = ask_for_help("-X", "importtime").stderr.splitlines()

    loaded = {line.rpartition("|")[2].strip().partition(".")[0] for line in lines}
    assert "argparse" in loaded
    assert not loaded & SCREENS
