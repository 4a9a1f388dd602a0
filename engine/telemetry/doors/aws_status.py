"""The fleet's status as AWS tells it: which run of each service is there, and what went live."""

import asyncio
import random
from collections.abc import Callable, Mapping

from engine.aws.aside import aside
from engine.aws.bindings import Binding, Run
from engine.aws.circuit import Circuit
from engine.aws.clients import AWS_ERRORS, Client, code_of
from engine.aws.runs import Runs
from engine.clock import Clock
from engine.telemetry.samples import Missed, Observation, StatusSeen
from engine.topology import FleetStatus, ReleaseChange, ServiceStatus
from engine.vocabulary import ServiceName

POLL_S = 1.5
"""A status older than four seconds is stale: two questions may be lost."""
MAX_CHANGES = 16


class Releases:
    """Which releases were seen live, and since when (pure).

    AWS says what is live and not what was: from the first look on, the changes are kept here.
    """

    def __init__(self) -> None:
        self._changes: dict[str, tuple[ReleaseChange, ...]] = {}

    def status(self, service: str, run: Run | None, now_ms: int) -> ServiceStatus:
        """The status of a service whose newest run is ``run``."""
        if run is None:
            known = self._changes.get(service, ())
            return ServiceStatus(ServiceName(service), False, None, changes=known)
        changes = self._changes.get(service, ())
        release = run.generation.release
        if run.alive and release and (not changes or changes[-1].release != release):
            since_ms = run.generation.started_ms or now_ms
            changes = (*changes, ReleaseChange(release, since_ms))[-MAX_CHANGES:]
            self._changes[service] = changes
        return ServiceStatus(
            ServiceName(service),
            run.alive,
            run.generation,
            exit="" if run.alive else "stopped",
            changes=changes,
        )


class AwsStatus:
    """Asks for all bound services once a period, and tells ``see`` (a shell)."""

    def __init__(
        self,
        bindings: Mapping[str, Binding],
        client: Callable[[str], Client],
        see: Callable[[Observation], None],
        clock: Clock,
        rng: random.Random,
    ) -> None:
        self.circuit = Circuit()
        self._bindings = bindings
        self._runs = Runs(client)
        self._see = see
        self._clock = clock
        self._rng = rng
        self._releases = Releases()

    async def run(self) -> None:
        """Ask until cancelled."""
        while True:
            now_s = self._clock.monotonic_ns() / 1e9
            if self.circuit.may_ask(now_s):
                await self.ask()
            await asyncio.sleep(max(POLL_S, self.circuit.wait_s(now_s)))

    async def ask(self) -> None:
        """One look at all services."""
        try:
            runs = await aside(self._all)
        except AWS_ERRORS as error:
            now_s = self._clock.monotonic_ns() / 1e9
            self.circuit.failed(now_s, self._rng.random(), f"{code_of(error)}: {error}")
            self._see(Missed(self._clock.unix_ms(), "status"))
            return
        self.circuit.answered()
        now_ms = self._clock.unix_ms()
        found = [self._releases.status(name, run, now_ms) for name, run in runs.items()]
        self._see(StatusSeen(now_ms, FleetStatus(tuple(found))))

    def _all(self) -> dict[str, Run | None]:
        return {name: self._runs.live(binding) for name, binding in self._bindings.items()}
