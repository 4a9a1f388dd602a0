"""The services of the fleet: which run of each is there, and how one is started, ended, replaced.

Like a kubelet without its restarts: a service that dies stays dead until somebody who may asks
for it. Operations on one service happen one after the other.
"""

import asyncio
import os
import signal
from collections import deque

from chaos.fleet.ask import ask, listens
from chaos.fleet.logbook import Logbook
from chaos.fleet.outputs import StoreLines, open_output
from chaos.fleet.process import MAX_FILES, Launch, Run, python
from chaos.fleet.releases import step_of
from chaos.fleet.stores import Postgres, Redis
from chaos.fleet.wiring import Wiring
from engine.clock import Clock
from engine.paths import RunPaths
from engine.topology import FleetStatus, ReleaseChange, ServiceSpec, ServiceStatus, Use
from engine.vocabulary import Generation, ServiceName

READY_WITHIN_S = 10.0
STOP_GRACE_S = 2.5
HEALTH_WITHIN_S = 0.5
REMEMBERED_CHANGES = 16
USES_EVERY_MS = 500
POLL_S = 0.05


class Slot:
    """One service of the fleet."""

    def __init__(self, spec: ServiceSpec, port: int) -> None:
        """The service ``spec`` on ``port``, not started yet."""
        self.spec = spec
        self.port = port
        self.lock = asyncio.Lock()
        self.run: Run | None = None
        self.changes: deque[ReleaseChange] = deque(maxlen=REMEMBERED_CHANGES)
        self.uses: tuple[Use, ...] = ()
        """What the run ``counted_pid`` used when it was last counted."""
        self.counted_ms = self.counted_pid = 0

    @property
    def release(self) -> str:
        """The release that is live, or was when it died."""
        return self.changes[-1].release if self.changes else self.spec.release

    @property
    def generation(self) -> Generation | None:
        """The current run, or the last one when it is gone."""
        return self.run.generation if self.run else None


