"""The actuator's process: certificates in, actions out, and a door for freezing."""

import asyncio
import fcntl
import os

import structlog

from engine.act.actuator import Actuator
from engine.act.door import open_door
from engine.act.fleet import FleetExecutor
from engine.act.journal import Journal
from engine.bus.nats import NatsBus
from engine.clock import SystemClock
from engine.codec import Malformed
from engine.consensus.client import Submitter
from engine.diagnostics import log_to_stderr
from engine.founding import constitution, publish_key
from engine.genesis import ACTUATOR
from engine.paths import RunPaths
from engine.signing import Ed25519Signer, Ed25519Verifier
from engine.supervisor import lifeline_stdin

MAX_ORDERS = 64
"""Orders waiting; more are dropped, because agents send them again until they are reported on."""

WORD_TRIES = 3
WORD_EVERY_S = 1.0
"""An operator's word is sent this often: the log takes it once, and the actuator has it on disk."""

log = structlog.get_logger()


def lock(paths: RunPaths) -> int:
    """Take the actuator's lock: two of them can never act at once.

    Raises:
        Malformed: another actuator of this run is alive.
    """
    descriptor = os.open(paths.actuator / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise Malformed(f"{paths.actuator}/lock: another actuator is alive; end it first") from None
    return descriptor


async def run_actuator(paths: RunPaths) -> None:
    """Be the actuator of the run at ``paths`` until standard input ends.

    Raises:
        Malformed: a file of the run is wrong, or not what genesis pins.
        KeyFileError: the actuator's key cannot be used.
    """
    log_to_stderr("actuator")
    stop = lifeline_stdin()
    signer = Ed25519Signer.load_or_create(paths.actuator / "key")
    publish_key(paths, ACTUATOR, signer)
    descriptor = lock(paths)
    genesis, rules, manifest = await constitution(paths)
    clock, verifier = SystemClock(), Ed25519Verifier()
    bus = await NatsBus.connect(paths.bus_credential("actuator"))
    submitter = Submitter(bus, signer, ACTUATOR, genesis, verifier, clock)
    journal = Journal(paths.actuator / "journal.sqlite")
    executor = FleetExecutor(paths.repair_socket, paths.repair_token)
    actuator = Actuator(genesis, rules, manifest, verifier, journal, executor, submitter, clock)
    orders: asyncio.Queue[bytes] = asyncio.Queue(MAX_ORDERS)

    async def take(_subject: str, payload: bytes) -> None:
        if orders.full():
            log.warning("order_dropped", waiting=orders.qsize())
        else:
            orders.put_nowait(payload)

    async def obey() -> None:
        await actuator.settle()
        while True:
            await actuator.obey(await orders.get())

    await bus.subscribe("certificate.*", take, pending=MAX_ORDERS)
    async with (
        open_door(paths.freeze_socket, actuator.freeze_or_thaw),
        asyncio.TaskGroup() as tasks,
    ):
        running = [tasks.create_task(submitter.run()), tasks.create_task(obey())]
        await stop.wait()
        for task in running:
            task.cancel()
    await bus.close()
    journal.close()
    os.close(descriptor)
