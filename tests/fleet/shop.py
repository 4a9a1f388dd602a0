"""A shop under test: started as the launcher starts it, looked at as everybody may."""

import asyncio
import os
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec

from chaos.door import AskIntegrity, AskState, DrillDoor, UndoAll
from chaos.fleet.load import LoadSecond
from chaos.integrity import Integrity
from engine.act.fleet import FleetExecutor
from engine.paths import RunPaths
from engine.topology import Endpoints, FleetStatus, ServiceStatus, read_endpoints
from engine.vocabulary import Generation

ROOT = Path(__file__).resolve().parents[2]
MANIFEST = ROOT / "assets" / "fleets" / "shop.toml"
UP_WITHIN_S = 15.0


class RunningShop:
    def __init__(self, folder: Path) -> None:
        self.paths = RunPaths(folder).make()
        shutil.copyfile(MANIFEST, self.paths.manifest)
        # A killed orchestrator could not take its word back.
        self.paths.endpoints.unlink(missing_ok=True)
        self._errors = (folder / "fleet.err").open("ab")
        self.started_s = time.monotonic()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "chaos.fleet", "--run-dir", str(folder)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=self._errors,
            stderr=self._errors,
            start_new_session=True,
        )
        self.up_s = 0.0
        self.door = DrillDoor(self.paths)
        self.executor = FleetExecutor(self.paths.repair_socket, self.paths.repair_token)

    def wait_until_up(self) -> None:
        while not self.paths.endpoints.exists():
            said = (self.paths.root / "fleet.err").read_text()
            assert self.process.poll() is None, f"the fleet ended: {said}"
            assert time.monotonic() - self.started_s < UP_WITHIN_S, f"not up: {said}"
            time.sleep(0.02)
        self.up_s = time.monotonic() - self.started_s

    def stop(self) -> int:
        assert self.process.stdin is not None
        self.process.stdin.close()
        code = self.process.wait(timeout=15)
        self._errors.close()
        return code

    @property
    def endpoints(self) -> Endpoints:
        return read_endpoints(self.paths.endpoints)

    def page(self, url: str) -> bytes:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return bytes(answer.read())

    def status(self, service: str) -> ServiceStatus:
        status = msgspec.json.decode(self.page(self.endpoints.status), type=FleetStatus)
        return next(found for found in status.services if found.name == service)

    def generation(self, service: str) -> Generation:
        generation = self.status(service).generation
        assert generation is not None
        return generation

    async def integrity(self) -> Integrity:
        answer = await self.door.say(AskIntegrity())
        assert answer.integrity is not None
        return answer.integrity

    async def interventions(self) -> int:
        return (await self.door.say(AskState())).interventions

    def load_log(self) -> list[LoadSecond]:
        lines = (self.paths.fleet / "load.log").read_bytes().splitlines()
        return [msgspec.json.decode(line, type=LoadSecond) for line in lines]

    def failed_requests(self) -> int:
        return sum(second.bad for second in self.load_log())

    async def mend(self) -> None:
        await self.door.say(UndoAll())

    def members(self) -> set[int]:
        return {self.process.pid} | descendants(self.process.pid)


async def eventually(
    condition: Callable[[], Awaitable[object]], deadline_s: float = 15.0, every_s: float = 0.1
) -> None:
    """Ask a condition in other processes again and again, until it holds or time is over."""
    end = time.monotonic() + deadline_s
    while not await condition():
        assert time.monotonic() < end, f"not within {deadline_s} s"
        await asyncio.sleep(every_s)


def descendants(pid: int) -> set[int]:
    found: set[int] = set()
    frontier = [pid]
    while frontier:
        parent = frontier.pop()
        try:
            text = Path(f"/proc/{parent}/task/{parent}/children").read_text()
        except OSError:
            continue
        children = {int(word) for word in text.split()}
        found |= children
        frontier += children
    return found


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except (OSError, IndexError):
        return False
    return state != "Z" or os.getppid() == pid
