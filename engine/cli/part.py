"""What the commands that run one part of the swarm share: the run's folder, and plain errors."""

import argparse
import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path

from engine.cli import CommandError
from engine.codec import Malformed
from engine.consensus.vote_log import VotesDamaged
from engine.ledger.sqlite import LedgerDamaged
from engine.paths import RunPaths
from engine.signing import KeyFileError
from engine.stream import runs
from engine.supervisor import lifeline_stdin

__all__ = ["add_run_dir", "paths_of", "run_named", "run_part"]

Runner = Callable[[Coroutine[None, None, None]], None]

PLAIN = (Malformed, KeyFileError, LedgerDamaged, VotesDamaged)
"""What the world does to files: one line says it all, and where it came from in our code does not."""


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


def run_named(run_dir: Path | None) -> RunPaths:
    """The named run, whoever started it; without a name, the newest that is alive.

    Raises:
        CommandError: none is alive.
    """
    if run_dir is not None:
        return RunPaths(run_dir.resolve())
    live = runs.live_runs()
    if not live:
        raise CommandError("no live run found; name one with --run-dir, or start: main.py up")
    return live[0].paths


def run_part(part: Coroutine[None, None, None], run: Runner = asyncio.run) -> int:
    """Run one part until its parent closes its standard input, or it is asked to stop.

    Args:
        part: what it does.
        run: makes the event loop that it is done in.

    Raises:
        CommandError: a file of the run is wrong; the message names it and the remedy.
    """
    try:
        run(_until_asked_to_stop(part))
    except PLAIN as error:
        raise CommandError(str(error)) from None
    except BaseExceptionGroup as group:
        known, unknown = group.split(PLAIN)
        if known is None or unknown is not None:
            raise
        raise CommandError(str(_first(known))) from None
    return 0


async def _until_asked_to_stop(part: Coroutine[None, None, None]) -> None:
    """Do ``part``, wherever it stands, until the lifeline ends; it cleans up before this returns."""
    stop = lifeline_stdin()
    work = asyncio.ensure_future(part)
    asked = asyncio.ensure_future(stop.wait())
    await asyncio.wait({work, asked}, return_when=asyncio.FIRST_COMPLETED)
    asked.cancel()
    work.cancel()
    try:
        await work
    except asyncio.CancelledError:
        if not stop.is_set():
            raise


def _first(group: BaseExceptionGroup[Exception]) -> Exception:
    """One of the reasons in ``group``, however deep: tasks wrap what they raise."""
    error = group.exceptions[0]
    return _first(error) if isinstance(error, BaseExceptionGroup) else error
