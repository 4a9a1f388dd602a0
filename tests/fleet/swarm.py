"""Five replicas in one process over a real NATS server: real keys, real files, real sockets."""

import asyncio
import signal
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

from engine.bus import server
from engine.bus.nats import NatsBus
from engine.clock import SystemClock
from engine.codec import NO_DIGEST
from engine.consensus.client import Submitter
from engine.consensus.runtime import ReplicaRuntime
from engine.genesis import Genesis, Member
from engine.ledger.sqlite import SqliteLedger
from engine.paths import RunPaths
from engine.signing import Ed25519Signer, Ed25519Verifier
from engine.vocabulary import AgentId, AuthorId, Entry, Role, TraceEvent

OPERATOR = AuthorId("operator")


class Swarm:
    """The parts of a swarm; agents are started and stopped one by one."""

    def __init__(self, folder: Path, n: int = 5, f: int = 1) -> None:
        self.paths = RunPaths(folder / "run").make()
        self.clock = SystemClock()
        self.verifier = Ed25519Verifier()
        self.ids = tuple(AgentId(AuthorId(f"agent-{place}")) for place in range(n))
        self.signers = {agent: Ed25519Signer.generate() for agent in self.ids}
        self.operator = Ed25519Signer.generate()
        members = tuple(
            Member(agent, Role.DETECTION, self.signers[agent].public_key) for agent in self.ids
        )
        self.genesis = Genesis(
            name="swarm", nonce=bytes(32), epoch=0, n=n, f=f, agents=members,
            operators={OPERATOR: self.operator.public_key},
            actuator=Ed25519Signer.generate().public_key, probe=b"",
            policy=NO_DIGEST, catalogue=NO_DIGEST, manifest=NO_DIGEST,
        )  # fmt: skip
        self.bus_server = server.prepare(self.paths, self.ids)
        self.runtimes: dict[AgentId, ReplicaRuntime] = {}
        self.stores: dict[AgentId, SqliteLedger] = {}
        self.executed: dict[AgentId, list[Entry]] = {agent: [] for agent in self.ids}
        self.trace: list[TraceEvent] = []
        self._tasks: dict[AgentId, asyncio.Task[None]] = {}
        self._buses: dict[str, NatsBus] = {}
        self._nats: asyncio.subprocess.Process | None = None

    async def start_nats(self) -> None:
        self._nats = await asyncio.create_subprocess_exec(
            *self.bus_server.argv, stderr=asyncio.subprocess.DEVNULL
        )
        await self.bus_server.wait_ready()

    async def kill_nats(self) -> None:
        assert self._nats is not None
        self._nats.send_signal(signal.SIGKILL)
        await self._nats.wait()

    async def bus(self, user: str) -> NatsBus:
        if user not in self._buses:
            self._buses[user] = await NatsBus.connect(self.paths.bus_credential(user))
        return self._buses[user]

    async def start(self, agent: AgentId) -> ReplicaRuntime:
        folder = self.paths.agent(agent)
        folder.mkdir(exist_ok=True)
        store = self.stores[agent] = SqliteLedger(folder / "ledger.sqlite", self.genesis)
        bus = await NatsBus.connect(self.paths.bus_credential(agent))
        runtime = self.runtimes[agent] = ReplicaRuntime.open(
            agent=agent,
            genesis=self.genesis,
            signer=self.signers[agent],
            verifier=self.verifier,
            bus=bus,
            store=store,
            votes=folder / "votes",
            clock=self.clock,
            on_execute=lambda entry: self.executed[agent].append(entry),
            on_trace=self.trace.append,
        )
        self._buses[agent] = bus
        self._tasks[agent] = asyncio.create_task(runtime.run())
        return runtime

    async def stop(self, agent: AgentId) -> None:
        """Stop an agent between two awaits; what it had not synced is lost."""
        task = self._tasks.pop(agent)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await self._buses.pop(agent).close()
        self.stores[agent].close()

    async def submitter(self) -> Submitter:
        return Submitter(
            await self.bus(OPERATOR), self.operator, OPERATOR, self.genesis, self.verifier,
            self.clock,
        )  # fmt: skip

    def batches(self, agent: AgentId) -> list[tuple[bytes, ...]]:
        return [entry.batch for entry in self.stores[agent].read_all()]

    async def close(self) -> None:
        for agent in list(self._tasks):
            await self.stop(agent)
        for bus in self._buses.values():
            await bus.close()
        if self._nats is not None and self._nats.returncode is None:
            await self.kill_nats()


@asynccontextmanager
async def swarm(folder: Path) -> AsyncGenerator[Swarm]:
    """A swarm with its server and all agents running."""
    made = Swarm(folder)
    try:
        await made.start_nats()
        for agent in made.ids:
            await made.start(agent)
        yield made
    finally:
        await made.close()
