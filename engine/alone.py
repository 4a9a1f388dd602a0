"""One process at a time for one folder: who comes second waits for the first to end.

Two processes with one key could vote twice, act twice, or write one ledger twice. Where a service
manager replaces a process, the new one may be there before the old one is quite gone.
"""

import asyncio
import fcntl
import os
from pathlib import Path

import structlog

from engine.codec import Malformed

LOOK_EVERY_S = 0.1

log = structlog.get_logger()

__all__ = ["stay_alone"]


async def stay_alone(folder: Path, who: str, within_s: float = 0.0) -> None:
    """Lock ``folder`` for as long as this process lives, waiting for whoever has it now.

    Raises:
        Malformed: somebody still had it after ``within_s``.
    """
    descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    deadline = asyncio.get_running_loop().time() + within_s
    told = False
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if asyncio.get_running_loop().time() >= deadline:
                os.close(descriptor)
                raise Malformed(f"{folder}/lock: another {who} is alive; end it first") from None
        else:
            return
        if not told:
            log.warning("waits_for_predecessor", folder=str(folder), at_most_s=within_s)
            told = True
        # Another process's lock: there is no event of ours to wait for.
        await asyncio.sleep(LOOK_EVERY_S)
