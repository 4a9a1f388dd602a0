"""``main.py engine``: bus, agents, actuator, ledger and stream, without a screen."""

import argparse
from pathlib import Path

from engine import turns
from engine.cli import CommandError
from engine.cli.agent import agent_id
from engine.cli.part import add_run_dir, paths_of, run_part
from engine.codec import Malformed
from engine.founding import swarm_of
from engine.service import run_engine
from engine.stream.access import Listen

__all__ = ["add_arguments", "run", "swarm_size"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the command takes."""
    add_run_dir(parser)
    parser.add_argument(
        "--listen",
        type=_address,
        default=("127.0.0.1", 0),
        metavar="HOST:PORT",
        help="where screens connect (default: loopback, a free port); beyond loopback, TLS",
    )
    parser.add_argument("--tls-certificate", type=Path, metavar="FILE", help="PEM chain for TLS")
    parser.add_argument("--tls-key", type=Path, metavar="FILE", help="its private key")
    parser.add_argument(
        "--name", action="append", default=[], metavar="HOST", help="a host name it answers to"
    )
    parser.add_argument(
        "--origin", action="append", default=[], help="an origin whose web pages may connect"
    )
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


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not host or not port.isdigit() or int(port) >= 1 << 16:
        raise argparse.ArgumentTypeError(f"{text!r} is no address; it looks like 127.0.0.1:8080")
    return host.strip("[]"), int(port)


def run(args: argparse.Namespace) -> int:
    """Be the engine until standard input ends."""
    host, port = args.listen
    listen = Listen(
        host, port, args.tls_certificate, args.tls_key, tuple(args.name), tuple(args.origin)
    )
    try:
        listen.check()
    except Malformed as error:
        raise CommandError(str(error), exit_code=2) from None
    return run_part(run_engine(paths_of(args), args.agents, args.elsewhere, listen), turns.run)
