"""Who listens where: chosen once at the start of a fleet, and fixed over restarts of a service."""

import os
import secrets
import socket
from pathlib import Path

import msgspec

from engine.codec import Malformed
from engine.topology import CallSpec, Manifest

LOOPBACK = "127.0.0.1"
DATABASE = "shop"
"""Name of the database and of its user."""


class Wiring(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Ports of all services and links, and the passwords of the two stores (so: a 0600 file)."""

    services: dict[str, int]
    """Where each service itself listens."""
    links: dict[str, int]
    """Where the proxy on each call listens, by ``caller->callee``."""
    calls: tuple[CallSpec, ...]
    status: int
    """Port of the orchestrator's read-only status."""
    proxy: int
    """Port of the proxies' own metrics."""
    postgres_password: str
    redis_password: str

    def link(self, caller: str, callee: str) -> int:
        """Port on which ``caller`` reaches ``callee``."""
        return self.links[link_name(caller, callee)]


def link_name(caller: str, callee: str) -> str:
    """The one spelling of a link's name."""
    return f"{caller}->{callee}"


class HeldPorts:
    """Free ports, kept from everybody else for as long as this object is open.

    Each is held by a socket that is bound and does not listen: the service may bind beside it
    (both set SO_REUSEADDR), the kernel gives the port to nobody else, and connecting to it while
    the service is gone is refused, as it should be.
    """

    def __init__(self) -> None:
        """Hold none yet."""
        self._sockets: list[socket.socket] = []

    def take(self) -> int:
        """One more free port."""
        held = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # Lets the next release of a service listen before the former one has stopped.
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        held.bind((LOOPBACK, 0))
        self._sockets.append(held)
        return int(held.getsockname()[1])

    def close(self) -> None:
        """Give all of them back."""
        for held in self._sockets:
            held.close()
        self._sockets.clear()


def wire(manifest: Manifest, ports: HeldPorts) -> Wiring:
    """A port for everything in ``manifest``, and fresh passwords."""
    return Wiring(
        services={service.name: ports.take() for service in manifest.service},
        links={link_name(call.caller, call.callee): ports.take() for call in manifest.call},
        calls=manifest.call,
        status=ports.take(),
        proxy=ports.take(),
        postgres_password=secrets.token_hex(16),
        redis_password=secrets.token_hex(16),
    )


def wiring_path(fleet: Path) -> Path:
    """Where the wiring of a fleet lies, below its scratch folder."""
    return fleet / "wiring.json"


def write_secret(path: Path, data: bytes) -> None:
    """Write a file that only its owner can read, whole or not at all."""
    scratch = path.with_name(path.name + ".tmp")
    scratch.unlink(missing_ok=True)
    descriptor = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
    scratch.replace(path)


def read_wiring(path: Path) -> Wiring:
    """The wiring that a running fleet has written.

    Raises:
        Malformed: the file is missing or wrong.
    """
    try:
        return msgspec.json.decode(path.read_bytes(), type=Wiring)
    except OSError as error:
        raise Malformed(f"{path}: no wiring: {error.strerror}; is the fleet up?") from None
    except msgspec.DecodeError as error:
        raise Malformed(f"{path}: {error}; start the fleet anew") from None
