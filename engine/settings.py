"""How an engine that is not a rehearsal's is set up: one TOML file.

It names the fleet and how it is watched, acted on and told of; what the swarm may do alone stands in
the policy, and who it is in the genesis. It holds no secret: tokens lie in 0600 files that it names.
"""

import shutil
import tomllib
from math import isfinite
from pathlib import Path
from typing import Annotated

import msgspec

from engine.aws.bindings import Binding
from engine.codec import Malformed
from engine.paths import RunPaths
from engine.policy import Rules, read_rules, write_rules
from engine.telemetry.doors import cloudwatch_settings, prometheus_api
from engine.telemetry.doors.log_lines import Format
from engine.topology import Manifest, read_manifest
from engine.vocabulary import SignalKind

Port = Annotated[int, msgspec.Meta(ge=0, le=65_535)]


class Doors(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where OTLP and Alertmanager may knock: one port for each agent, from ``port`` on."""

    host: str = "127.0.0.1"
    port: Port = 4318
    certificate: str = ""
    key: str = ""
    names: tuple[str, ...] = ()


class LogFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A log to follow."""

    service: str
    path: str
    format: Format = Format.JSON


class Bound(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A metric that must not reach its limit: what is warned of before it does."""

    service: str
    metric: str
    """As its source calls it."""
    kind: SignalKind
    """``memory``, ``disk``, ``files``, ``pool``, ``queue`` or ``quota``."""
    limit: Annotated[float, msgspec.Meta(gt=0)]

    def __post_init__(self) -> None:
        """Refuse what is no share of anything."""
        if not self.kind.is_bounded or not isfinite(self.limit):
            raise ValueError("kind is memory, disk, files, pool, queue or quota, limit a number")


class Mirror(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A DynamoDB table that the ledger is copied to."""

    table: str


class Events(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where what happens is told, beside the screens."""

    stream: str = ""
    """Name of a Kinesis stream."""
    bus: str = ""
    """Name of an EventBridge bus."""


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole file."""

    fleet: str
    """Path of the fleet's manifest, from where this file lies."""
    policy: str = ""
    """Path of the policy; the cautious default without it."""
    agents: int = 5
    doors: Doors | None = None
    prometheus: tuple[prometheus_api.Server, ...] = ()
    log: tuple[LogFile, ...] = ()
    limit: tuple[Bound, ...] = ()
    cloudwatch: cloudwatch_settings.Settings | None = None
    resources: dict[str, Binding] = {}
    """By service: the AWS resource that it is."""
    mirror: Mirror | None = None
    events: Events | None = None


def read_settings(path: Path) -> tuple[Settings, Manifest, Rules]:
    """The settings in a TOML file, with the manifest and the policy that they name.

    Raises:
        Malformed: a file is missing or wrong; names the file, the place and the remedy.
    """
    settings = _parse(path)
    manifest = read_manifest(path.parent / settings.fleet)
    rules = read_rules(path.parent / settings.policy) if settings.policy else Rules()
    objection = _objection_to(settings, manifest)
    if objection:
        raise Malformed(f"{path}: {objection}")
    return settings, manifest, rules


def _parse(path: Path) -> Settings:
    try:
        return msgspec.convert(tomllib.loads(path.read_text(encoding="utf-8")), Settings)
    except OSError as error:
        raise Malformed(f"{path}: cannot read the settings: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Malformed(f"{path}: no TOML: {error}; write it anew") from None
    except msgspec.ValidationError as error:
        raise Malformed(f"{path}: {error}; see docs/operations.md for the form") from None


def _objection_to(settings: Settings, manifest: Manifest) -> str:
    named = [
        *settings.resources,
        *(log.service for log in settings.log),
        *(bound.service for bound in settings.limit),
        *(m.service for m in (settings.cloudwatch.metric if settings.cloudwatch else ())),
    ]
    for service in named:
        if manifest.spec(service) is None:
            return f"service {service!r} is not in {settings.fleet}; add it there or remove it"
    if settings.resources and set(settings.resources) != {s.name for s in manifest.service}:
        missing = {s.name for s in manifest.service} - set(settings.resources)
        return f"no resource for {', '.join(sorted(missing))}; nothing could be done to it"
    return ""


def prepare(settings_file: Path, paths: RunPaths) -> Settings:
    """Lay the settings, the manifest and the policy into the run's folder, where all parts read.

    A run that exists goes on with the manifest that its genesis pins and the policy that is in force.

    Raises:
        Malformed: a file is missing or wrong.
    """
    settings, _, rules = read_settings(settings_file)
    shutil.copyfile(settings_file, paths.settings)
    if not paths.genesis.exists():
        shutil.copyfile(settings_file.parent / settings.fleet, paths.manifest)
        write_rules(rules, paths.policy)
    return settings


def settings_of(paths: RunPaths) -> Settings | None:
    """The settings of the run at ``paths``; None for a rehearsal's, which has none.

    Raises:
        Malformed: the file is wrong.
    """
    return _parse(paths.settings) if paths.settings.exists() else None
