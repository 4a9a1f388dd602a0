"""What the swarm costs while nothing happens, and how long a start takes: read from the kernel."""

import asyncio
import os
import statistics
import time
from pathlib import Path

import msgspec

from chaos import world
from chaos.drill import READY_S
from chaos.watch import Screen
from chaos.world import World
from engine.bench.figure import Figure
from engine.policy import DRILL_RULES
from engine.supervisor import read_states

START_AIM_S = 15.0
CPU_AIM_PERCENT = 50.0
MEMORY_AIM_MB = 600.0
_TICKS = os.sysconf("SC_CLK_TCK")


class Sample(msgspec.Struct, frozen=True):
    """One start and one stretch of idling."""

    start_s: float
    cpu_percent: float
    """Of one core: engine, actuator, NATS and five agents together."""
    pss_mb: float
    cpu_by_process: dict[str, float]


def cpu_seconds(pid: int) -> float:
    """User and system time that a process has used, from ``/proc/PID/stat``."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def pss_mb(pid: int) -> float:
    """Proportional set size in MB, from ``/proc/PID/smaps_rollup``."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) / 1024
    return 0.0


async def sample(idle_s: float) -> Sample:
    """Start a world, wait until it is ready, let it idle and measure.

    Raises:
        BrokenWorld: it did not get ready.
    """
    began = time.monotonic()
    paths = world.prepare(world.manifest_path("shop"), DRILL_RULES)
    async with world.running(paths, with_swarm=True) as running:
        screen = Screen(paths)
        following = asyncio.create_task(screen.run())
        try:
            while not screen.ready:
                if time.monotonic() - began > READY_S:
                    raise world.BrokenWorld(f"not ready in {READY_S:.0f} s")
                await asyncio.sleep(0.05)
            start_s = time.monotonic() - began
        finally:
            following.cancel()
        return await _idle(running, start_s, idle_s)


async def _idle(running: World, start_s: float, idle_s: float) -> Sample:
    pids = {state.name: state.pid for state in read_states(running.paths.processes).values()}
    pids["engine"] = running.engine_pid
    before = {name: cpu_seconds(pid) for name, pid in pids.items()}
    began = time.monotonic()
    await asyncio.sleep(idle_s)
    span = time.monotonic() - began
    used = {name: 100 * (cpu_seconds(pid) - before[name]) / span for name, pid in pids.items()}
    return Sample(
        start_s=round(start_s, 2),
        cpu_percent=round(sum(used.values()), 2),
        pss_mb=round(sum(pss_mb(pid) for pid in pids.values()), 1),
        cpu_by_process={name: round(share, 2) for name, share in used.items()},
    )


def figures(samples: list[Sample]) -> list[Figure]:
    """Median and range of each figure over all samples (pure)."""
    rows = (
        ("up to fleet green and swarm ready", "s", START_AIM_S, [s.start_s for s in samples]),
        ("swarm idle, of one core", "%", CPU_AIM_PERCENT, [s.cpu_percent for s in samples]),
        ("swarm idle, PSS", "MB", MEMORY_AIM_MB, [s.pss_mb for s in samples]),
    )
    return [
        Figure(
            name=name,
            value=statistics.median(values),
            unit=unit,
            aim=aim,
            better="lower",
            holds=max(values) <= aim,
            beside={"least": min(values), "most": max(values), "runs": float(len(values))},
        )
        for name, unit, aim, values in rows
    ]
