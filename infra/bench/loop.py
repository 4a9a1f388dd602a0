"""``main.py bench deploy``: the whole loop on a fresh emulator, as a person would run it.

Each step is the command itself, in a process of its own; times are the wall clock's, the phases'
come from the journals.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from engine.bench.figure import Figure
from infra.bench.broken import BenchBroken
from infra.deploy.journal import Progress, Shelf
from infra.deploy.report import HealthReport
from infra.deploy.run import Checked, Phase, Run, Verdict
from infra.deploy.source import REPOSITORY

__all__ = ["Loop", "loop_figures", "run_loop"]

LOOP_AIM_S = 120.0
ROLLBACK_AIM_S = 30.0
STEP_S = 600.0


class Loop(msgspec.Struct, frozen=True):
    """What one loop showed."""

    steps_s: dict[str, float]
    """Wall-clock seconds of each command."""
    cpu_s: float
    """Processor seconds of all of them, without what the emulator used."""
    load: float
    """Processes that wanted the machine, on average over the last minute."""
    deployed: HealthReport
    """Of the good build."""
    returned: HealthReport
    """After the bad update was rolled back."""
    bad: Run
    """The run of the bad update."""
    rollback_s: float
    """From the failed check to the end of the checks that followed the rollback."""


def run_loop(root: Path, told: Callable[[str], None]) -> Loop:
    """Bootstrap, deploy, check, update badly, be rolled back, check, destroy.

    Raises:
        BenchBroken: a step did not end as it must.
    """
    shelf = Shelf(root, "local")
    steps: dict[str, float] = {}
    before_s = sum(os.times()[2:4])

    def step(name: str, code: int, *arguments: str) -> None:
        began_s = time.monotonic()
        _command(root, code, *arguments)
        steps[name] = round(time.monotonic() - began_s, 2)
        told(f"{name:<32} {steps[name]:>7.2f} s")

    try:
        step("bootstrap, deploy, eight checks", 0, "apply", "local")
        step("eight checks by hand", 0, "health", "local", "--json", str(root / "good.json"))
        step("bad update, rolled back", 1, "apply", "local", "--rehearse-bad-update")
        bad = next(shelf.runs())[1]
        rollback_s = _rollback_s(shelf)
        step("eight checks after it", 0, "health", "local", "--json", str(root / "back.json"))
    finally:
        step("destroy", 0, "destroy", "local")
    if bad.phase is not Phase.ROLLED_BACK:
        raise BenchBroken(f"the bad update ended {bad.phase.value}: {bad.reason}")
    return Loop(
        steps_s=steps,
        cpu_s=round(sum(os.times()[2:4]) - before_s, 1),
        load=round(os.getloadavg()[0], 1),
        deployed=msgspec.json.decode((root / "good.json").read_bytes(), type=HealthReport),
        returned=msgspec.json.decode((root / "back.json").read_bytes(), type=HealthReport),
        bad=bad,
        rollback_s=round(rollback_s, 2),
    )


def loop_figures(told: Callable[[str], None]) -> list[Figure]:
    """The loop's figures, with their aims.

    Raises:
        BenchBroken: the loop did not come to its end.
    """
    with tempfile.TemporaryDirectory(prefix="deploy-bench-") as name:
        loop = run_loop(Path(name), told)
    whole_s = round(sum(loop.steps_s.values()), 2)
    unproven = sum(
        finding.verdict is Verdict.CONTROL_PLANE_ONLY for finding in loop.deployed.findings
    )
    well = sum(finding.verdict is Verdict.OK for finding in loop.deployed.findings)
    return [
        Figure(
            "whole loop",
            whole_s,
            "s",
            LOOP_AIM_S,
            "lower",
            whole_s <= LOOP_AIM_S,
            {**loop.steps_s, "processor s": loop.cpu_s, "load": loop.load},
        ),
        Figure(
            "rollback after the failed check",
            loop.rollback_s,
            "s",
            ROLLBACK_AIM_S,
            "lower",
            loop.rollback_s <= ROLLBACK_AIM_S,
            {"load": loop.load},
        ),
        Figure(
            "checks that are green or named as control-plane-only",
            well + unproven,
            "of 8",
            8,
            "higher",
            well + unproven == len(loop.deployed.findings) == 8,
            {"ok": well, "control-plane-only": unproven},
        ),
    ]


def _command(root: Path, code: int, *arguments: str) -> None:
    argv = [sys.executable, str(REPOSITORY / "main.py"), "deploy", *arguments]
    try:
        done = subprocess.run(
            [*argv, "--state", str(root), "--no-install"],
            capture_output=True,
            text=True,
            timeout=STEP_S,
            stdin=subprocess.DEVNULL,
        )
    except subprocess.TimeoutExpired:
        raise BenchBroken(f"{' '.join(arguments)} took longer than {STEP_S:.0f} s") from None
    if done.returncode != code:
        end = "\n".join((done.stdout + done.stderr).splitlines()[-25:])
        raise BenchBroken(f"{' '.join(arguments)} ended {done.returncode}, not {code}:\n{end}")


def _rollback_s(shelf: Shelf) -> float:
    """Seconds between the two health suites of the newest run."""
    folder = shelf.newest()
    lines = folder.lines() if folder is not None else []
    checked = [
        line.at_ms
        for line in lines
        if not isinstance(line.what, Progress) and isinstance(line.what, Checked)
    ]
    if len(checked) != 2:
        raise BenchBroken(f"{len(checked)} health suites in the bad run, where there must be two")
    return (checked[1] - checked[0]) / 1000