class Floor:
    """All services, by name."""

    def __init__(
        self, paths: RunPaths, specs: tuple[ServiceSpec, ...], wiring: Wiring, clock: Clock
    ) -> None:
        """Nothing runs yet."""
        self._paths = paths
        self._clock = clock
        self.wiring = wiring
        self.slots = {spec.name: Slot(spec, wiring.services[spec.name]) for spec in specs}
        self.postgres = Postgres(paths.fleet, wiring)
        self.redis = Redis(paths.fleet, wiring)
        self._stopping = False

    # --- what is there --------------------------------------------------------------------------

    def status(self) -> FleetStatus:
        """All services as they are now."""
        return FleetStatus(
            tuple(
                ServiceStatus(
                    name=name,
                    alive=slot.run is not None and slot.run.alive,
                    generation=slot.generation,
                    exit=slot.run.exit if slot.run else "",
                    changes=tuple(slot.changes),
                    uses=self._uses(slot),
                )
                for name, slot in self.slots.items()
            )
        )

    def _uses(self, slot: Slot) -> tuple[Use, ...]:
        """What the run uses of what it may; counted at most twice a second, whoever asks."""
        if slot.run is None or not slot.run.alive:
            return ()
        now_ms = self._clock.unix_ms()
        if slot.counted_ms <= now_ms - USES_EVERY_MS or slot.counted_pid != slot.run.pid:
            files = slot.run.open_files
            slot.uses = () if files is None else (files,)
            slot.counted_ms, slot.counted_pid = now_ms, slot.run.pid
        return slot.uses

    def slot(self, service: str) -> Slot | None:
        """The service of that name."""
        return self.slots.get(ServiceName(service))

    async def healthy(self, slot: Slot) -> bool:
        """Whether the service answers its health question."""
        if slot.run is None or not slot.run.alive:
            return False
        match slot.spec.kind:
            case "postgres":
                return await self.postgres.answers("postgres")
            case "redis":
                return await self.redis.answers()
            case _:
                try:
                    return await ask(slot.port, "/health", within_s=HEALTH_WITHIN_S) == 200
                except OSError:
                    return False

    # --- what can be done -----------------------------------------------------------------------

    async def start(self, slot: Slot, release: str | None = None) -> bool:
        """Start a run of a service that has none alive; whether it came to answer in time."""
        async with slot.lock:
            return await self._start(slot, release or slot.release)

    async def restart(self, slot: Slot, named: Generation | None = None) -> bool | None:
        """End the current run and start a new one of the same release.

        Gives None, and does nothing, when ``named`` is not the current run any more.
        """
        async with slot.lock:
            if named is not None and named != slot.generation:
                return None
            if slot.run is not None and slot.run.alive:
                await slot.run.stop(STOP_GRACE_S)
            return await self._start(slot, slot.release)

    async def deploy(
        self, slot: Slot, release: str, named: Generation | None = None
    ) -> bool | None:
        """Let another release go live; the former one answers until the new one does.

        Gives None, and does nothing, when ``named`` is not the current run any more; false when
        the new one did not come up, and the former one is still there.
        """
        async with slot.lock:
            if named is not None and named != slot.generation:
                return None
            former = slot.run
            if former is None or not former.alive:
                return await self._start(slot, release)
            fresh = self._spawn(slot, release)
            if not await fresh.ready(READY_WITHIN_S):
                await fresh.stop(0.0)
                return False
            self._went_live(slot, fresh, release)
            await former.stop(STOP_GRACE_S)
            return await self._answers(slot)

    async def kill(self, slot: Slot) -> tuple[Generation, bool] | None:
        """End the current run with SIGKILL: which one, and whether it is really gone.

        Gone is: the kernel reports signal 9, and connections are refused.
        """
        async with slot.lock:
            run = slot.run
            if run is None or not run.alive:
                return None
            run.signal(signal.SIGKILL)
            gone = await run.ended(2.0) and run.exit == "signal 9"
            try:
                return run.generation, gone and not await listens(slot.port)
            except OSError:
                return run.generation, False

    async def stop(self) -> None:
        """End everything, the stores last; nothing can be started any more."""
        self._stopping = True
        kinds = {slot.spec.kind for slot in self.slots.values()}
        for stores in (False, True):
            await asyncio.gather(
                *(
                    slot.run.stop(STOP_GRACE_S)
                    for slot in self.slots.values()
                    if slot.run is not None and (slot.spec.kind in kinds - {"http"}) is stores
                )
            )

    # --- inside ---------------------------------------------------------------------------------

    def _spawn(self, slot: Slot, release: str) -> Run:
        if self._stopping:
            raise ConnectionAbortedError("the fleet is stopping")
        match slot.spec.kind:
            case "postgres":
                launch = self.postgres.launch()
            case "redis":
                launch = self.redis.launch()
            case _:
                arguments = ("--name", slot.spec.name, "--release", release)
                fleet = ("--fleet", str(self._paths.fleet))
                command = python("chaos.fleet.service", *arguments, *fleet)
                launch = Launch(command, announces=True, max_files=MAX_FILES)
        output = self._output(slot)
        try:
            return Run(launch, release, self._clock.unix_ms(), output)
        finally:
            os.close(output)

    def _output(self, slot: Slot) -> int:
        """Where a run writes: a store's lines become lines of its log, the others' are kept raw."""
        if slot.spec.kind == "http":
            return open_output(self._paths.fleet_logs / f"{slot.spec.name}.out")
        log = Logbook(self._paths.fleet_log(slot.spec.name), slot.spec.name, slot.spec.release)
        return StoreLines.attach(log)

    async def _start(self, slot: Slot, release: str) -> bool:
        deadline_ns = self._clock.monotonic_ns() + int(READY_WITHIN_S * 1e9)
        run = self._spawn(slot, release)
        self._went_live(slot, run, release)
        if slot.spec.kind == "http":
            return await run.ready(READY_WITHIN_S) and await self._answers(slot)
        while self._clock.monotonic_ns() < deadline_ns:
            if await self.healthy(slot):
                return True
            if not run.alive:
                # After a SIGKILL its shared memory stays in use until the last child is gone.
                run = self._spawn(slot, release)
                slot.run = run
            await asyncio.sleep(POLL_S)
        return False

    async def _answers(self, slot: Slot) -> bool:
        for _ in range(20):
            if await self.healthy(slot):
                return True
            await asyncio.sleep(POLL_S)
        return False

    def _went_live(self, slot: Slot, run: Run, release: str) -> None:
        slot.run = run
        if not slot.changes or slot.changes[-1].release != release:
            slot.changes.append(ReleaseChange(release, self._clock.unix_ms()))


def known_release(slot: Slot, release: str) -> bool:
    """Whether ``release`` of this service exists."""
    return step_of(slot.spec.name, release) is not None
