"""A swarm whose processes share nothing but a folder and a net: each as a machine of its own would run it.

Every process has a private folder and an address on loopback. Nobody restarts anybody: the tests do.
"""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from engine.bus.nats import NatsBus
from engine.bus.nkey import BusKey
from engine.codec import decode
from engine.founding import swarm_of
from engine.ledger.sqlite import LedgerDamaged, open_ledger
from engine.paths import RunPaths
from engine.stream.commands import Operator
from engine.supervisor import dying_with
from engine.vocabulary import IncidentKey, Signed, Submission
from infra.staging import stage_image
from tests.fleet.commands import by_hand, environment

FLEET = """
name = "tiny"

[objective]
subject = "orders"
availability_permille = 990
latency_ms = 1000
hold_ms = 5000

[[service]]
name = "orders"
kind = "http"
release = "orders:1"
"""
AGENTS = tuple(str(agent) for agent, _ in swarm_of(5))
BUSES = ("bus-1", "bus-2", "bus-3")
CLIENTS, SERVERS, DOOR = 4222, 6222, 4230


class Machines:
    """All processes of one swarm."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.shared = folder / "run"
        self.shared.mkdir()
        (folder / "fleet.toml").write_text(FLEET)
        (folder / "swarm.toml").write_text('fleet = "fleet.toml"\n')
        # What the container image holds, and nothing else of this repository.
        self._image = stage_image(folder / "scratch")
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self.servers = tuple(f"nats://{self.host(name)}:{CLIENTS}" for name in BUSES)

    def host(self, name: str) -> str:
        """The address of a process: of its own, as everywhere in 127.0.0.0/8."""
        place = ("engine", "actuator", *AGENTS, *BUSES).index(name) + 1
        return f"127.{100 + os.getpid() % 100}.{os.getpid() // 100 % 250}.{place}"

    def paths(self, name: str) -> RunPaths:
        """The run as the process ``name`` sees it."""
        return RunPaths(self.shared, self.private(name))

    def private(self, name: str) -> Path:
        folder = self.folder / ("bus" if name in BUSES else name)
        folder.mkdir(mode=0o700, exist_ok=True)
        return folder

    def start(self, *names: str) -> None:
        for name in names or ("engine", "actuator", *AGENTS, *BUSES):
            self._start(name)

    def _start(self, name: str) -> None:
        with (self.folder / f"{name}.log").open("ab") as log:
            self._processes[name] = subprocess.Popen(
                [sys.executable, str(self._image / "main.py"), *self._words(name)],
                env=environment(self.folder / "state") | {"IC_BUS": ",".join(self.servers)},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                preexec_fn=dying_with(os.getpid()),
            )

    def _words(self, name: str) -> list[str]:
        at = ["--run-dir", str(self.shared), "--private-dir", str(self.private(name))]
        door = f"{self.host('actuator')}:{DOOR}"
        if name == "engine":
            return ["engine", *at, "--config", str(self.folder / "swarm.toml"), "--actuator", door]
        if name == "actuator":
            return ["actuator", *at, "--door", door]
        if name in AGENTS:
            return ["agent", *at, "--id", name]
        peers = [w for other in BUSES for w in ("--peer", f"{self.host(other)}:{SERVERS}")]
        here = [
            "--listen",
            f"{self.host(name)}:{CLIENTS}",
            "--routes",
            f"{self.host(name)}:{SERVERS}",
        ]
        return ["bus", *at, "--name", name, "--cluster", "swarm", *here, *peers]

    def kill(self, name: str) -> None:
        self._processes[name].kill()
        self._processes[name].wait()

    def code(self, name: str) -> int | None:
        return self._processes[name].poll()

    def log(self, name: str) -> str:
        return (self.folder / f"{name}.log").read_text(errors="replace")

    def is_ready(self, bus: str, times: int) -> bool:
        """Whether a server of the bus was started so many times."""
        return self.log(bus).count("Server is ready") >= times

    def stop(self) -> None:
        for process in self._processes.values():
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        for process in self._processes.values():
            process.wait(20)

    # --- what an operator does, and what can be seen ------------------------------------------------

    def operator(self) -> Operator:
        paths = self.paths("engine")
        return Operator.load(paths.operator_key, paths.genesis)

    async def order(self, payload: bytes) -> None:
        """Bring an operator's signed submission to the agents, as the engine does."""
        bus = await NatsBus.enter(self.servers, "engine", BusKey(self.paths("engine").bus_key))
        await bus.publish("submit.operator", payload)
        await bus.flush()
        await bus.close()

    async def decide(self, within_s: float = 30.0) -> None:
        """Have one more operation ordered, and see it in the engine's verified copy of the log."""
        now_ms = time.time_ns() // 1_000_000
        note = self.operator().note(IncidentKey("nothing"), "is anybody there?", now_ms)
        counter = decode(decode(note.payload, Signed).payload, Submission).counter
        deadline = time.monotonic() + within_s
        while counter not in self.ordered():
            assert time.monotonic() < deadline, f"not ordered within {within_s} s"
            await self.order(note.payload)
            await asyncio.sleep(0.3)

    def ordered(self) -> set[int]:
        """The counters of the operator's submissions in the engine's copy; none before it is begun."""
        try:
            ledger = open_ledger(self.paths("engine").engine_ledger)
        except LedgerDamaged:
            return set()
        try:
            said = [
                decode(decode(signed, Signed).payload, Submission)
                for entry, _ in ledger.read_stamped()
                for signed in entry.batch
            ]
        finally:
            ledger.close()
        return {submission.counter for submission in said if submission.author == "operator"}

    def founded(self) -> bool:
        return (self.shared / "genesis.json").exists() and self.paths(
            "engine"
        ).engine_ledger.exists()

    def wait(self, condition: Callable[[], object], within_s: float, what: str) -> None:
        by_hand(condition, within_s, what)
