"""One process that mirrors a ledger: ``python -m infra.bench.mirroring_process LEDGER TABLE``.

Says ``step`` after each step, so that whoever started it can kill it at any of them.
"""

import asyncio
import random
import sys
from pathlib import Path

from engine.aws.clients import client
from engine.clock import SystemClock
from engine.ledger.dynamodb import Mirror
from engine.ledger.sqlite import open_ledger


async def _mirror(ledger: str, table: str) -> None:
    mirror = Mirror(
        client("dynamodb"), table, open_ledger(Path(ledger)), SystemClock(), random.Random(1)
    )
    while await mirror.step() or mirror.lag:
        sys.stdout.write("step\n")
        sys.stdout.flush()
    await mirror.step()


if __name__ == "__main__":
    asyncio.run(_mirror(*sys.argv[1:]))
