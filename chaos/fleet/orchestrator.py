"""The shop from its start to its end: what runs, in which order, and the doors to it."""

import asyncio
import functools
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from chaos.faults.undo import UndoLedger, ledger_path
from chaos.fleet.doors import Door
from chaos.fleet.drills import DrillDesk, Drills, FloorGround
from chaos.fleet.floor import Floor
from chaos.fleet.outputs import open_output
from chaos.fleet.process import Launch, Run, python
from chaos.fleet.repairs import RepairJournal, Repairs, answer_repair
from chaos.fleet.responders import Responders
from chaos.fleet.traffic import Customers
from chaos.fleet.wiring import LOOPBACK, HeldPorts, Wiring, wire, wiring_path, write_secret
from engine.clock import SystemClock
from engine.codec import Malformed
from engine.paths import RunPaths
from engine.topology import Endpoints, Manifest, ServiceEndpoints, read_manifest

if TYPE_CHECKING:
    from aiohttp import web

READY_WITHIN_S = 15.0


class Fleet:
    """One running shop."""

    def __init__(self, paths: RunPaths, manifest: Manifest) -> None:
        """Choose ports and make files; nothing is started yet."""
        self._paths = paths
        self._clock = SystemClock()
        self._ports = HeldPorts()
        self._manifest = manifest
        self._wiring: Wiring = wire(manifest, self._ports)
        paths.endpoints.unlink(missing_ok=True)
        for stale in (*paths.fleet.glob("orders-*.log"), paths.fleet / "load.log", paths.probe_log):
            stale.unlink(missing_ok=True)
        write_secret(wiring_path(paths.fleet), msgspec.json.encode(self._wiring))
        self.floor = Floor(paths, manifest.service, self._wiring, self._clock)
        self._customers = Customers(paths, self._clock)
        self._responders = Responders(self.floor, paths, manifest, self._clock)
        self._ledger = UndoLedger(ledger_path(paths))
        self._drills = Drills(FloorGround(self.floor, self._clock), self._ledger)
        self._journal = RepairJournal(paths.fleet / "repairs.jsonl")
        self._repairs = Repairs(self.floor, self._journal)
        self._doors: list[Door] = []
        self._proxy: Run | None = None
        self._watch: asyncio.Task[None] | None = None
        self._status: web.AppRunner | None = None

    # --- up -------------------------------------------------------------------------------------

    async def start(self, rate: float, seed: int) -> None:
        """Bring everything up, then say where it can be looked at.

        Raises:
            Malformed: something did not come up; says what.
        """
        self._drills.ended_with_fleet()
        # All at once: six interpreters load their libraries while initdb works.
        await asyncio.gather(self._start_postgres(), self._start_others(rate, seed))
        if not await self._customers.ready():
            raise Malformed("the load generator or the SLO probe did not start; see fleet/logs")
        self._customers.come(True)
        await self._open_status()
        await self._open_doors()
        self._watch = asyncio.ensure_future(self._responders.watch())
        scratch = self._paths.endpoints.with_suffix(".tmp")
        scratch.write_bytes(msgspec.json.format(msgspec.json.encode(self._endpoints())))
        scratch.replace(self._paths.endpoints)

    async def _start_postgres(self) -> None:
        slot = self.floor.slot("postgres")
        if slot is None:
            return
        output = open_output(self._paths.fleet_logs / "initdb.out")
        try:
            await self.floor.postgres.initialise(output)
        finally:
            os.close(output)
        # The shop's database does not exist yet: a server that answers for its own will do.
        if not await self.floor.start(slot):
            raise Malformed("postgres did not come up; see fleet/logs/postgres.log")
        await self.floor.postgres.fill()

    async def _start_others(self, rate: float, seed: int) -> None:
        output = open_output(self._paths.fleet_logs / "proxy.out")
        command = python("chaos.proxy", "--fleet", str(self._paths.fleet))
        try:
            self._proxy = Run(Launch(command, announces=True), "", self._clock.unix_ms(), output)
        finally:
            os.close(output)
        self._customers.start(rate, seed)
        others = [slot for slot in self.floor.slots.values() if slot.spec.kind != "postgres"]
        up = await asyncio.gather(*(self.floor.start(slot) for slot in others))
        for slot, answers in zip(others, up, strict=True):
            if not answers:
                raise Malformed(f"{slot.spec.name} did not come up; see fleet/logs")
        if not await self._proxy.ready(READY_WITHIN_S):
            raise Malformed("the proxies did not come up; see fleet/logs/proxy.out")

    async def _open_status(self) -> None:
        from aiohttp import web  # Loaded while others start, not before.

        async def status(_: web.Request) -> web.Response:
            body = msgspec.json.encode(self.floor.status())
            return web.Response(body=body, content_type="application/json")

        application = web.Application()
        application.add_routes([web.get("/status", status)])
        runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.2)
        self._status = runner
        await runner.setup()
        await web.TCPSite(
            runner, LOOPBACK, self._wiring.status, reuse_address=True, reuse_port=True
        ).start()

    async def _open_doors(self) -> None:
        repairs = Door(self._paths.repair_socket, self._paths.repair_token)
        await repairs.listen(functools.partial(answer_repair, repairs, self._repairs))
        self._doors.append(repairs)
        if self._manifest.drillable:
            desk = DrillDesk(
                self._drills, self._responders, self._customers, self.floor, self._paths
            )
            drills = Door(self._paths.chaos_socket, self._paths.chaos_token)
            await drills.listen(functools.partial(desk.answer, drills))
            self._doors.append(drills)

    def _endpoints(self) -> Endpoints:
        def of(kind: str, name: str, port: int) -> ServiceEndpoints:
            base = f"http://{LOOPBACK}:{port}" if kind == "http" else ""
            log = str(self._paths.fleet_logs / f"{name}.log")
            return ServiceEndpoints(base and f"{base}/health", base and f"{base}/metrics", log)

        return Endpoints(
            status=f"http://{LOOPBACK}:{self._wiring.status}/status",
            links=(f"http://{LOOPBACK}:{self._wiring.proxy}/metrics",),
            services={
                name: of(slot.spec.kind, name, slot.port) for name, slot in self.floor.slots.items()
            },
        )

    async def broken(self) -> str:
        """Wait until a part that nobody may break is gone: says which.

        Without its proxies, load or probe nothing that is measured here means anything.
        """
        parts = {"the proxy": self._proxy}
        parts |= dict(
            zip(("the load generator", "the SLO probe"), self._customers.runs, strict=True)
        )
        waiting = {
            asyncio.ensure_future(run.ended()): f"{name} ended by itself ({run.pid})"
            for name, run in parts.items()
            if run is not None
        }
        try:
            done, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            return f"{waiting[done.pop()]}; see fleet/logs"
        finally:
            for task in waiting:
                task.cancel()

    # --- down -----------------------------------------------------------------------------------

    async def stop(self) -> None:
        """End everything in order, and with it every fault that is still in."""
        self._paths.endpoints.unlink(missing_ok=True)
        for door in self._doors:
            await door.close()
        if self._watch is not None:
            self._watch.cancel()
        if self._status is not None:
            await self._status.cleanup()
        await self._customers.stop()
        await self.floor.stop()
        if self._proxy is not None:
            await self._proxy.stop(1.0)
        await self._repairs.finish()
        self._drills.ended_with_fleet()
        self._ledger.close()
        self._journal.close()
        self._ports.close()


