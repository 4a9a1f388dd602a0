"""The fleet as its manifest says it is, and as its orchestrator says it is now (pure)."""

import tomllib
from pathlib import Path
from typing import Annotated

import msgspec

from engine.codec import Malformed, digest_of, encode
from engine.vocabulary import Digest, Generation, ServiceName, SignalKind

MAX_SERVICES = 512
KINDS = frozenset({"http", "postgres", "redis"})
PROTOCOLS = frozenset({"http", "tcp"})
OUTSIDE = "customers"
"""Who calls from outside, where nothing says so."""

_NAME = msgspec.Meta(pattern=r"^[a-z0-9]([a-z0-9_-]{0,62}[a-z0-9])?\Z")
Name = Annotated[str, _NAME]
"""Names become file names, incident keys and words on the wire: nothing else may be in them."""
Release = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
Millis = Annotated[int, msgspec.Meta(ge=1, le=24 * 3_600_000)]


class ServiceSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One service of the fleet."""

    name: Annotated[ServiceName, _NAME]
    kind: str
    """``http``, ``postgres`` or ``redis``."""
    release: Release
    """The release that is live when the fleet starts."""
    stateful: bool = False
    """Restarting it may lose or delay data of others: raises the risk of doing so."""


class CallSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An edge of the call graph: ``caller`` asks ``callee``."""

    caller: Name
    """A service, or the name of an outside caller such as ``customers``."""
    callee: Annotated[ServiceName, _NAME]
    protocol: str = "http"
    """``http`` (requests and errors are counted) or ``tcp`` (connections and bytes)."""


class Objective(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A service level objective: what the probe judges by."""

    subject: Name
    availability_permille: Annotated[int, msgspec.Meta(ge=1, le=1_000)]
    """Share of requests that must succeed."""
    latency_ms: Millis
    """An answer slower than this counts as failed."""
    hold_ms: Millis
    """Green for this long on end is green again."""


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A fleet: its services, who calls whom, and what it promises its users."""

    name: Name
    objective: Objective
    service: tuple[ServiceSpec, ...]
    call: tuple[CallSpec, ...] = ()
    drillable: bool = False
    """Whether faults may be injected at all."""

    @property
    def digest(self) -> Digest:
        """What genesis pins."""
        return digest_of("manifest", encode(self))

    def spec(self, name: str) -> ServiceSpec | None:
        """The service called ``name``."""
        return next((service for service in self.service if service.name == name), None)

    def callers_of(self, name: str) -> tuple[ServiceName, ...]:
        """All services that reach ``name`` directly or through others, nearest first."""
        found: list[ServiceName] = []
        frontier = [name]
        while frontier:
            callee = frontier.pop(0)
            for call in self.call:
                caller = ServiceName(call.caller)
                if call.callee == callee and self.spec(caller) and caller not in found:
                    found.append(caller)
                    frontier.append(caller)
        return tuple(found)


def read_manifest(path: Path) -> Manifest:
    """The manifest in a TOML file.

    Raises:
        Malformed: the file is missing or wrong; names the file, the place and the remedy.
    """
    try:
        text = path.read_text(encoding="utf-8")
        manifest = msgspec.convert(tomllib.loads(text), Manifest)
    except OSError as error:
        raise Malformed(f"{path}: cannot read the manifest: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Malformed(f"{path}: no TOML: {error}; write it anew") from None
    except msgspec.ValidationError as error:
        raise Malformed(f"{path}: {error}; see assets/fleets/shop.toml for the form") from None
    objection = _objection_to(manifest)
    if objection:
        raise Malformed(f"{path}: {objection}")
    return manifest


def _objection_to(manifest: Manifest) -> str:
    names = [service.name for service in manifest.service]
    if not 1 <= len(names) <= MAX_SERVICES:
        return f"{len(names)} services are listed; a fleet has 1 to {MAX_SERVICES}"
    for service in manifest.service:
        if names.count(service.name) > 1:
            return f"service {service.name!r} is listed twice; remove one"
        if service.kind not in KINDS:
            return f"service {service.name!r} is {service.kind!r}; kinds are {sorted(KINDS)}"
    for call in manifest.call:
        if call.callee not in names:
            return f"call to {call.callee!r}, which is no service of the fleet; add it or remove it"
        if call.protocol not in PROTOCOLS:
            return f"call to {call.callee!r} by {call.protocol!r}; it is one of {sorted(PROTOCOLS)}"
        if manifest.call.count(call) > 1 or call.caller == call.callee:
            return f"call from {call.caller!r} to {call.callee!r} is listed twice or to itself"
    return ""


# --- what the orchestrator says: read-only, scraped by each agent for itself ------------------


class ReleaseChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A release went live."""

    release: str
    live_since_ms: int
    """Unix milliseconds."""


MAX_USES = 16


class Use(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How much of something bounded a run uses, as ``kubectl top`` would say it."""

    kind: SignalKind
    used: Annotated[int, msgspec.Meta(ge=0)]
    limit: Annotated[int, msgspec.Meta(ge=1)]


class ServiceStatus(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One service as its orchestrator sees it, as ``kubectl get pod`` would say it."""

    name: ServiceName
    alive: bool
    """Whether the process exists; says nothing about whether it works."""
    generation: Generation | None
    """The current run, or the last one when it is gone."""
    exit: str = ""
    """How the last run ended, ``signal 9`` or ``code 1``; empty while it runs."""
    changes: tuple[ReleaseChange, ...] = ()
    """Releases in the order in which they went live; the last one is live. The newest 16."""
    uses: Annotated[tuple[Use, ...], msgspec.Meta(max_length=MAX_USES)] = ()
    """What the current run uses of what it may; empty where nobody looks."""


class FleetStatus(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All services as their orchestrator sees them."""

    services: tuple[ServiceStatus, ...]


class ServiceEndpoints(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where one service can be looked at."""

    health: str
    """URL that answers 200 when the service says it is well; empty where it has none."""
    metrics: str
    """URL of its Prometheus text; empty where it has none."""
    log: str
    """Path of its log: one JSON object a line."""


class Endpoints(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where a running fleet can be looked at; written by its orchestrator when it is up."""

    status: str
    """URL of a ``FleetStatus`` as JSON."""
    links: tuple[str, ...]
    """URLs of the proxies' Prometheus text: requests, errors and latency of each link."""
    services: dict[ServiceName, ServiceEndpoints]


def read_endpoints(path: Path) -> Endpoints:
    """The endpoints that a running fleet has written.

    Raises:
        Malformed: the file is missing or wrong.
    """
    try:
        return msgspec.json.decode(path.read_bytes(), type=Endpoints)
    except OSError as error:
        raise Malformed(f"{path}: no endpoints: {error.strerror}; is the fleet up?") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Malformed(f"{path}: {error}; start the fleet anew") from None
