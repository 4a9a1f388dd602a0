"""``main.py agent``: one agent of the swarm, in the foreground."""

import argparse

from engine.agents.process import run_agent
from engine.cli.part import add_run_dir, paths_of, run_part
from engine.vocabulary import AgentId, AuthorId

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the command takes."""
    add_run_dir(parser)
    parser.add_argument("--id", required=True, help="which agent, for instance diagnosis-1")


def run(args: argparse.Namespace) -> int:
    """Be that agent until standard input ends."""
    return run_part(run_agent(paths_of(args), AgentId(AuthorId(args.id))))
