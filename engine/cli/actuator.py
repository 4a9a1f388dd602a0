"""``main.py actuator``: the process that carries out what certificates allow."""

import argparse

from engine.act.process import Abroad, run_actuator
from engine.cli import CommandError
from engine.cli.part import add_place, add_run_dir, address, paths_of, run_part

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the command takes."""
    add_run_dir(parser)
    add_place(parser)
    parser.add_argument(
        "--door",
        type=address,
        metavar="HOST:PORT",
        help="with --bus: where it is told to freeze (without: a socket in the run's folder)",
    )


def run(args: argparse.Namespace) -> int:
    """Be the actuator until standard input ends."""
    paths = paths_of(args)
    if bool(args.bus) != (args.door is not None):
        raise CommandError("--bus and --door belong together: name both, or none", exit_code=2)
    return run_part(run_actuator(paths, Abroad(args.bus, args.door) if args.bus else None))
