"""What the commands that run one part of the swarm share: the run's folder, and plain errors."""

import argparse
import asyncio
import os
import re
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

__all__ = [
    "BUS",
    "add_place",
    "add_run_dir",
    "address",
    "bus_servers",
    "paths_of",
    "private_of",
    "run_named",
    "run_part",
]

BUS = "IC_BUS"
"""Names the servers of a bus that others run, as ``--bus`` does."""
_SERVER = re.compile(r"nats://[A-Za-z0-9.-]{1,253}:[0-9]{1,5}")

Runner = Callable[[Coroutine[None, None, None]], None]

PLAIN = (Malformed, KeyFileError, LedgerDamaged, VotesDamaged)
"""What the world does to files: one line says it all, and where it came from in our code does not."""


def add_run_dir(parser: argparse.ArgumentParser) -> None:
    """Declare ``--run-dir``."""
    parser.add_argument(
        "--run-dir", type=Path, required=True, metavar="DIR", help="folder of the run it belongs to"
    )


def add_place(parser: argparse.ArgumentParser) -> None:
    """Declare what a process needs that shares its run with other machines."""
    parser.add_argument(
        "--private-dir",
        type=Path,
        metavar="DIR",
        help="where the run's folder is shared with other machines: what this process alone may open",
    )
    parser.add_argument(
        "--bus",
        type=bus_servers,
        default=os.environ.get(BUS, ""),
        metavar="URL,...",
        help=f"servers of a bus that others run (default: ${BUS}; without it, the engine's own)",
    )


def bus_servers(text: str) -> tuple[str, ...]:
    """The servers in a list with commas; none where it is empty.

    Raises:
        ArgumentTypeError: something else is in it. A password is: a URL ends in logs.
    """
    servers = tuple(server.strip() for server in text.split(",") if server.strip())
    for server in servers:
        if not _SERVER.fullmatch(server):
            raise argparse.ArgumentTypeError(
                f"{server.rpartition('@')[2]!r} is no server of a bus; it looks like nats://host:4222"
            )
    return servers


def address(text: str) -> tuple[str, int]:
    """The host and port that ``text`` names.

    Raises:
        ArgumentTypeError: it names none.
    """
    host, _, port = text.rpartition(":")
    if not host or not port.isdigit() or int(port) >= 1 << 16:
        raise argparse.ArgumentTypeError(f"{text!r} is no address; it looks like 127.0.0.1:8080")
    return host.strip("[]"), int(port)


def paths_of(args: argparse.Namespace) -> RunPaths:
    """The run's files.

    Raises:
        CommandError: the folder does not exist.
    """
    root: Path = args.run_dir
    if not root.is_dir():
        raise CommandError(f"{root}: no such folder; `main.py up` makes one", exit_code=2)
    return RunPaths(root, private_of(args))


def private_of(args: argparse.Namespace) -> Path | None:
    """The private folder of a process whose bus is elsewhere; None where it has the run to itself.

    Raises:
        CommandError: one of the two was named without the other.
    """
    private: Path | None = args.private_dir
    if bool(args.bus) != (private is not None):
        raise CommandError(
            f"--bus (or ${BUS}) and --private-dir belong together: name both, or none", exit_code=2
        )
    if private is not None and not private.is_dir():
        raise CommandError(f"{private}: no such folder; make it, mode 0700", exit_code=2)
    return private


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
