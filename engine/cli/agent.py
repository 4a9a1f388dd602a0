"""``main.py agent``: one agent of the swarm, in the foreground."""

import argparse

from engine.agents.process import run_agent
from engine.cli.part import add_run_dir, paths_of, run_part
from engine.vocabulary import AgentId, AuthorId, Role

__all__ = ["add_arguments", "agent_id", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the command takes."""
    add_run_dir(parser)
    parser.add_argument(
        "--id", required=True, type=agent_id, help="which agent, for instance diagnosis-1"
    )


def agent_id(text: str) -> AgentId:
    """The agent that ``text`` names; its folder and its subjects are named after it.

    Raises:
        ArgumentTypeError: no agent can have this name.
    """
    role, _, number = text.rpartition("-")
    if role not in set(Role) or not number.isascii() or not number.isdecimal():
        roles = ", ".join(Role)
        raise argparse.ArgumentTypeError(f"{text!r} is no agent: a role ({roles}), '-', a number")
    return AgentId(AuthorId(text))


def run(args: argparse.Namespace) -> int:
    """Be that agent until standard input ends."""
    return run_part(run_agent(paths_of(args), args.id))
