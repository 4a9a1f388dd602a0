"""The ledger's copy in DynamoDB: every entry once, in order, whatever dies, and it verifies."""

import asyncio
import contextlib
import os
import random
import sys
import time
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
import pytest_asyncio
from botocore.exceptions import ClientError, EndpointConnectionError

from engine.aws.circuit import TRIES, State
from engine.aws.clients import Client
from engine.clock import SystemClock
from engine.codec import Malformed, encode
from engine.ledger.dynamodb import Mirror, clusters_in, read_mirror
from engine.ledger.mirroring import (
    Diverged,
    Row,
    append_transaction,
    chunk,
    entry_key,
    first_transaction,
    partition,
)
from engine.ledger.mirroring import Head as MirrorHead
from engine.ledger.sqlite import SqliteLedger, open_ledger
from engine.ledger.verify import verify_ledger
from engine.signing import Ed25519Verifier
from engine.vocabulary import Entry
from infra.bench.ledger_table import make_ledger_table
from infra.localaws import LocalAws, Running
from tests.court import Court, restart
from tests.unit.ledger.notary import Notary

pytestmark = [pytest.mark.fleet, pytest.mark.timeout(180)]

MANY = 1_000


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def aws(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Running]:
    async with LocalAws(tmp_path_factory.mktemp("aws")) as running:
        yield running


def table_for_ledger(aws: Running, name: str) -> Client:
    """A table with the ledger's keys; returns the client."""
    client = aws.client("dynamodb")
    make_ledger_table(client, name)
    return client


def _mended(folder: Path, extra: int = 0) -> tuple[Notary, Path]:
    """The ledger of a mended incident, with ``extra`` null batches at its end."""
    court = Court()
    court.run_to_acted(restart())
    court.recover()
    notary = Notary(court, folder)
    first = len(notary.entries) + 1
    notary.entries += [notary.entry(number) for number in range(first, first + extra)]
    return notary, notary.database()


def _mirror(client: Client, table: str, ledger: SqliteLedger) -> Mirror:
    return Mirror(client, table, ledger, SystemClock(), random.Random(1))


async def _whole(mirror: Mirror) -> None:
    while await mirror.step() or mirror.lag:
        pass
    await mirror.step()


async def test_the_copy_verifies_like_the_ledger(aws: Running, tmp_path: Path) -> None:
    notary, path = _mended(tmp_path / "run")
    client = table_for_ledger(aws, "verifies")
    await _whole(_mirror(client, "verifies", open_ledger(path)))
    assert clusters_in(client, "verifies") == [notary.genesis.cluster]
    copy = read_mirror(client, "verifies", notary.genesis.cluster)
    keys = notary.genesis.author_keys()
    report = verify_ledger(copy.genesis, copy.entries, copy.seal, keys, Ed25519Verifier())
    assert (report.entries, report.sealed) == (len(notary.entries), True)
    assert list(copy.entries) == notary.entries


async def test_ten_kills_at_random_steps_lose_and_double_nothing(
    aws: Running, tmp_path: Path
) -> None:
    notary, path = _mended(tmp_path / "run", MANY)
    client = table_for_ledger(aws, "killed")
    environment = {**os.environ, **aws.environment()}
    chance = random.Random(7)
    for _ in range(10):
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "infra.bench.mirroring_process", str(path), "killed",
            env=environment, stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        assert process.stdout is not None
        for _ in range(chance.randint(1, 4)):
            await process.stdout.readline()
        # Somewhere in the next step, whose answer the process will not see.
        await asyncio.sleep(chance.random() * 0.02)
        # On a busy machine it may have written all there was before we came to it.
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
    await _whole(_mirror(client, "killed", open_ledger(path)))
    copy = read_mirror(client, "killed", notary.genesis.cluster)
    assert list(copy.entries) == notary.entries


class Treacherous:
    """A real client whose calls fail before or after they took effect, as a seed decides."""

    def __init__(self, client: Client, seed: int) -> None:
        self._client = client
        self._chance = random.Random(seed)
        self.failures = 0

    def __getattr__(self, name: str) -> Client:
        call = getattr(self._client, name)

        def treacherous(**asked: object) -> object:
            fate = self._chance.random()
            if fate < 0.2:
                self.failures += 1
                raise EndpointConnectionError(endpoint_url="http://nowhere")
            answer = call(**asked)
            if fate > 0.8:
                self.failures += 1
                raise ClientError({"Error": {"Code": "ThrottlingException"}}, name)
            return answer

        return treacherous


