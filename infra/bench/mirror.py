"""How quickly the ledger is copied to DynamoDB, and whether ten crashes lose or double anything.

The ledger is made here, of real submissions and votes of a real committee, one operation in each
entry: the dearest way, since the copy's cost is by entries. Copying is measured in this process
against the emulator in another; the crashes are SIGKILLs of processes that copy, at random moments,
and what is in the table then is compared byte for byte.
"""

import asyncio
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from engine.bench.committee import Bench
from engine.bench.counting import Tally
from engine.bench.figure import Figure
from engine.clock import SystemClock
from engine.codec import encode
from engine.consensus.digests import batch_digest
from engine.consensus.messages import Commit
from engine.ledger.dynamodb import Mirror, read_mirror
from engine.ledger.sqlite import SqliteLedger, open_ledger
from engine.signing import Domain
from engine.vocabulary import Entry, Signed
from infra.bench.broken import BenchBroken
from infra.bench.ledger_table import make_ledger_table
from infra.localaws import Running, end_local_aws, start_local_aws
from infra.target import AwsClient

__all__ = ["mirror_figures"]

REPLICAS = 5
QUORUM = 4
OPERATIONS = 3_000
CRASHES = 10
AIM_PER_S = 500.0
COPIED_WITHIN_S = 300.0


def mirror_figures(told: Callable[[str], None]) -> list[Figure]:
    """Operations a second, and how many of them are in the copy exactly once after ten crashes.

    Raises:
        BenchBroken: the copy did not come to its end.
    """
    with tempfile.TemporaryDirectory(prefix="mirror-bench-") as name:
        folder = Path(name)
        entries = _ledger(folder / "ledger.sqlite")
        running = start_local_aws(folder / "emulator")
        try:
            client = running.client("dynamodb")
            for table in ("speed", "crashes"):
                make_ledger_table(client, table)
            copied_s, cpu_s = _copy(client, "speed", folder / "ledger.sqlite")
            told(f"{OPERATIONS} operations copied in {copied_s:.2f} s")
            crashes = _crash(running, folder / "ledger.sqlite", random.Random(7))
            _copy(client, "crashes", folder / "ledger.sqlite")
            once = _once(client, "crashes", entries, folder / "ledger.sqlite")
            told(f"{once} of {OPERATIONS} operations there once after {crashes} crashes")
        finally:
            end_local_aws(running.folder)
    load = {"load": round(os.getloadavg()[0], 1)}
    rate = round(OPERATIONS / copied_s, 1)
    return [
        Figure(
            "ledger mirror, one operation an entry",
            rate,
            "operations/s",
            AIM_PER_S,
            "higher",
            rate >= AIM_PER_S,
            {"processor s of the writer": round(cpu_s, 2), "operations": OPERATIONS, **load},
        ),
        Figure(
            "operations in the copy exactly once after crashes",
            once,
            f"of {OPERATIONS}",
            OPERATIONS,
            "higher",
            once == OPERATIONS and crashes == CRASHES,
            {"crashes": crashes, **load},
        ),
    ]


def _ledger(path: Path) -> list[Entry]:
    """A ledger at ``path`` as a committee of five would have written it; its entries."""
    bench = Bench(REPLICAS, Tally())
    head = (bench.genesis.cluster, bench.genesis.epoch)
    ledger = SqliteLedger(path, bench.genesis)
    entries = []
    for number in range(1, OPERATIONS + 1):
        batch = (bench.submission(bench.operations(1)),)
        digest = batch_digest(*head, batch)
        votes = []
        for place in range(QUORUM):
            payload = encode(Commit(*head, place, 0, number, digest))
            signature = bench.signers[bench.ids[place]].sign(Domain.CONSENSUS, payload)
            votes.append(encode(Signed(payload, signature)))
        entries.append(Entry(number, 0, batch, tuple(votes)))
    ledger.append(entries, 0)
    ledger.close()
    return entries


def _copy(client: AwsClient, table: str, path: Path) -> tuple[float, float]:
    """Copy what is not there yet; seconds on the clock, and of this process's processor."""

    async def whole() -> None:
        ledger = open_ledger(path)
        try:
            mirror = Mirror(client, table, ledger, SystemClock(), random.Random(1))
            async with asyncio.timeout(COPIED_WITHIN_S):
                while await mirror.step() or mirror.lag:
                    pass
        finally:
            ledger.close()

    began_s, began_cpu_s = time.perf_counter(), time.process_time()
    try:
        asyncio.run(whole())
    except TimeoutError:
        raise BenchBroken(f"nothing more was copied within {COPIED_WITHIN_S:.0f} s") from None
    return time.perf_counter() - began_s, time.process_time() - began_cpu_s


def _crash(running: Running, path: Path, chance: random.Random) -> int:
    """Let processes copy and kill each at a random moment; how many were killed at work."""
    killed = 0
    argv = [sys.executable, "-m", "infra.bench.mirroring_process", str(path), "crashes"]
    for _ in range(CRASHES):
        process = subprocess.Popen(
            argv, env={**os.environ, **running.environment()}, stdout=subprocess.PIPE
        )
        assert process.stdout is not None
        with process.stdout as said:
            for _ in range(chance.randint(1, 2)):
                said.readline()
            # Somewhere in the next step, whose answer the process will not see.
            time.sleep(chance.random() * 0.02)
            process.kill()
            killed += process.wait() == -signal.SIGKILL
    return killed


def _once(client: AwsClient, table: str, entries: list[Entry], path: Path) -> int:
    """How many of ``entries`` the copy holds exactly once, and nothing beside them."""
    ledger = open_ledger(path)
    cluster = ledger.genesis.cluster
    ledger.close()
    copy = read_mirror(client, table, cluster).entries
    found = Counter(encode(entry) for entry in copy)
    strangers = len(copy) - sum(found[encode(entry)] for entry in entries)
    return sum(found[encode(entry)] == 1 for entry in entries) - strangers
