"""The senses on the real shop: silent while it is well, and right about a process that is killed."""

import asyncio
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import pytest

from chaos.door import DrillDoor, Inject, Undo
from chaos.faults.fault import KillService
from engine.agents.detection import WARM_UP_MS, alarmed, anomalies, recovered
from engine.agents.diagnosis import rank
from engine.agents.resolution import plan
from engine.clock import SystemClock
from engine.paths import RunPaths
from engine.telemetry.collector import Collector
from engine.telemetry.window import Window
from engine.topology import Manifest, read_endpoints, read_manifest
from engine.vocabulary import FaultKind, RestartService

FLEET = Path(__file__).parents[2] / "assets/fleets/shop.toml"
UP_WITHIN_S = 30.0
QUIET_S = 20.0
LOOK_EVERY_S = 0.2


@contextmanager
def shop() -> Generator[RunPaths]:
    """A running shop; it ends when its standard input closes, whatever happens here."""
    # Short and crossable by others: socket paths are limited, and PostgreSQL may run as nobody.
    root = Path(tempfile.mkdtemp(prefix="ic-", dir="/tmp"))
    root.chmod(0o755)
    paths = RunPaths(root / "run").make()
    shutil.copy(FLEET, paths.manifest)
    command = [sys.executable, "-m", "chaos.fleet", "--run-dir", str(paths.root)]
    fleet = subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        _wait(lambda: paths.endpoints.exists() or fleet.poll() is not None, UP_WITHIN_S)
        assert fleet.poll() is None, "the fleet did not come up"
        yield paths
    finally:
        fleet.communicate(timeout=20)
        shutil.rmtree(root, ignore_errors=True)


def _wait(until: Callable[[], bool], within_s: float) -> None:
    deadline = time.monotonic() + within_s
    while not until():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(LOOK_EVERY_S)


class Agent:
    """One agent's eyes: its own window, its own collector."""

    def __init__(self, paths: RunPaths) -> None:
        self.clock = SystemClock()
        self.manifest: Manifest = read_manifest(paths.manifest)
        self.window = Window(self.manifest)
        self.collector = Collector(
            read_endpoints(paths.endpoints), self.manifest, self.window, self.clock, phase_ms=250
        )

    def alarm(self) -> str | None:
        found = anomalies(self.window, self.manifest, self.clock.unix_ms())
        return alarmed(found, self.manifest)

    async def alarms_within(self, seconds: float) -> list[str]:
        """What is alarmed about while some time passes."""
        heard = []
        deadline = time.monotonic() + seconds
        async for _ in looks():
            alarm = self.alarm()
            if alarm is not None:
                heard.append(alarm)
            if time.monotonic() > deadline:
                break
        return heard

    async def until(self, true: Callable[[], bool], within_s: float) -> float:
        """Seconds until something is so."""
        began_s = time.monotonic()
        async with asyncio.timeout(within_s):
            async for _ in looks():
                if true():
                    break
        return time.monotonic() - began_s


async def looks() -> AsyncIterator[None]:
    while True:
        yield
        await asyncio.sleep(LOOK_EVERY_S)


@asynccontextmanager
async def watching(paths: RunPaths) -> AsyncGenerator[Agent]:
    agent = Agent(paths)
    collecting = asyncio.create_task(agent.collector.run())
    try:
        yield agent
    finally:
        collecting.cancel()
        await asyncio.gather(collecting, return_exceptions=True)


@pytest.mark.fleet
@pytest.mark.slow
@pytest.mark.timeout(120)
async def test_is_silent_then_names_the_killed_process_then_sees_it_recover() -> None:
    with shop() as paths:
        async with watching(paths) as agent:
            window, manifest, clock = agent.window, agent.manifest, agent.clock
            alarms = await agent.alarms_within(WARM_UP_MS / 1_000 + QUIET_S)
            assert alarms == []
            assert window.watched_ms(clock.unix_ms()) > QUIET_S * 1_000

            door = DrillDoor(paths)
            await door.say(Inject("kill", KillService("payments")))
            alarm_s = await agent.until(lambda: agent.alarm() is not None, 10)
            ranking = rank(window, manifest, clock.unix_ms()).hypotheses
            now_ms = clock.unix_ms()
            repair = plan(ranking, window, manifest, now_ms, now_ms + 30_000, frozenset())

            assert alarm_s < 6
            assert (ranking[0].service, ranking[0].kind) == ("payments", FaultKind.CRASH)
            assert repair is not None
            assert isinstance(repair.actions[0], RestartService)
            assert not recovered(window, manifest, now_ms - 5_000, now_ms)

            await door.say(Undo("kill"))
            since_ms = clock.unix_ms()
            await agent.until(
                lambda: recovered(window, manifest, since_ms, clock.unix_ms()), within_s=25
            )
