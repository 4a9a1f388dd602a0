"""One replica in its shell, to be talked to over the bus."""

import asyncio
from collections.abc import Collection
from pathlib import Path

from engine.bus.memory import MemoryBus
from engine.clock import SystemClock
from engine.consensus.runtime import Fold, ReplicaRuntime
from engine.ledger.sqlite import SqliteLedger
from engine.vocabulary import AgentId, Entry
from tests.unit.consensus.speaking import Speaker


class One:
    """Replica 1 of five over the bus in memory; the test plays the others."""

    def __init__(self, folder: Path, convicted: Collection[AgentId] = ()) -> None:
        self.speaker = Speaker()
        self.bus = MemoryBus()
        self.votes = folder / "votes"
        self.store = SqliteLedger(folder / "ledger.sqlite", self.speaker.genesis)
        self.convicted = set(convicted)
        self.folded: list[tuple[int, int]] = []
        self.accused: list[tuple[str, str]] = []
        members = self.speaker.members
        self.runtime = ReplicaRuntime.open(
            agent=members.ids[1],
            genesis=members.genesis,
            signer=members.signers[members.ids[1]],
            verifier=members.verifier,
            bus=self.bus,
            store=self.store,
            votes=self.votes,
            clock=SystemClock(),
            on_evidence=lambda it: self.accused.append((it.culprit, it.kind)),
            fold=Fold(self.fold, convicted),
        )
        self.task = asyncio.create_task(self.runtime.run())

    def fold(self, entry: Entry) -> Collection[AgentId]:
        self.folded.append((entry.sequence_number, self.store.head[0]))
        return self.convicted

    async def hear(self, by: int, frame: bytes) -> None:
        await self.bus.publish(f"pbft.{self.speaker.members.ids[by]}", bytes(8) + frame)

    async def listening(self) -> None:
        """Wait until it has said where it is: by then it listens too."""
        said = asyncio.Event()

        def heard(_subject: str, _payload: bytes) -> None:
            said.set()

        await self.bus.subscribe("head.*", heard)
        async with asyncio.timeout(10):
            await said.wait()

    async def close(self) -> None:
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)
        self.store.close()
        await self.bus.close()