async def run(run_dir: Path, rate: float, seed: int, *, lifeline: bool) -> None:
    """Run the shop until the lifeline on standard input closes or a signal says stop.

    Raises:
        Malformed: the manifest is wrong, or the shop did not come up, or it fell apart.
    """
    paths = RunPaths(run_dir).make()
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        loop.add_signal_handler(number, stopping.set)
    if lifeline:
        _hold_lifeline(stopping)
    fleet = Fleet(paths, read_manifest(paths.manifest))
    over = asyncio.ensure_future(stopping.wait())
    working = asyncio.ensure_future(_work(fleet, rate, seed))
    try:
        await asyncio.wait((working, over), return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            working.result()
    finally:
        working.cancel()
        over.cancel()
        await asyncio.gather(working, over, return_exceptions=True)
        await fleet.stop()


def _hold_lifeline(stopping: asyncio.Event) -> None:
    """Stop when standard input closes: whoever started us is gone."""
    loop = asyncio.get_running_loop()
    descriptor = sys.stdin.fileno()

    def readable() -> None:
        if not os.read(descriptor, 4_096):
            loop.remove_reader(descriptor)
            stopping.set()

    try:
        loop.add_reader(descriptor, readable)
    except PermissionError:
        raise Malformed(
            "standard input is no pipe, so it cannot be a lifeline; give it one, "
            "or use --no-lifeline"
        ) from None


async def _work(fleet: Fleet, rate: float, seed: int) -> None:
    await fleet.start(rate, seed)
    raise Malformed(await fleet.broken())
