"""Five real replicas over a real NATS server: ordering, a lost server, a lost primary, a late one."""

import asyncio
import itertools
from pathlib import Path

import msgspec
import pytest
from structlog.testing import capture_logs

from engine.bus.nats import NatsBus, read_credential
from engine.consensus.client import Submitter
from engine.consensus.evidence import BAD_NEW_VIEW, MOST_ORDERED_BYTES
from engine.ledger.follower import LedgerFollower
from engine.ledger.sqlite import SqliteLedger
from engine.ledger.verify import verify_ledger
from engine.vocabulary import CommandId, Convicted, Frozen
from tests.fleet.swarm import Swarm, swarm
from tests.until import until

pytestmark = pytest.mark.fleet

_names = itertools.count()


async def _order(submitter: Submitter, count: int) -> list[int]:
    """Have ``count`` submissions ordered, all at once; their sequence numbers."""
    async with asyncio.timeout(20):
        return await asyncio.gather(
            *(submitter.submit([Frozen(CommandId(f"c{next(_names)}"))]) for _ in range(count))
        )


async def _follower(made: Swarm, store: SqliteLedger) -> LedgerFollower:
    """What the engine follows the log with, into ``store``."""
    return LedgerFollower(
        await made.bus("engine"), made.genesis, made.verifier, store, made.clock,
        lambda _entry, _ns: None,
    )  # fmt: skip


def _all_at_one_head(made: Swarm) -> bool:
    return len({store.head for store in made.stores.values()}) == 1


async def test_a_hundred_submissions_are_ordered_identically_though_the_server_restarts(
    tmp_path: Path,
) -> None:
    async with swarm(tmp_path) as made:
        submitter = await made.submitter()

        await _order(submitter, 50)
        ordering = asyncio.create_task(_order(submitter, 50))
        await made.kill_nats()
        await made.start_nats()
        await ordering

        await until(lambda: _all_at_one_head(made))
        ledgers = [made.batches(agent) for agent in made.ids]
        assert all(ledger == ledgers[0] for ledger in ledgers)
        assert sum(len(batch) for batch in ledgers[0]) >= 100
        assert len({frame for batch in ledgers[0] for frame in batch}) == 100


async def test_a_lost_primary_is_replaced_and_catches_up_when_it_is_back(tmp_path: Path) -> None:
    async with swarm(tmp_path) as made:
        submitter = await made.submitter()
        await _order(submitter, 5)
        primary = made.runtimes[made.ids[1]].primary

        await made.stop(primary)
        started_ns = made.clock.monotonic_ns()
        await _order(submitter, 1)
        failover_ms = (made.clock.monotonic_ns() - started_ns) / 1e6
        await _order(submitter, 20)
        await made.start(primary)

        assert failover_ms < 3000, f"{failover_ms:.0f} ms"
        await until(lambda: _all_at_one_head(made))
        await until(lambda: made.runtimes[primary].view >= 1 and made.runtimes[primary].ready)


async def test_a_follower_has_a_sealed_ledger_that_verifies(tmp_path: Path) -> None:
    async with swarm(tmp_path) as made:
        submitter = await made.submitter()
        await _order(submitter, 10)
        store = SqliteLedger(tmp_path / "engine.sqlite", made.genesis)
        follower = await _follower(made, store)
        following = asyncio.create_task(follower.run())

        await _order(submitter, 10)
        await until(lambda: follower.sealed and store.head == made.stores[made.ids[0]].head)

        following.cancel()
        report = verify_ledger(
            made.genesis, store.read_all(), store.seal, made.genesis.author_keys(), made.verifier
        )
        assert len(report.submissions) == 20


async def test_the_longest_evidence_reaches_replicas_followers_and_who_was_away(
    tmp_path: Path,
) -> None:
    async with swarm(tmp_path) as made:
        submitter = await made.submitter()
        store = SqliteLedger(tmp_path / "engine.sqlite", made.genesis)
        following = asyncio.create_task((await _follower(made, store)).run())
        away = made.ids[-1]
        await made.stop(away)
        evidence = Convicted(made.ids[0], BAD_NEW_VIEW, bytes(MOST_ORDERED_BYTES), b"")

        async with asyncio.timeout(20):
            await asyncio.gather(*(submitter.submit([evidence]) for _ in range(3)))
        await made.start(away)

        await until(lambda: _all_at_one_head(made) and store.head == made.stores[away].head)
        following.cancel()
        assert sum(len(batch) for batch in made.batches(away)) == 3


async def test_an_agent_may_not_speak_for_another(tmp_path: Path) -> None:
    async with swarm(tmp_path) as made:
        heard: list[str] = []

        def hear(subject: str, _payload: bytes) -> None:
            heard.append(subject)

        engine = await made.bus("engine")
        await engine.subscribe("ledger.*", hear)
        agent = await made.bus("agent-1")
        await engine.subscribe("trace.*", hear)
        async with asyncio.timeout(10):
            # Two connections: the server may take the first words before the subscription.
            while not heard:
                await agent.publish("ledger.agent-2", b"forged")
                await agent.publish("trace.agent-1", b"own")
                await asyncio.sleep(0.01)

        assert set(heard) == {"trace.agent-1"}


async def test_whoever_comes_before_the_server_waits_for_it_and_is_back_soon_after_it(
    tmp_path: Path,
) -> None:
    made = Swarm(tmp_path)
    heard: list[bytes] = []

    def hear(_subject: str, payload: bytes) -> None:
        heard.append(payload)

    early = asyncio.create_task(made.bus("engine"))
    try:
        await made.start_nats()
        async with asyncio.timeout(5):
            engine = await early
        await engine.subscribe("trace.*", hear)
        agent = await made.bus("agent-1")
        await made.kill_nats()
        await until(lambda: not engine.connected and not agent.connected)
        await made.start_nats()
        started_ns = made.clock.monotonic_ns()
        await until(lambda: engine.connected and agent.connected)
        back_ms = (made.clock.monotonic_ns() - started_ns) / 1e6
        async with asyncio.timeout(10):
            while not heard:
                await agent.publish("trace.agent-1", b"again")
                await asyncio.sleep(0.01)
    finally:
        await made.close()

    assert set(heard) == {b"again"}
    assert back_ms < 1500, f"{back_ms:.0f} ms"


async def test_a_refused_password_is_told_once_however_often_it_is_tried(tmp_path: Path) -> None:
    async with swarm(tmp_path) as made:
        credential = made.paths.bus_credential(made.ids[0])
        wrong = msgspec.structs.replace(read_credential(credential), password="wrong")
        credential.write_bytes(msgspec.json.encode(wrong))

        with capture_logs() as said, pytest.raises(TimeoutError):
            async with asyncio.timeout(1.0):
                await NatsBus.connect(credential)

        told = [line["why"] for line in said if line["event"] == "bus_error"]
        assert len(told) == len(set(told)) >= 1
