"""The door for drills: puts faults in, measures them, takes them out.

It shares no token and no code path with the door for repairs.
"""

import asyncio
import secrets

import msgspec

from chaos.door import (
    AskEffect,
    AskIntegrity,
    AskState,
    DrillAnswer,
    DrillRequest,
    DrillVerb,
    Inject,
    Respond,
    Traffic,
    Undo,
    UndoAll,
)
from chaos.faults.deploy import Deploy
from chaos.faults.fault import DeployRelease, Effect, Fault, FaultCode, KillService, LeakFiles
from chaos.faults.kill import Kill
from chaos.faults.leak import Leak
from chaos.faults.undo import State, UndoEntry, UndoLedger
from chaos.fleet.ask import ask
from chaos.fleet.doors import Door
from chaos.fleet.floor import Floor, Slot, known_release
from chaos.fleet.integrity import check
from chaos.fleet.responders import Responders
from chaos.fleet.shop.order import ITEMS
from chaos.fleet.shop.store import INITIAL_STOCK
from chaos.fleet.traffic import Customers
from engine.clock import Clock
from engine.paths import RunPaths
from engine.vocabulary import Generation

PROBE_REQUESTS = 30
"""Of a release that fails a third, fewer than a fifth of 30 fail with probability 0.02."""
PROBE_GAP_S = 0.01
READS = {
    "gateway": f"/browse/{ITEMS}",
    "catalog": f"/items/{ITEMS}",
    "cart": "/carts/nobody",
    "orders": "/orders/none",
    "payments": "/charges/none",
    "inventory": f"/stock/{ITEMS}",
}
"""A question of each service that changes nothing; 404 is a good answer."""


class FloorGround:
    """The floor as faults see it: a ``chaos.faults.fault.Ground``."""

    def __init__(self, floor: Floor, clock: Clock) -> None:
        """Touch ``floor``."""
        self._floor = floor
        self._clock = clock

    def _slot(self, service: str) -> Slot:
        slot = self._floor.slot(service)
        assert slot is not None, "checked when the fault was asked for"
        return slot

    def generation(self, service: str) -> Generation | None:
        """The current run of a service, or its last one."""
        return self._slot(service).generation

    def exists(self, service: str, release: str | None = None) -> bool:
        """Whether there is such a service (and such a release of it)."""
        slot = self._floor.slot(service)
        return slot is not None and (release is None or known_release(slot, release))

    async def healthy(self, service: str) -> bool:
        """Whether it answers its health question."""
        return await self._floor.healthy(self._slot(service))

    async def kill(self, service: str) -> tuple[Generation, bool] | None:
        """End its run with SIGKILL: which one, and whether it is really gone."""
        return await self._floor.kill(self._slot(service))

    async def revive(self, service: str) -> bool:
        """Start a new run in place of one that is gone or does not answer."""
        slot = self._slot(service)
        return await self._floor.restart(slot, slot.generation) is True

    async def deploy(
        self, service: str, release: str, instead_of: Generation | None = None
    ) -> bool:
        """Let a release go live; only in place of one run, where that is named."""
        return await self._floor.deploy(self._slot(service), release, instead_of) is True

    async def failing(self, service: str) -> tuple[int, int]:
        """Ask the service itself, past all proxies: how many requests failed, of how many."""
        port, target = self._slot(service).port, READS[service]
        failed = 0
        for _ in range(PROBE_REQUESTS):
            try:
                failed += await ask(port, target, request_id=secrets.token_hex(8)) >= 500
            except OSError:
                failed += 1
            await asyncio.sleep(PROBE_GAP_S)
        return failed, PROBE_REQUESTS

    def open_files(self, service: str) -> int | None:
        """How many files and sockets its current run has open; None when it cannot be told."""
        run = self._slot(service).run
        files = run.open_files if run is not None and run.alive else None
        return None if files is None else files.used

    async def wait(self, seconds: float) -> None:
        """Let some time pass."""
        await asyncio.sleep(seconds)

    def monotonic_ns(self) -> int:
        """CLOCK_MONOTONIC."""
        return self._clock.monotonic_ns()


def code_of(fault: Fault) -> FaultCode:
    """The code that puts ``fault`` in and takes it out."""
    match fault:
        case KillService():
            return Kill(fault)
        case DeployRelease():
            return Deploy(fault)
        case LeakFiles():
            return Leak(fault)


