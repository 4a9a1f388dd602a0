"""Decisions of five replicas over a real NATS server: sockets, ledgers and synced vote logs.

All replicas and the author run in this process, each with a connection of its own, so that one
clock counts their processor time; the server is a process of its own and counted beside. A batch
holds one submission, so that several under way are as many decisions, not one large one.
"""

import asyncio
import os
import signal
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from time import perf_counter, process_time

import msgspec

from engine.bench.committee import OPERATOR, Bench
from engine.bench.counting import CountingVerifier, Tally
from engine.bus import server
from engine.bus.nats import NatsBus
from engine.clock import SystemClock
from engine.consensus.client import Submitter
from engine.consensus.runtime import ReplicaRuntime
from engine.consensus.settings import settings_for
from engine.ledger.sqlite import SqliteLedger
from engine.paths import RunPaths

N = 5
ECHO = b"echo"


class BusCost(msgspec.Struct, frozen=True):
    """What one decision over the bus cost."""

    cpu_ms: float
    floor_ms: float
    server_ms: float
    signed: float
    checked: float
    operations: int
    latency_ms: float
    """From a submission to the word of f + 1 replicas where it stands."""
    echo_ms: float
    """One message to another connection and back."""


class BusRing:
    """Five replicas at work; made by ``opened``."""

    def __init__(self, bench: Bench, submitter: Submitter, pid: int, echo: "Echo") -> None:
        """Put the parts together."""
        self._bench = bench
        self._submitter = submitter
        self._pid = pid
        self._echo = echo

    async def measure(self, decisions: int, operations: int, under_way: int = 1) -> BusCost:
        """The mean cost of one of ``decisions`` decisions, ``under_way`` of them at a time."""
        tally = self._bench.tally
        tally.clear()
        room = asyncio.Semaphore(under_way)
        server_started, started = _cpu_s(self._pid), process_time()
        waited = await asyncio.gather(*(self._decide(operations, room) for _ in range(decisions)))
        spent, server_spent = process_time() - started, _cpu_s(self._pid) - server_started
        echoed = [await self._echo.round_trip_s() for _ in range(decisions)]
        return BusCost(
            1000 * spent / decisions, 1000 * tally.floor_s() / decisions,
            1000 * server_spent / decisions,
            len(tally.signed) / decisions, len(tally.checked) / decisions, operations,
            1000 * sum(waited) / decisions, 1000 * sum(echoed) / decisions,
        )  # fmt: skip

    async def _decide(self, operations: int, room: asyncio.Semaphore) -> float:
        """Have one submission ordered when there is room for it; the seconds that it took."""
        async with room:
            clock = perf_counter()
            await self._submitter.submit(self._bench.operations(operations))
            return perf_counter() - clock


class Echo:
    """A message from one connection to another and back, too short for a replica to read."""

    def __init__(self, near: tuple[str, NatsBus], far: tuple[str, NatsBus]) -> None:
        """Go from ``near`` to ``far``, each an agent with its bus."""
        self._near, self._far = near, far
        self._heard = asyncio.Event()
        self._answering: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Listen on both sides."""
        (near, near_bus), (far, far_bus) = self._near, self._far
        await far_bus.subscribe(f"pbft.{near}.{far}", self._answer)
        await near_bus.subscribe(f"pbft.{far}.{near}", self._hear)
        await far_bus.flush()
        await near_bus.flush()

    def _answer(self, _subject: str, payload: bytes) -> None:
        if payload == ECHO:
            answer = self._far[1].publish(f"pbft.{self._far[0]}.{self._near[0]}", ECHO)
            self._answering = asyncio.create_task(answer)

    def _hear(self, _subject: str, payload: bytes) -> None:
        if payload == ECHO:
            self._heard.set()

    async def round_trip_s(self) -> float:
        """Seconds from publishing to hearing the answer."""
        self._heard.clear()
        started = perf_counter()
        await self._near[1].publish(f"pbft.{self._near[0]}.{self._far[0]}", ECHO)
        async with asyncio.timeout(5):
            await self._heard.wait()
        return perf_counter() - started


@asynccontextmanager
async def opened(folder: Path) -> AsyncGenerator[BusRing]:
    """Server, replicas and author running, until left."""
    tally = Tally()
    bench = Bench(N, tally)
    paths = RunPaths(folder / "run").make()
    prepared = server.prepare(paths, bench.ids)
    async with AsyncExitStack() as stack:
        nats = await asyncio.create_subprocess_exec(
            *prepared.argv, stderr=asyncio.subprocess.DEVNULL
        )
        stack.push_async_callback(_end, nats)
        await prepared.wait_ready()
        verifier, clock = CountingVerifier(tally), SystemClock()
        settings = msgspec.structs.replace(
            settings_for(bench.genesis.n, bench.genesis.f), batch_submissions=1
        )
        buses: dict[str, NatsBus] = {}
        for agent in bench.ids:
            home = paths.agent(agent)
            home.mkdir(exist_ok=True)
            bus = await NatsBus.connect(paths.bus_credential(agent))
            stack.push_async_callback(bus.close)
            buses[agent] = bus
            store = SqliteLedger(home / "ledger.sqlite", bench.genesis)
            stack.callback(store.close)
            runtime = ReplicaRuntime.open(
                agent=agent, genesis=bench.genesis, signer=bench.signers[agent],
                verifier=verifier, bus=bus, store=store, votes=home / "votes", clock=clock,
                settings=settings,
            )  # fmt: skip
            stack.push_async_callback(_cancel, asyncio.create_task(runtime.run()))
        bus = await NatsBus.connect(paths.bus_credential(OPERATOR))
        stack.push_async_callback(bus.close)
        author = bench.operator
        submitter = Submitter(bus, author, OPERATOR, bench.genesis, verifier, clock)
        echo = Echo(*list(buses.items())[1:3])
        await echo.open()
        yield BusRing(bench, submitter, nats.pid, echo)


async def _cancel(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.send_signal(signal.SIGTERM)
        await process.wait()


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
