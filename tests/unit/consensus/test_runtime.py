"""Replicas, submitter and follower at work over the bus in memory, with real keys and files."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from pathlib import Path

import pytest

from engine.bus.memory import MemoryBus
from engine.charter import Changes, claim
from engine.clock import SystemClock
from engine.codec import decode, encode
from engine.consensus.announce import Announced, LedgerFetch
from engine.consensus.client import MOST_WAITING, Overloaded, Submitter
from engine.consensus.effects import Began
from engine.consensus.messages import Checkpoint, Ordered, Proposal
from engine.consensus.runtime import ReplicaRuntime
from engine.consensus.settings import Settings
from engine.consensus.simulate.members import OPERATOR, Members
from engine.genesis import Genesis
from engine.ledger.follower import LedgerFollower
from engine.ledger.sqlite import SqliteLedger
from engine.ledger.verify import verify_ledger
from engine.signing import Domain, Verifier
from engine.vocabulary import (
    AgentId,
    CommandId,
    Entry,
    Frozen,
    Replaced,
    Signed,
    Submission,
    TraceEvent,
)
from tests.unit.consensus.one import One
from tests.unit.consensus.speaking import Speaker
from tests.until import until


class Four:
    """Four replicas on one bus."""

    def __init__(self, folder: Path) -> None:
        self.bus = MemoryBus()
        self.members = Members(4, 1)
        self.clock = SystemClock()
        self.trace: list[TraceEvent] = []
        self.executed: list[int] = []
        self.runtimes: dict[AgentId, ReplicaRuntime] = {}
        self.stores: dict[AgentId, SqliteLedger] = {}
        self.tasks: dict[AgentId, asyncio.Task[None]] = {}
        self.folder = folder

    def start(self, agent: AgentId) -> None:
        genesis = self.members.genesis
        store = SqliteLedger(self.folder / f"{agent}.sqlite", genesis)
        self.stores[agent] = store
        self.runtimes[agent] = ReplicaRuntime.open(
            agent=agent, genesis=genesis, signer=self.members.signers[agent],
            verifier=self.members.verifier, bus=self.bus, store=store,
            votes=self.folder / f"{agent}.votes", clock=self.clock,
            on_execute=lambda entry: self.executed.append(entry.sequence_number),
            on_trace=self.trace.append,
        )  # fmt: skip
        self.tasks[agent] = asyncio.create_task(self.runtimes[agent].run())

    async def stop(self, agent: AgentId) -> None:
        self.tasks[agent].cancel()
        await asyncio.gather(self.tasks.pop(agent), return_exceptions=True)
        self.stores[agent].close()

    def submitter(self) -> Submitter:
        members = self.members
        return Submitter(
            self.bus, members.operator, OPERATOR, members.genesis, members.verifier, self.clock
        )


@pytest.fixture
async def four(tmp_path: Path) -> AsyncGenerator[Four]:
    made = Four(tmp_path)
    for agent in made.members.ids:
        made.start(agent)
    yield made
    for agent in list(made.tasks):
        await made.stop(agent)
    await made.bus.close()


def _freeze(name: str) -> list[Frozen]:
    return [Frozen(CommandId(name))]


async def test_what_is_submitted_gets_one_number_everywhere(four: Four) -> None:
    submitter = four.submitter()

    async with asyncio.timeout(10):
        numbers = await asyncio.gather(*(submitter.submit(_freeze(f"{n}")) for n in range(20)))

    await until(lambda: len({store.head for store in four.stores.values()}) == 1)
    assert max(numbers) == next(iter(four.stores.values())).head[0]
    await until(lambda: all(it.ready and it.phase == "idle" for it in four.runtimes.values()))


async def test_every_message_is_traced_with_both_stamps(four: Four) -> None:
    async with asyncio.timeout(10):
        await four.submitter().submit(_freeze("x"))

    await until(lambda: {"pre-prepare", "prepare", "commit"} <= {it.kind for it in four.trace})
    votes = [it for it in four.trace if it.kind == "commit"]
    assert all(0 < it.sent_ns <= it.received_ns for it in votes)
    assert all(it.sender != it.receiver and len(it.digest) == 8 for it in votes)


async def test_a_restarted_replica_goes_on_where_it_was(four: Four) -> None:
    submitter = four.submitter()
    late = four.members.ids[3]
    async with asyncio.timeout(10):
        await submitter.submit(_freeze("before"))
        await four.stop(late)
        for name in ("one", "two", "three"):
            await submitter.submit(_freeze(name))
        four.start(late)

        await until(lambda: four.stores[late].head == four.stores[four.members.ids[0]].head)
        more = asyncio.create_task(four.runtimes[late].executed_more())
        await submitter.submit(_freeze("after"))
        await more


async def test_a_submission_can_be_handed_to_a_replica_directly(four: Four) -> None:
    four.runtimes[four.members.ids[2]].submit(four.members.submission(1))

    await until(lambda: all(store.head[0] == 1 for store in four.stores.values()))


async def test_a_follower_that_comes_late_fetches_everything_and_is_sealed(four: Four) -> None:
    members, followed = four.members, list[Entry]()
    async with asyncio.timeout(10):
        for name in range(5):
            await four.submitter().submit(_freeze(f"{name}"))
    store = SqliteLedger(four.folder / "engine.sqlite", members.genesis)
    follower = LedgerFollower(
        four.bus, members.genesis, members.verifier, store, four.clock,
        lambda entry, _ns: followed.append(entry),
    )  # fmt: skip
    following = asyncio.create_task(follower.run())

    await until(lambda: follower.sealed and store.head[0] == 5)

    following.cancel()
    assert [entry.sequence_number for entry in followed] == [1, 2, 3, 4, 5]
    keys = members.genesis.author_keys()
    assert verify_ledger(members.genesis, followed, store.seal, keys, members.verifier).sealed


async def test_a_follower_takes_nothing_that_proves_nothing(tmp_path: Path) -> None:
    bus, speaker = MemoryBus(), Speaker(4, 1)
    store = SqliteLedger(tmp_path / "engine.sqlite", speaker.genesis)
    taken: list[Entry] = []
    follower = LedgerFollower(
        bus, speaker.genesis, speaker.members.verifier, store, SystemClock(),
        lambda entry, _ns: taken.append(entry),
    )  # fmt: skip
    following = asyncio.create_task(follower.run())
    submission = speaker.members.submission(1)
    await until(lambda: len(bus._subscriptions) == 8)

    await bus.publish("ledger.agent-0", b"garbage")
    await bus.publish("ledger.agent-0", encode(Announced(speaker.entry(1, voters=2), b"")))
    await bus.publish("head.agent-0", b"garbage of some length")
    await bus.publish("ledger.agent-1", encode(Announced(speaker.entry(2, submission), b"")))
    await bus.publish("ledger.agent-1", encode(Announced(speaker.entry(1), b"")))

    await until(lambda: len(taken) == 2)
    assert [entry.batch for entry in taken] == [(), (submission,)]
    following.cancel()
    await bus.close()


async def test_agents_answer_followers_only_within_limits(four: Four) -> None:
    async with asyncio.timeout(10):
        await four.submitter().submit(_freeze("x"))
    announced: list[bytes] = []

    def hear(_subject: str, payload: bytes) -> None:
        announced.append(payload)

    agent = four.members.ids[0]
    await four.bus.subscribe(f"ledger.{agent}", hear)
    for payload in (b"garbage", encode(LedgerFetch(agent, 0, 5)), encode(LedgerFetch(agent, 9, 5))):
        await four.bus.publish("fetch.engine", payload)
    for _ in range(50):
        await four.bus.publish("fetch.engine", encode(LedgerFetch(agent, 1, 5)))

    await until(lambda: announced)
    assert len(announced) < 10


async def test_one_liar_cannot_make_an_author_believe_that_he_was_heard(tmp_path: Path) -> None:
    speaker, bus = Speaker(4, 1), MemoryBus()
    submitter = Submitter(
        bus, speaker.members.operator, OPERATOR, speaker.genesis, speaker.members.verifier,
        SystemClock(),
    )  # fmt: skip
    sent = asyncio.create_task(submitter.submit(_freeze("x")))
    await until(lambda: submitter._under_way)
    counter = next(iter(submitter._under_way))

    def notice(by: int, number: int) -> bytes:
        return speaker.sign(Ordered(*speaker.head, by, number, ((OPERATOR, counter),)))

    for frame in (notice(0, 7), notice(0, 7), notice(1, 9)[:-1] + b"?", notice(1, 8), b"x"):
        await bus.publish("ordered.agent-0", frame)
    await until(lambda: len(submitter._under_way[counter].said) == 2)
    assert not sent.done()

    await bus.publish("ordered.agent-2", notice(2, 7))
    assert await sent == 7
    await bus.close()


async def test_an_author_with_too_much_to_say_is_told_so() -> None:
    speaker, bus = Speaker(4, 1), MemoryBus()
    submitter = Submitter(
        bus, speaker.members.operator, OPERATOR, speaker.genesis, speaker.members.verifier,
        SystemClock(),
    )  # fmt: skip
    waiting = [asyncio.create_task(submitter.submit(_freeze("x"))) for _ in range(MOST_WAITING)]
    await until(lambda: submitter._waiting == MOST_WAITING)

    with pytest.raises(Overloaded):
        await submitter.submit(_freeze("one too many"))

    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    await bus.close()


async def test_an_author_speaks_in_the_new_epoch_once_a_quorum_of_the_old_one_proves_it() -> None:
    speaker, bus, members = Speaker(4, 1), MemoryBus(), Members(4, 1)
    changes = Changes(speaker.genesis, members.verifier, 64)
    _, key = members.successor(members.ids[3], 1)
    order = Replaced(
        CommandId("r"), members.ids[3], key.public_key,
        claim(members.ids[3], speaker.genesis, key),
    )  # fmt: skip
    assert changes.order(1, OPERATOR, 0, order) == ""
    charter = changes.charter(bytes(32))
    votes = [speaker.sign(Checkpoint(*speaker.head, it, *charter.base)) for it in range(3)]
    heard: list[int] = []

    def hear(_subject: str, payload: bytes) -> None:
        heard.append(decode(decode(payload, Signed).payload, Submission).epoch)

    await bus.subscribe(f"submit.{OPERATOR}", hear)
    submitter = Submitter(
        bus, members.operator, OPERATOR, speaker.genesis, members.verifier, SystemClock()
    )
    told: list[int] = []
    submitter.on_charter = lambda began: told.append(began.charter.epoch)
    sent = asyncio.create_task(submitter.submit(_freeze("x")))
    await until(lambda: heard)

    for proof in (votes[:2], votes):
        await bus.publish("ordered.agent-0", encode(Began(charter, tuple(proof))))
    await until(lambda: 1 in heard)

    assert told == [1]
    assert sorted(set(heard)) == [0, 1]
    sent.cancel()
    await asyncio.gather(sent, return_exceptions=True)
    await bus.close()


class Diary(SqliteLedger):
    """A ledger that notes how far it was synced, beside how far it was appended."""

    def __init__(self, path: Path, genesis: Genesis) -> None:
        super().__init__(path, genesis)
        self.synced: list[int] = []

    def sync(self) -> None:
        super().sync()
        self.synced.append(self.head[0])


async def test_votes_are_forgotten_only_once_the_ledger_holds_what_they_were_for(
    tmp_path: Path,
) -> None:
    """Without a sync of its own an entry may be lost with the power; its votes are not."""
    members, clock, bus = Members(4, 1), SystemClock(), MemoryBus()
    diaries, tasks = list[Diary](), list[asyncio.Task[None]]()
    for agent in members.ids:
        diary = Diary(tmp_path / f"{agent}.sqlite", members.genesis)
        runtime = ReplicaRuntime.open(
            agent=agent, genesis=members.genesis, signer=members.signers[agent],
            verifier=members.verifier, bus=bus, store=diary, votes=tmp_path / f"{agent}.votes",
            clock=clock, settings=Settings(checkpoint_period=4),
        )  # fmt: skip
        diaries.append(diary)
        tasks.append(asyncio.create_task(runtime.run()))
    submitter = Submitter(bus, members.operator, OPERATOR, members.genesis, members.verifier, clock)

    async with asyncio.timeout(10):
        for number in range(5):
            await submitter.submit(_freeze(f"{number}"))
        await until(lambda: all(diary.synced for diary in diaries))

    assert all(diary.synced[0] >= 4 for diary in diaries)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_a_vote_is_on_disk_before_an_entry_that_rests_on_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In one round an older entry is decided, then a vote is cast, then a younger one is decided."""
    one = One(tmp_path)
    it, append = one.speaker, one.store.append
    batches = [(it.members.submission(number),) for number in (1, 2)]
    first, second = (it.digest(batch) for batch in batches)
    appended: list[int] = []

    def checked(entries: Sequence[Entry], received_ns: int) -> None:
        written = one.votes.read_bytes()
        for entry in entries:
            own = it.commit(1, 0, entry.sequence_number, it.digest(entry.batch))
            assert own in entry.commits, "the others alone are no quorum"
            assert own in written, (
                f"entry {entry.sequence_number} holds a vote that can be forgotten"
            )
        appended.append(len(entries))
        append(entries, received_ns)

    monkeypatch.setattr(one.store, "append", checked)
    await one.listening()
    for number, batch in enumerate(batches, 1):
        header = it.pre_prepare(0, number, it.digest(batch))
        await one.hear(0, encode(Proposal(header, batch)))
    for by in (2, 3):
        await one.hear(by, it.prepare(by, 0, 1, first))
    await until(lambda: one.runtime.phase == "prepared")

    for by in (0, 2, 3):
        await one.hear(by, it.commit(by, 0, 1, first))
        if by:
            await one.hear(by, it.prepare(by, 0, 2, second))
        await one.hear(by, it.commit(by, 0, 2, second))

    await until(lambda: one.task.done() or one.store.head[0] == 2)
    if one.task.done():
        one.task.result()
    assert appended == [2], "both in one round, or nothing is shown"
    await one.close()


class Counting:
    """A verifier that counts what it is asked."""

    def __init__(self, verifier: Verifier) -> None:
        self._verifier = verifier
        self.asked = 0

    def verify(self, public_key: bytes, domain: Domain, payload: bytes, signature: bytes) -> bool:
        self.asked += 1
        return self._verifier.verify(public_key, domain, payload, signature)


async def test_an_author_checks_no_more_notices_than_it_takes_to_believe_them(four: Four) -> None:
    members, verifier = four.members, Counting(four.members.verifier)
    submitter = Submitter(
        four.bus, members.operator, OPERATOR, members.genesis, verifier, four.clock
    )

    async with asyncio.timeout(10):
        await submitter.submit(_freeze("x"))
    await until(lambda: all(store.head[0] == 1 for store in four.stores.values()))

    assert verifier.asked == 2