class Drills:
    """Faults on one fleet, each in the undo ledger before it is in the fleet."""

    def __init__(self, ground: FloorGround, ledger: UndoLedger) -> None:
        """Touch ``ground``, remember in ``ledger``."""
        self._ground = ground
        self._ledger = ledger
        self._lock = asyncio.Lock()

    async def inject(self, fault_id: str, fault: Fault) -> Effect | str:
        """Put a fault in, once per id; gives its effect, or why it cannot be."""
        async with self._lock:
            release = None if isinstance(fault, KillService) else fault.release
            if not self._ground.exists(fault.service, release):
                return "no such service or release"
            if self._ledger.entry(fault_id) is None:
                code = code_of(fault)
                mark = code.mark(self._ground)
                self._ledger.write(UndoEntry(fault_id, fault, mark, State.INJECTING))
                mark = await code.inject(self._ground, mark)
                self._ledger.write(UndoEntry(fault_id, fault, mark, State.INJECTED))
        return await self.effect(fault_id)

    async def effect(self, fault_id: str) -> Effect | str:
        """What the fault's own probe says."""
        entry = self._ledger.entry(fault_id)
        if entry is None:
            return "no such fault"
        return await code_of(entry.fault).effect(self._ground, entry.mark)

    async def undo(self, fault_id: str) -> Effect | str:
        """Take a fault out, if it is still in."""
        async with self._lock:
            entry = self._ledger.entry(fault_id)
            if entry is None:
                return "no such fault"
            if entry.state is not State.UNDONE:
                code = code_of(entry.fault)
                await code.undo(self._ground, entry.mark)
                if not (await code.effect(self._ground, entry.mark)).present:
                    self._ledger.write(msgspec.structs.replace(entry, state=State.UNDONE))
        return await self.effect(fault_id)

    async def undo_all(self) -> None:
        """Take out whatever is in, the newest first."""
        for entry in reversed(self._ledger.open_entries()):
            await self.undo(entry.id)

    def ended_with_fleet(self) -> None:
        """Record that all faults are gone because all processes are.

        All kinds of fault there are live in the fleet's processes and nowhere else, so ending
        or newly starting the fleet takes them out.
        """
        for entry in self._ledger.open_entries():
            self._ledger.write(msgspec.structs.replace(entry, state=State.UNDONE))


class DrillDesk:
    """Answers what is asked at the door for drills."""

    def __init__(
        self,
        drills: Drills,
        responders: Responders,
        customers: Customers,
        floor: Floor,
        paths: RunPaths,
    ) -> None:
        """Hand each verb to the one who does it."""
        self._drills = drills
        self._responders = responders
        self._customers = customers
        self._floor = floor
        self._paths = paths

    async def answer(self, door: Door, line: bytes) -> bytes:
        """The line that answers ``line``."""
        try:
            request = msgspec.json.decode(line, type=DrillRequest)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            return msgspec.json.encode(DrillAnswer(refused=f"not a request: {error}"))
        if not door.admits(request.token):
            return msgspec.json.encode(DrillAnswer(refused="not the token of this door"))
        return msgspec.json.encode(await self._do(request.verb))

    async def _do(self, verb: DrillVerb) -> DrillAnswer:
        match verb:
            case AskState():
                return DrillAnswer(
                    status=self._floor.status(), interventions=self._responders.interventions
                )
            case Inject(id=fault_id, fault=fault):
                return _effect(await self._drills.inject(fault_id, fault))
            case AskEffect(id=fault_id):
                return _effect(await self._drills.effect(fault_id))
            case Undo(id=fault_id):
                return _effect(await self._drills.undo(fault_id))
            case UndoAll():
                await self._drills.undo_all()
                return DrillAnswer()
            case Respond(responder=responder):
                self._responders.let(responder)
                return DrillAnswer(interventions=self._responders.interventions)
            case Traffic(on=on):
                self._customers.come(on)
                return DrillAnswer()
            case AskIntegrity():
                return await self._integrity()

    async def _integrity(self) -> DrillAnswer:
        try:
            found = await check(self._paths.fleet, self._floor.postgres, INITIAL_STOCK * ITEMS)
        except OSError as error:
            return DrillAnswer(refused=f"the database cannot be reached: {error}")
        return DrillAnswer(integrity=found)


def _effect(found: Effect | str) -> DrillAnswer:
    return DrillAnswer(refused=found) if isinstance(found, str) else DrillAnswer(effect=found)
