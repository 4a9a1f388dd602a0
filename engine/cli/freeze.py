"""``main.py freeze`` and ``main.py thaw``: stop and resume all automation, quorum or not.

The operator's signed word goes straight to the actuator's own door, which needs neither quorum nor
bus. Then it goes to the log too, as far as that can be reached, so that agents and screens know.
"""

import argparse
import asyncio
from contextlib import suppress
from pathlib import Path

from engine.act.door import knock
from engine.act.far_door import knock_far
from engine.bus.nats import NatsBus
from engine.cli import CommandError
from engine.cli.part import address, run_named
from engine.clock import SystemClock
from engine.codec import Malformed
from engine.genesis import read as read_genesis
from engine.paths import RunPaths
from engine.signing import Ed25519Verifier, KeyFileError
from engine.stream.commands import Operator

LOG_WITHIN_S = 2.0
"""The actuator has obeyed already: a log that cannot be reached shall not keep anybody waiting."""

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the command takes."""
    parser.add_argument(
        "--run-dir", type=Path, metavar="DIR", help="which run (default: the newest live one)"
    )
    parser.add_argument(
        "--actuator",
        type=address,
        metavar="HOST:PORT",
        help="the door of an actuator on another machine; of the run's folder only genesis.json and "
        "charters.json are needed then",
    )
    parser.add_argument(
        "--key", type=Path, metavar="FILE", help="the operator's key (default: the run's own)"
    )


def run(args: argparse.Namespace) -> int:
    """Freeze or thaw, as the command was called."""
    paths = run_named(args.run_dir)
    try:
        answer = asyncio.run(
            _say(
                paths,
                args.key or paths.operator_key,
                args.actuator,
                freeze=args.command == "freeze",
            )
        )
    except (Malformed, KeyFileError) as error:
        raise CommandError(str(error)) from None
    except (OSError, TimeoutError):
        where = ":".join(map(str, args.actuator)) if args.actuator else paths.root
        raise CommandError(f"the actuator of {where} does not answer; is it up?") from None
    return 0 if not answer.startswith("refused") else 1


async def _say(
    paths: RunPaths, key: Path, actuator: tuple[str, int] | None, *, freeze: bool
) -> str:
    operator = Operator.load(key, paths.genesis)
    now_ms = SystemClock().unix_ms()
    command = operator.freeze(now_ms) if freeze else operator.thaw(now_ms)
    if actuator is not None:
        public_key = read_genesis(paths.genesis).actuator
        answer = await knock_far(actuator, command.payload, public_key, Ed25519Verifier())
        print(f"{answer} ({':'.join(map(str, actuator))}; the log is not told)", flush=True)
        return answer
    answer = await knock(paths.freeze_socket, command.payload)
    # Said at once: whoever freezes must not wait for a log that may be out of reach.
    print(f"{answer} ({paths.root})", flush=True)
    if not answer.startswith("refused"):
        with suppress(TimeoutError, OSError, Malformed):
            async with asyncio.timeout(LOG_WITHIN_S):
                await _record(paths, operator, command.payload)
    return answer


async def _record(paths: RunPaths, operator: Operator, signed: bytes) -> None:
    """Publish the word where the agents take submissions; whoever has it passes it on."""
    bus = await NatsBus.connect(paths.bus_credential(operator.name))
    try:
        await bus.publish(f"submit.{operator.name}", signed)
        await bus.flush()
    finally:
        await bus.close()
