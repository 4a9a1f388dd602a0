"""``main.py bus``: one server of a bus that has several, for a swarm over several machines."""

import argparse
from pathlib import Path

from engine.bus.cluster import Place, become_server, prepare_server
from engine.bus.server import ServerMissing
from engine.bus.subjects import name_in_subject
from engine.cli import CommandError
from engine.cli.part import add_run_dir, address, run_part
from engine.paths import RunPaths

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the command takes."""
    add_run_dir(parser)
    parser.add_argument(
        "--private-dir",
        type=Path,
        required=True,
        metavar="DIR",
        help="what the servers alone may open",
    )
    parser.add_argument(
        "--name", type=_name, required=True, help="of this server, for instance bus-1"
    )
    parser.add_argument(
        "--cluster", type=_name, required=True, help="what all the servers are called"
    )
    parser.add_argument(
        "--listen", type=address, required=True, metavar="HOST:PORT", help="where processes connect"
    )
    parser.add_argument(
        "--routes", type=address, required=True, metavar="HOST:PORT", help="where servers connect"
    )
    parser.add_argument(
        "--peer",
        type=address,
        action="append",
        default=[],
        metavar="HOST:PORT",
        help="where another server's --routes are reached; may name this one too",
    )


def _name(text: str) -> str:
    try:
        return name_in_subject(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def run(args: argparse.Namespace) -> int:
    """Wait until the swarm is founded, then be the server."""
    for folder in (args.run_dir, args.private_dir):
        if not folder.is_dir():
            raise CommandError(f"{folder}: no such folder", exit_code=2)
    paths = RunPaths(args.run_dir, args.private_dir)
    place = Place(args.name, args.listen, args.routes, tuple(args.peer), args.cluster)
    ready: list[tuple[str, ...]] = []

    async def prepare() -> None:
        ready.append(await prepare_server(paths, place))

    try:
        run_part(prepare())
    except ServerMissing as error:
        raise CommandError(str(error)) from None
    if ready:
        become_server(ready[0])
    return 0
