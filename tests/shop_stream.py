"""A shop that exists as counters only: what the collector would read of it, second by second.

Requests are drawn one by one from a seeded generator and walk the call graph, so failures travel
upstream, retries and half-read seconds happen, and a dead service is called in vain. It is an
input for pure brains; the real fleet stands in ``chaos.fleet``.
"""

import random
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from engine.telemetry.samples import (
    HealthAnswer,
    HealthSeen,
    LinkSeen,
    LogSeen,
    Missed,
    Observation,
    StatusSeen,
)
from engine.telemetry.window import Window
from engine.topology import (
    FleetStatus,
    Manifest,
    ReleaseChange,
    ServiceStatus,
    Use,
    read_manifest,
)
from engine.vocabulary import Generation, ServiceName, SignalKind

SHOP = read_manifest(Path(__file__).parent.parent / "assets/fleets/shop.toml")
START_MS = 1_800_000_000_000
GATEWAY, CATALOG, ORDERS = map(ServiceName, ("gateway", "catalog", "orders"))
WELL, SILENT, REFUSED = HealthAnswer.WELL, HealthAnswer.SILENT, HealthAnswer.REFUSED


@dataclass
class Harm:
    """What is wrong with one service now."""

    error_share: float = 0.0
    delay_ms: int = 0
    dead: bool = False
    hung: bool = False
    leaked_files: int = 0
    """A second, of ``MOST_FILES``."""


MOST_FILES = 256


@dataclass
class Counters:
    requests: int = 0
    errors: int = 0
    late: int = 0
    busy_ms: int = 0
    connections: int = 0
    connect_failures: int = 0
    asked_bytes: int = 0
    answered_bytes: int = 0


