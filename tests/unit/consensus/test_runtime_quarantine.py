"""What the shell around a replica does with convictions: the log's, and those of its own eyes."""

import asyncio
from collections.abc import Collection
from pathlib import Path

from engine.bus.memory import MemoryBus
from engine.clock import SystemClock
from engine.codec import encode
from engine.consensus.messages import Entries
from engine.consensus.runtime import Fold, ReplicaRuntime
from engine.ledger.sqlite import SqliteLedger
from engine.vocabulary import AgentId, Entry
from tests.unit.consensus.speaking import Speaker
from tests.until import until


class One:
    """Replica 1 of five over the bus in memory; the test plays the others."""

    def __init__(self, folder: Path, convicted: Collection[AgentId] = ()) -> None:
        self.speaker = Speaker()
        self.bus = MemoryBus()
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
            votes=folder / "votes",
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


async def test_each_entry_is_folded_in_the_step_that_commits_it(tmp_path: Path) -> None:
    one = One(tmp_path)
    one.convicted = {one.speaker.members.ids[0]}
    entry = one.speaker.entry(1, one.speaker.members.submission(1))

    await one.listening()
    await one.hear(4, encode(Entries((entry,))))

    await until(lambda: one.store.head[0] == 1)
    assert one.folded == [(1, 0)]
    await until(lambda: (one.runtime.view, one.runtime.phase) == (1, "view-change"))
    await one.close()


async def test_a_ledger_that_convicts_too_many_starts_halted(tmp_path: Path) -> None:
    one = One(tmp_path, convicted=Speaker().members.ids[2:4])

    await until(lambda: one.runtime.phase == "halted")
    assert not one.runtime.ready
    await one.close()


async def test_two_votes_of_one_replica_are_handed_on_as_proof(tmp_path: Path) -> None:
    one = One(tmp_path)
    await one.listening()
    for byte in (1, 2):
        vote = one.speaker.commit(3, 0, 1, bytes([byte]) * 32)
        await one.hear(3, vote)

    await until(lambda: one.accused == [("agent-3", "double-commit")])
    await one.close()
