"""The actuator's process: certificates in, actions out, and a door for freezing."""

import asyncio
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager, closing
from functools import partial
from typing import NamedTuple

import structlog

from engine.act.actuator import Actuator
from engine.act.door import open_door
from engine.act.far_door import open_far_door
from engine.act.fleet import FleetExecutor
from engine.act.journal import Journal
from engine.alone import stay_alone
from engine.bus.nats import NatsBus, reach_bus, show_bus_key
from engine.clock import SystemClock
from engine.consensus.client import Submitter
from engine.diagnostics import log_to_stderr
from engine.founding import check_key, constitution, introduce, wait_s
from engine.genesis import ACTUATOR
from engine.ledger.charters import read_beginnings, read_charters
from engine.paths import RunPaths
from engine.ports import Executor
from engine.settings import settings_of
from engine.signing import Ed25519Signer, Ed25519Verifier
from engine.vocabulary import Operation

MAX_ORDERS = 64
"""Orders waiting; more are dropped, because agents send them again until they are reported on."""

log = structlog.get_logger()


class _LogOnceReached:
    """Gets operations ordered as soon as there is a bus; until then, who reports waits."""

    def __init__(self) -> None:
        self._submitter: asyncio.Future[Submitter] = asyncio.get_running_loop().create_future()

    def reached_by(self, submitter: Submitter) -> None:
        """From now on everything goes through ``submitter``."""
        self._submitter.set_result(submitter)

    async def submit(self, operations: Sequence[Operation]) -> int:
        """Return the sequence number under which ``operations`` were ordered."""
        submitter = await asyncio.shield(self._submitter)
        return await submitter.submit(operations)


class Abroad(NamedTuple):
    """An actuator whose bus and whose callers are on other machines."""

    servers: tuple[str, ...]
    """Where the bus is."""
    door: tuple[str, int]
    """Where those may knock who freeze."""


async def run_actuator(paths: RunPaths, abroad: Abroad | None = None) -> None:
    """Be the actuator of the run at ``paths`` until cancelled.

    Raises:
        Malformed: a file of the run is wrong, or not what genesis pins.
        KeyFileError: the actuator's key cannot be used.
    """
    log_to_stderr("actuator")
    paths.make_private(paths.actuator)
    # Two can never act at once.
    await stay_alone(paths.actuator, "actuator", 0.0 if abroad is None else wait_s(paths))
    signer = Ed25519Signer.load_or_create(paths.actuator / "key")
    await introduce(paths, ACTUATOR, signer)
    genesis, rules, manifest = await constitution(paths)
    check_key(genesis, ACTUATOR, signer, paths.actuator / "key")
    if abroad is not None:
        show_bus_key(paths, ACTUATOR)
    clock, verifier = SystemClock(), Ed25519Verifier()
    with closing(Journal(paths.actuator / "journal.sqlite")) as journal:
        executor = _hands(paths)
        ordered = _LogOnceReached()
        actuator = Actuator(genesis, rules, manifest, verifier, journal, executor, ordered, clock)
        # The epochs that were proved before it was started anew; the log tells it of later ones.
        _, *known = read_charters(paths.charters, genesis, verifier)
        for charter in known:
            actuator.begin(charter)
        # Before the bus is reached, and also when it never is: freezing needs nothing but this.
        async with _door(paths, abroad, actuator, signer):
            bus = await reach_bus(paths, ACTUATOR, abroad.servers if abroad is not None else ())
            try:
                submitter = Submitter(bus, signer, ACTUATOR, genesis, verifier, clock)
                submitter.charters = partial(read_beginnings, paths.charters)
                for charter in known:
                    submitter.speak_in(charter)
                submitter.on_charter = lambda began: actuator.begin(began.charter)
                ordered.reached_by(submitter)
                await _obey_orders(actuator, bus, submitter)
            finally:
                await bus.close()


def _door(
    paths: RunPaths, abroad: Abroad | None, actuator: Actuator, signer: Ed25519Signer
) -> AbstractAsyncContextManager[None]:
    """Where freezing is said: a socket file, or a port that others' machines reach."""
    if abroad is None:
        return open_door(paths.freeze_socket, actuator.freeze_or_thaw)
    return open_far_door(abroad.door, actuator.freeze_or_thaw, signer)


def _hands(paths: RunPaths) -> Executor:
    """What this run's actuator acts with: AWS where the settings bind services to it."""
    settings = settings_of(paths)
    if settings is None or not settings.resources:
        return FleetExecutor(paths.repair_socket, paths.repair_token)
    # boto3 takes half a second to import: only for those who need it.
    from engine.act.aws import AwsExecutor
    from engine.aws.clients import client

    return AwsExecutor(settings.resources, client)


async def _obey_orders(actuator: Actuator, bus: NatsBus, submitter: Submitter) -> None:
    orders: asyncio.Queue[bytes] = asyncio.Queue(MAX_ORDERS)

    def take(_subject: str, payload: bytes) -> None:
        if orders.full():
            log.warning("order_dropped", waiting=orders.qsize())
        else:
            orders.put_nowait(payload)

    async def obey() -> None:
        await actuator.settle()
        while True:
            await actuator.obey(await orders.get())

    await bus.subscribe("certificate.*", take)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(submitter.run())
        tasks.create_task(obey())