@dataclass
class ShopStream:
    """Grows counters by the second and hands them to windows."""

    seed: int = 1
    per_second: float = 15.0
    slow_share: float = 0.004
    fail_share: float = 0.001
    manifest: Manifest = SHOP
    now_ms: int = START_MS
    harm: dict[str, Harm] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)
        self.links = {(c.caller, c.callee): Counters() for c in self.manifest.call}
        self.protocol = {(c.caller, c.callee): c.protocol for c in self.manifest.call}
        self.status = {
            spec.name: ServiceStatus(
                spec.name,
                alive=True,
                generation=Generation(100 + place, START_MS - 60_000, spec.release),
                changes=(ReleaseChange(spec.release, START_MS - 60_000),),
            )
            for place, spec in enumerate(self.manifest.service)
        }
        self.files = {spec.name: 28 for spec in self.manifest.service}
        self.seconds = 0
        self.logged: dict[tuple[str, str, str], int] = {}

    # --- what happens -------------------------------------------------------------------------

    def release(self, service: str, release: str, harm: Harm | None = None) -> None:
        """A new release of ``service`` goes live, harmless unless told otherwise."""
        old = self.status[ServiceName(service)]
        assert old.generation is not None
        run = Generation(old.generation.pid + 1_000, self.now_ms, release)
        changes = (*old.changes, ReleaseChange(release, self.now_ms))
        self.files[old.name] = 28
        self.status[old.name] = ServiceStatus(old.name, True, run, "", changes)
        self.harm[service] = harm or Harm()

    def kill(self, service: str) -> None:
        """``service`` is gone."""
        old = self.status[ServiceName(service)]
        self.status[old.name] = ServiceStatus(
            old.name, False, old.generation, "signal 9", old.changes
        )
        self.harm[service] = Harm(dead=True)

    def restart(self, service: str) -> None:
        """``service`` runs again, well."""
        old = self.status[ServiceName(service)]
        assert old.generation is not None
        run = Generation(old.generation.pid + 1_000, self.now_ms, old.generation.release)
        self.status[old.name] = ServiceStatus(old.name, True, run, "", old.changes)
        self.harm[service] = Harm()
        self.files[old.name] = 28

    def live(self, seconds: int, *windows: Window, lost: float = 0.0) -> None:
        """Let seconds pass; each window sees each of them, except for scrapes lost by chance."""
        for _ in range(seconds):
            self._second()
            self.now_ms += 1_000 + self.random.randint(-40, 40)
            for window in windows:
                for seen in self.observe():
                    if self.random.random() < lost:
                        window.add(Missed(self.now_ms, "links"))
                    else:
                        window.add(seen)
            self.logged.clear()

    def stall(self, milliseconds: int) -> None:
        """The machine stands still: what is under way becomes late, nothing is scraped."""
        self.now_ms += milliseconds
        for link in (("customers", GATEWAY), ("gateway", CATALOG), ("gateway", ORDERS)):
            if link in self.links:
                self.links[link].requests += 6
                self.links[link].late += 6
                self.links[link].busy_ms += 6 * milliseconds

    # --- what is read -------------------------------------------------------------------------

    def observe(self) -> list[Observation]:
        """One round of the collector."""
        at = self.now_ms
        found: list[Observation] = [
            LinkSeen(
                at, caller, callee, c.requests, c.errors, c.late, c.busy_ms, c.connections,
                c.connect_failures, c.asked_bytes, c.answered_bytes,
            )
            for (caller, callee), c in self.links.items()
        ]  # fmt: skip
        for spec in self.manifest.service:
            if spec.kind == "http":
                harm = self.harm.get(spec.name, Harm())
                answer = REFUSED if harm.dead else SILENT if harm.hung else WELL
                found.append(HealthSeen(at, spec.name, answer))
        statuses = (self._using(status) for status in self.status.values())
        found.append(StatusSeen(at, FleetStatus(tuple(statuses))))
        found += [LogSeen(at, *key, count) for key, count in self.logged.items()]
        return found

    def _using(self, status: ServiceStatus) -> ServiceStatus:
        """The status with what its run uses; connections come and go."""
        if not status.alive:
            return status
        used = min(MOST_FILES, self.files[status.name] + self.seconds * 5 % 4)
        uses = (Use(SignalKind.FILES, used, MOST_FILES),)
        return msgspec.structs.replace(status, uses=uses)

    # --- one second ---------------------------------------------------------------------------

    def _second(self) -> None:
        self.seconds += 1
        for name, harm in self.harm.items():
            self.files[ServiceName(name)] += harm.leaked_files
        arrivals = sum(self.random.random() < self.per_second / 60 for _ in range(60))
        (entry,) = (c.callee for c in self.manifest.call if not self.manifest.spec(c.caller))
        (outside,) = (c.caller for c in self.manifest.call if c.callee == entry)
        for _ in range(arrivals):
            self._call(outside, entry, self._journey(entry))

    def _journey(self, entry: str) -> str:
        """Which of the entry's callees this customer needs."""
        callees = [c.callee for c in self.manifest.call if c.caller == entry]
        return self.random.choices(callees, weights=[45, 30, 25][: len(callees)])[0]

    def _call(self, caller: str, callee: ServiceName, only: str = "") -> tuple[bool, int]:
        """Whether one call failed, and how long it took."""
        counters, harm = self.links[caller, callee], self.harm.get(callee, Harm())
        if self.protocol[caller, callee] != "http":
            return self._statement(counters, harm)
        failed, took_ms = self._serve(callee, harm, only)
        counters.requests += 1
        counters.errors += failed
        counters.late += took_ms > 1_000
        counters.busy_ms += took_ms
        return failed, took_ms

    def _statement(self, counters: Counters, harm: Harm) -> tuple[bool, int]:
        """One statement on a pooled connection; a dead database refuses a new connection."""
        if harm.dead:
            counters.connect_failures += 1
            return True, 2
        counters.asked_bytes += 120
        counters.answered_bytes += 0 if harm.hung else 300
        if harm.hung:
            return True, 2_000
        return self.random.random() < harm.error_share, 3 + harm.delay_ms

    def _serve(self, service: str, harm: Harm, only: str) -> tuple[bool, int]:
        if harm.dead:
            return True, 1
        if harm.hung:
            return True, 2_000
        took_ms = 5 + self.random.randint(0, 20) + harm.delay_ms
        if self.random.random() < self.slow_share:
            took_ms += 1_200
        failed = self.random.random() < max(harm.error_share, self.fail_share)
        if failed:
            self._log(service, "error", "request failed [<text>]")
            return True, took_ms
        for call in self.manifest.call:
            if call.caller == service and only in ("", call.callee):
                below, below_ms = self._call(service, call.callee)
                took_ms += below_ms
                if below:
                    self._log(service, "error", "call failed")
                    return True, took_ms
        self._log(service, "info", "request served")
        return False, took_ms

    def _log(self, service: str, level: str, template: str) -> None:
        key = (service, level, template)
        self.logged[key] = self.logged.get(key, 0) + 1


def renamed(manifest: Manifest, names: dict[str, str]) -> Manifest:
    """The same fleet under other names."""

    def name(old: str) -> ServiceName:
        return ServiceName(names.get(old, old))

    services = tuple(
        type(spec)(name(spec.name), spec.kind, spec.release, spec.stateful)
        for spec in manifest.service
    )
    calls = tuple(type(c)(name(c.caller), name(c.callee), c.protocol) for c in manifest.call)
    return Manifest(manifest.name, manifest.objective, services, calls, manifest.drillable)


__all__ = ["SHOP", "START_MS", "Harm", "ShopStream", "renamed"]