@pytest.mark.parametrize("seed", range(3))
async def test_calls_that_fail_before_or_after_their_effect_lose_nothing(
    aws: Running, tmp_path: Path, seed: int
) -> None:
    notary, path = _mended(tmp_path / "run", 500)
    client = table_for_ledger(aws, f"treacherous-{seed}")
    treacherous = Treacherous(client, seed)
    mirror = _mirror(treacherous, f"treacherous-{seed}", open_ledger(path))
    await _whole(mirror)
    copy = read_mirror(client, f"treacherous-{seed}", notary.genesis.cluster)
    assert list(copy.entries) == notary.entries
    assert treacherous.failures > 0


async def test_two_writers_at_once_write_one_history(aws: Running, tmp_path: Path) -> None:
    notary, path = _mended(tmp_path / "run", 500)
    client = table_for_ledger(aws, "two")
    await asyncio.gather(*(_whole(_mirror(client, "two", open_ledger(path))) for _ in range(2)))
    assert list(read_mirror(client, "two", notary.genesis.cluster).entries) == notary.entries


async def test_another_history_in_the_table_is_refused(aws: Running, tmp_path: Path) -> None:
    notary, path = _mended(tmp_path / "run", 10)
    client = table_for_ledger(aws, "forged")
    await _whole(_mirror(client, "forged", open_ledger(path)))
    client.update_item(
        TableName="forged",
        Key={"pk": {"S": partition(notary.genesis.cluster)}, "sk": {"S": "head"}},
        UpdateExpression="SET chain = :c",
        ExpressionAttributeValues={":c": {"B": bytes(32)}},
    )
    with pytest.raises(Diverged, match="another cluster's history, or a forged one"):
        await _mirror(client, "forged", open_ledger(path)).step()


async def test_a_missing_entry_is_found_out(aws: Running, tmp_path: Path) -> None:
    notary, path = _mended(tmp_path / "run")
    client = table_for_ledger(aws, "missing")
    await _whole(_mirror(client, "missing", open_ledger(path)))
    key = {"pk": {"S": partition(notary.genesis.cluster)}, "sk": {"S": entry_key(2)}}
    client.delete_item(TableName="missing", Key=key)
    copy = read_mirror(client, "missing", notary.genesis.cluster)
    keys = notary.genesis.author_keys()
    with pytest.raises(ValueError, match="entry 3 stands where 2 is due"):
        verify_ledger(copy.genesis, copy.entries, copy.seal, keys, Ed25519Verifier())


async def test_an_outage_opens_the_circuit_and_costs_nothing_but_lag(
    aws: Running, tmp_path: Path
) -> None:
    notary, path = _mended(tmp_path / "run")
    mirror = _mirror(aws.client("dynamodb"), "not-there-yet", open_ledger(path))
    for _ in range(TRIES):
        assert not await mirror.step()
    assert "ResourceNotFound" in mirror.circuit.why
    assert mirror.circuit.state(0.0) is State.OPEN
    assert mirror.lag == len(notary.entries)
    client = table_for_ledger(aws, "not-there-yet")
    await _whole(mirror)
    assert mirror.circuit.state(time.monotonic()) is State.CLOSED
    assert len(read_mirror(client, "not-there-yet", notary.genesis.cluster).entries) > 0


async def test_no_mirror_is_one_clear_error(aws: Running) -> None:
    client = table_for_ledger(aws, "empty")
    with pytest.raises(Malformed, match="no genesis"):
        read_mirror(client, "empty", bytes(32))


def test_a_transaction_takes_what_fits_and_no_gap() -> None:
    rows = [Row(n, bytes(100_000), bytes(32), 0) for n in range(1, 60)]
    taken = chunk(rows, MirrorHead(0, bytes(32)))
    assert len(taken) == (3 << 20) // 100_200
    with pytest.raises(Diverged, match="entry 2 stands where 1 is due"):
        chunk(rows[1:], MirrorHead(0, bytes(32)))
    long = [Row(n, bytes(900_000), bytes(32), 0) for n in range(1, 9)]
    assert len(chunk(long, MirrorHead(0, bytes(32)))) == 3


async def test_an_entry_longer_than_an_item_comes_back_whole(aws: Running) -> None:
    genesis = Court().genesis
    client = table_for_ledger(aws, "long")
    entries = [Entry(number, 0, (bytes([number]) * 700_000,), ()) for number in (1, 2, 3)]
    rows = [
        Row(it.sequence_number, encode(it), bytes([it.sequence_number] * 32), 0) for it in entries
    ]
    head = MirrorHead(0, bytes(genesis.cluster))
    client.transact_write_items(TransactItems=first_transaction("long", genesis))

    taken = chunk(rows, head)
    client.transact_write_items(
        TransactItems=append_transaction("long", genesis.cluster, head, taken)
    )

    assert taken == rows
    assert list(read_mirror(client, "long", genesis.cluster).entries) == entries
