"""What the commands that run one part of the swarm share: the run's folder, and plain errors."""

import argparse
import asyncio
from collections.abc import Coroutine
from pathlib import Path

from engine.cli import CommandError
from engine.codec import Malformed
from engine.paths import RunPaths
from engine.signing import KeyFileError

__all__ = ["add_run_dir", "paths_of", "run_part"]


def add_run_dir(parser: argparse.ArgumentParser) -> None:
    """Declare ``--run-dir``."""
    parser.add_argument(
        "--run-dir", type=Path, required=True, metavar="DIR", help="folder of the run it belongs to"
    )


def paths_of(args: argparse.Namespace) -> RunPaths:
    """The run's files.

    Raises:
        CommandError: the folder does not exist.
    """
    root: Path = args.run_dir
    if not root.is_dir():
        raise CommandError(f"{root}: no such folder; `main.py up` makes one", exit_code=2)
    return RunPaths(root)


def run_part(part: Coroutine[None, None, None]) -> int:
    """Run one part until its parent closes its standard input.

    Raises:
        CommandError: a file of the run is wrong; the message names it and the remedy.
    """
    try:
        asyncio.run(part)
    except (Malformed, KeyFileError) as error:
        raise CommandError(str(error)) from None
    return 0
