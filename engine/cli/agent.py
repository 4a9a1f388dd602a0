"""``main.py agent``: one agent of the swarm, in the foreground; or a new key for one."""

import argparse
from pathlib import Path

from engine.agents.process import run_agent
from engine.cli import CommandError
from engine.cli.part import add_place, paths_of, run_named, run_part
from engine.cli.replace import WITHIN_S, replace_agent
from engine.standing import MOST_GENERATIONS
from engine.vocabulary import AgentId, AuthorId, Role

__all__ = ["add_arguments", "agent_id", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the command takes."""
    parser.add_argument(
        "word", nargs="?", choices=["replace"], help="replace: a new key and a new process for ID"
    )
    parser.add_argument("agent", nargs="?", type=agent_id, metavar="ID", help="with replace: whom")
    parser.add_argument(
        "--run-dir", type=Path, metavar="DIR", help="which run (replace: the newest live one)"
    )
    add_place(parser)
    parser.add_argument("--id", type=agent_id, help="which agent to be, for instance diagnosis-1")
    parser.add_argument(
        "--generation", type=int, default=0, metavar="N", help="be its N-th successor"
    )
    parser.add_argument(
        "--within",
        type=float,
        default=WITHIN_S,
        metavar="S",
        help=f"with replace: seconds to wait for the new epoch (default {WITHIN_S:.0f})",
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
    """Be that agent until standard input ends; or have it replaced."""
    if args.word == "replace":
        if args.agent is None:
            raise CommandError("replace whom? name an agent, as in: diagnosis-1", exit_code=2)
        return replace_agent(run_named(args.run_dir), args.agent, args.within)
    if args.id is None or args.run_dir is None:
        raise CommandError("name --run-dir and --id, or: agent replace ID", exit_code=2)
    if not 0 <= args.generation <= MOST_GENERATIONS:
        raise CommandError(f"--generation takes 0 to {MOST_GENERATIONS}", exit_code=2)
    part = run_agent(paths_of(args), args.id, generation=args.generation, servers=args.bus)
    return run_part(part)
