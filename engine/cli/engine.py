"""``main.py engine``: bus, agents, actuator, ledger and stream, without a screen."""

import argparse

from engine.cli.part import add_run_dir, paths_of, run_part
from engine.service import run_engine

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the command takes."""
    add_run_dir(parser)
    parser.add_argument("--agents", type=int, default=5, help="5, 10, 15 … (default 5)")


def run(args: argparse.Namespace) -> int:
    """Be the engine until standard input ends."""
    return run_part(run_engine(paths_of(args), args.agents))
