"""Installs what a command needs beside the base, pinned, into the environment that runs it."""

import importlib
import importlib.util
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from engine.cli import CommandError

__all__ = ["ensure", "missing"]

REPOSITORY = Path(__file__).resolve().parents[2]


def missing(packages: Iterable[str]) -> list[str]:
    """Those of ``packages`` (names to import) that are not installed."""
    return [name for name in packages if importlib.util.find_spec(name) is None]


def ensure(extras: Iterable[str], packages: Iterable[str], *, install: bool) -> None:
    """See to it that ``packages`` can be imported.

    Args:
        extras: whose pinned requirements bring them.
        packages: names to import.
        install: whether they may be installed.

    Raises:
        CommandError: they are missing and may not or cannot be installed.
    """
    lacking = missing(packages)
    if not lacking:
        return
    extras = list(extras)
    said = f"{', '.join(lacking)} missing (extra {', '.join(extras)})"
    if not install:
        raise CommandError(f"{said}: make venv installs it, or run without --no-install")
    if sys.prefix == sys.base_prefix:
        raise CommandError(f"{said}: make venv, then .venv/bin/python main.py")
    files = [REPOSITORY / f"requirements-{extra}.txt" for extra in extras]
    for file in files:
        print(f"{said}: installing {file.name} into {sys.prefix} (once)", flush=True)
        argv = ["-m", "pip", "install", "--disable-pip-version-check", "--quiet"]
        argv += ["--progress-bar", "on", "--require-hashes", "--requirement", str(file)]
        if subprocess.run([sys.executable, *argv]).returncode:
            raise CommandError(f"pip could not install {file.name}; what it said stands above")
    importlib.invalidate_caches()
    if still := missing(packages):
        raise CommandError(f"{', '.join(still)} still missing after the installation")
