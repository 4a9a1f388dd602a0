"""``main.py engine``: bus, agents, actuator, ledger and stream, without a screen."""

import argparse
import os
from pathlib import Path

import platformdirs

from engine import turns
from engine.cli import CommandError
from engine.cli.agent import agent_id
from engine.cli.part import add_place, address, paths_of, private_of, run_part
from engine.codec import Malformed
from engine.founding import publish_key, swarm_of
from engine.paths import RunPaths
from engine.settings import prepare
from engine.signing import Ed25519Signer, KeyFileError
from engine.starting import OPERATOR, Abroad, run_engine
from engine.stream import runs
from engine.stream.access import Listen

__all__ = ["add_arguments", "run", "swarm_size"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the command takes."""
    parser.add_argument(
        "--config",
        type=Path,
        metavar="FILE",
        help="TOML file: the fleet, how it is watched, and what acts on it (docs/operations.md)",
    )
    parser.add_argument(
        "--run-dir",
        type=Path,
        metavar="DIR",
        help="folder of the run (with --config: made; default: in your state folder, by the "
        "file's name)",
    )
    parser.add_argument(
        "--listen",
        type=address,
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
    add_place(parser)
    parser.add_argument(
        "--actuator",
        type=address,
        metavar="HOST:PORT",
        help="with --bus: the door of the actuator, which then is started by somebody else, as all "
        "agents are",
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
    paths, size = _run_of(args)
    host, port = args.listen
    listen = Listen(
        host, port, args.tls_certificate, args.tls_key, tuple(args.name), tuple(args.origin)
    )
    try:
        listen.check()
    except Malformed as error:
        raise CommandError(str(error), exit_code=2) from None
    if args.bus:
        # It deploys nothing and drills nobody: what it would need for that is not on its machine.
        everybody = [agent for agent, _ in swarm_of(size)]
        abroad = Abroad(args.bus, args.actuator)
        engine = run_engine(paths, size, everybody, listen, abroad=abroad)
    else:
        # main.py hands both in: the engine knows of no cloud and of no fault.
        deployer, drills = args.make_deployer(), args.make_drills(paths)
        engine = run_engine(paths, size, args.elsewhere, listen, deployer, drills)
    if args.config is None:
        return run_part(engine, turns.run)
    registration = runs.register(paths, os.getpid())
    try:
        return run_part(engine, turns.run)
    finally:
        registration.unlink(missing_ok=True)


def _run_of(args: argparse.Namespace) -> tuple[RunPaths, int]:
    """The run's files and the swarm's size, prepared from ``--config`` where it is given."""
    if bool(args.bus) != (args.actuator is not None):
        raise CommandError("--bus and --actuator belong together: name both, or none", exit_code=2)
    if args.config is None:
        if args.run_dir is None:
            raise CommandError("name --config FILE, or --run-dir DIR of a run", exit_code=2)
        return paths_of(args), args.agents
    root = args.run_dir or platformdirs.user_state_path("incident-commander") / args.config.stem
    try:
        paths = RunPaths(root, private_of(args)).make()
        settings = prepare(args.config, paths)
        publish_key(paths, OPERATOR, Ed25519Signer.load_or_create(paths.operator_key))
        swarm_size(str(settings.agents))
    except (Malformed, KeyFileError) as error:
        raise CommandError(str(error), exit_code=2) from None
    except (OSError, argparse.ArgumentTypeError) as error:
        raise CommandError(f"{args.config}: {error}", exit_code=2) from None
    # Who shares the folder with other machines finds the engine by its being alive on this one.
    screens = f"main.py console --run-dir {root}" if paths.apart is None else "main.py console"
    print(f"run folder {root}; screens: {screens}", flush=True)
    return paths, settings.agents
