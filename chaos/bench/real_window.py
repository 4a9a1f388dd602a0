"""The rows that need the real window: on the screen that there is, or on a virtual one."""

import os
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import msgspec
import numpy as np

from chaos.bench.measured import Tell, lower, measured
from chaos.bench.virtual_screen import NoScreen, start_screen
from chaos.bench.window_frames import Behaviour
from chaos.pictures import INCIDENTS
from chaos.world import PROJECT
from engine.bench.figure import Figure
from engine.supervisor import dying_with

__all__ = ["real_window"]

MANY = 10_000
COUNTED = 300
SPEED_S = 12
STARTS = 3
"""The first of them reads files that nobody has read yet; the others are warm."""
SPARE_MIB = 4.0
"""Python's and Mesa's allocators breathe by about as much, whatever is drawn."""
SPARE_NONE = 50
MODULE = "chaos.bench.window_frames"


def real_window(tell: Tell) -> list[Figure]:
    """Measure the window itself.

    Raises:
        ValueError: there is no screen, and none can be started.
    """
    if os.environ.get("DISPLAY"):
        return _all(tell, {})
    try:
        process, display = start_screen()
    except NoScreen as error:
        raise ValueError(str(error)) from None
    try:
        return _all(tell, {"DISPLAY": display, "QT_QPA_PLATFORM": "xcb"})
    finally:
        process.terminate()
        process.wait()


def _all(tell: Tell, screen: Mapping[str, str]) -> list[Figure]:
    tell("the real window: 5 agents, quality low")
    pace = _behaviour(["pace", str(COUNTED)], {**screen, "GALLIUM_NOOP": "1"})
    tell(f"the real window, small and drawn: {MANY} frames")
    lasting = _behaviour(["lasting", str(MANY)], screen)
    tell(f"the real window, drawn: {SPEED_S} s of a replay")
    speed = _behaviour(["speed", str(SPEED_S)], screen)
    tell(f"GL_RENDERER {pace.renderer}, then {lasting.renderer}")
    return [*_paced(pace), *_lasting(lasting), _speed(speed), _start(tell, screen)]


def _behaviour(words: list[str], environment: Mapping[str, str]) -> Behaviour:
    return msgspec.json.decode(measured([MODULE, *words], environment), type=Behaviour)


def _paced(found: Behaviour) -> list[Figure]:
    live, empty = np.percentile(found.live_ms, 99), np.percentile(found.empty_ms, 99)
    paces = {
        "p99 ms": float(live), "empty p99 ms": float(empty),
        "p50 ms": float(np.median(found.live_ms)), "empty p50 ms": float(np.median(found.empty_ms)),
    }  # fmt: skip
    each = {"renders": found.renders, "frames": found.frames}
    # One more may be under way when the counting ends.
    once = max(0.0, found.renders - 1) / found.frames
    return [
        lower("VTK renders a shown frame", once, "", 1.0, each),
        lower("frame pacing p99 against an empty window", float(live / empty), "×", 1.25, paces),
    ]  # fmt: skip


def _lasting(found: Behaviour) -> list[Figure]:
    return [
        lower("memory grown in 10,000 frames", found.grown_mib, "MiB", SPARE_MIB, {}),
        lower(
            "references to None lost or gained in 10,000 frames", found.none_changed, "", SPARE_NONE,
            {"frames": found.many},
        ),
    ]  # fmt: skip


def _speed(found: Behaviour) -> Figure:
    beside = {"processor ms a frame": round(found.process_ms, 1), "load": os.getloadavg()[0]}
    software = "software, " if "llvmpipe" in found.renderer.lower() else ""
    name = f"frames a second, {software}quality low, 5 agents"
    return Figure(name, round(found.fps, 1), "fps", 30.0, "higher", found.fps >= 30.0, beside)


def _start(tell: Tell, screen: Mapping[str, str]) -> Figure:
    """Seconds from the command to the first frame with a state in it."""
    times = [_one_start(screen) for _ in range(STARTS)]
    tell(
        "starts: "
        + ", ".join(f"{wall_s:.1f} s ({cpu_s:.1f} s of processor)" for wall_s, cpu_s in times)
    )
    warm = min(times[1:])
    beside = {"cold": times[0][0], "processor s": warm[1], "load": os.getloadavg()[0]}
    return lower("start to first frame, warm", warm[0], "s", 4.0, beside)


def _one_start(screen: Mapping[str, str]) -> tuple[float, float]:
    """Wall and processor seconds until ``main.py window`` shows a recording."""
    ledger = INCIDENTS / "kill-payments" / "ledger.sqlite"
    words = ["window", "--replay", str(ledger), "--announce", "--no-install", "--quality", "low"]
    begun_s = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, str(PROJECT / "main.py"), *words],
        env={**os.environ, **screen}, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        preexec_fn=dying_with(os.getpid()),
    )  # fmt: skip
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        wall_s = time.monotonic() - begun_s
        cpu_s = _cpu_s(process.pid)
    finally:
        with suppress(ProcessLookupError):
            process.terminate()
        _, said = process.communicate()
    if line != b"shown\n":
        last = (said.decode(errors="replace").strip().splitlines() or ["it said nothing"])[-1]
        raise ValueError(f"the window did not start: {last}")
    return wall_s, cpu_s


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
