"""The policy ``runbook``: a list that somebody wrote before the incident, as the harder baseline for drills.

What is dead the liveness supervisor restarts. When the SLO probe pages all the same, the newest
release is rolled back; when it goes on, the services are restarted one after the other, from the
deepest callee up, stores never. One step at a time, and after each ten seconds to see whether it
helped. It looks for no cause, asks nobody, and knows no more than a script can.
"""

import asyncio
from collections.abc import Sequence

from chaos.fleet.floor import Floor
from chaos.fleet.judge import Second, read_probe_log
from engine.clock import Clock
from engine.paths import RunPaths
from engine.topology import FleetStatus, Manifest, ServiceStatus
from engine.vocabulary import RestartService, RollBack, ServiceName

EVERY_S = 1.0
LOOKED_AT = 10
PAGED_BY = 5
"""Red seconds of the last ten: a burn rate that no month's error budget survives, and no single blip."""
RECENT_MS = 15 * 60_000
"""A release older than this is not what broke just now."""


def deepest_first(manifest: Manifest) -> tuple[ServiceName, ...]:
    """The services that may be restarted, those with most callers above them first."""
    stateless = [spec.name for spec in manifest.service if not spec.stateful]
    return tuple(sorted(stateless, key=lambda name: -len(manifest.callers_of(name))))


class Runbook:
    """Where in the list an incident is (pure: what was seen comes in, the next step comes out)."""

    def __init__(self, services: Sequence[ServiceName]) -> None:
        """Restart ``services`` in this order, once everything else is tried."""
        self._services = services
        self._restarts = 0
        self._rolled_back: set[ServiceName] = set()
        self._since_ns = 0

    def step(
        self, seconds: Sequence[Second], status: FleetStatus, now_ms: int
    ) -> RollBack | RestartService | None:
        """What to do now, given the probe's seconds so far and what runs; None while it is calm."""
        fresh = [second for second in seconds if second.monotonic_ns > self._since_ns][-LOOKED_AT:]
        if len(fresh) < LOOKED_AT or sum(not second.green for second in fresh) < PAGED_BY:
            return None
        # Whether this step helps is judged by what comes after it.
        self._since_ns = fresh[-1].monotonic_ns
        return self._roll_back(status, now_ms) or self._restart(status)

    def _roll_back(self, status: FleetStatus, now_ms: int) -> RollBack | None:
        def went_live_ms(service: ServiceStatus) -> int:
            return service.changes[-1].live_since_ms

        changed = [
            service
            for service in status.services
            if len(service.changes) > 1
            and service.name not in self._rolled_back
            and now_ms - went_live_ms(service) <= RECENT_MS
        ]
        newest = max(changed, key=went_live_ms, default=None)
        if newest is None or newest.generation is None:
            return None
        self._rolled_back.add(newest.name)
        return RollBack(newest.name, newest.generation, newest.changes[-2].release)

    def _restart(self, status: FleetStatus) -> RestartService | None:
        runs = {service.name: service.generation for service in status.services}
        if not self._services:
            return None
        name = self._services[self._restarts % len(self._services)]
        self._restarts += 1
        generation = runs.get(name)
        return None if generation is None else RestartService(name, generation)


class RunbookResponder:
    """Follows the runbook while it is on."""

    def __init__(self, floor: Floor, paths: RunPaths, manifest: Manifest, clock: Clock) -> None:
        """Look at the probe's log of the run at ``paths`` and act on ``floor``; off."""
        self._floor = floor
        self._probe_log = paths.probe_log
        self._services = deepest_first(manifest)
        self._clock = clock
        self._runbook: Runbook | None = None
        self.steps = 0
        """How often it has done something."""

    def follow(self, on: bool) -> None:
        """Begin at the top of the list with the next incident, or stop."""
        self._runbook = Runbook(self._services) if on else None

    async def watch(self) -> None:
        """Look every second, for ever."""
        while True:
            await asyncio.sleep(EVERY_S)
            if self._runbook is not None:
                await self._look(self._runbook)

    async def _look(self, runbook: Runbook) -> None:
        try:
            seconds = read_probe_log(self._probe_log.read_bytes())
        except FileNotFoundError:
            return
        action = runbook.step(seconds, self._floor.status(), self._clock.unix_ms())
        slot = self._floor.slot(action.service) if action is not None else None
        if action is None or slot is None:
            return
        try:
            if isinstance(action, RollBack):
                done = await self._floor.deploy(slot, action.to_release, action.generation)
            else:
                done = await self._floor.restart(slot, action.generation)
        except OSError:
            return  # The fleet is stopping, or the process could not be started: the next step comes.
        if done is not None:
            self.steps += 1
