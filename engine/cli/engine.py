"""``main.py engine``: bus, agents, actuator, ledger and stream, without a screen."""

import argparse

from engine.cli.agent import agent_id
from engine.cli.part import add_run_dir, paths_of, run_part
from engine.founding import swarm_of
from engine.service import run_engine

__all__ = ["add_arguments", "run", "swarm_size"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the command takes."""
    add_run_dir(parser)
    parser.add_argument("--agents", type=swarm_size, default=5, help="5, 10, 15 … (default 5)")
    parser.add_argument(
        "--elsewhere",
        type=agent_id,
        action="append",
        default=[],
        metavar="ID",
        help="an agent whose process is started by somebody else, for instance on its own machine",
    )


def swarm_size(text: str) -> int:
    """The number of agents that ``text`` names.

    Raises:
        ArgumentTypeError: there is no swarm of that size.
    """
    try:
        return len(swarm_of(int(text)))
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def run(args: argparse.Namespace) -> int:
    """Be the engine until standard input ends."""
    return run_part(run_engine(paths_of(args), args.agents, args.elsewhere))
