"""``main.py freeze`` and ``main.py thaw``: stop and resume all automation, quorum or not.

The operator's signed word goes straight to the actuator's own door; the actuator keeps it on disk
and passes it on to the log, where the agents see it too.
"""

import argparse
import asyncio

from engine.act.door import knock
from engine.cli import CommandError
from engine.clock import SystemClock
from engine.codec import Malformed
from engine.paths import RunPaths
from engine.signing import KeyFileError
from engine.stream import runs
from engine.stream.commands import Operator

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the command takes."""
    parser.add_argument("--run-dir", metavar="DIR", help="which run (default: the newest live one)")


def run(args: argparse.Namespace) -> int:
    """Freeze or thaw, as the command was called."""
    live = runs.live_runs()
    if args.run_dir:
        live = [run for run in live if run.root == args.run_dir]
    if not live:
        raise CommandError("no live run found; start one with: main.py up")
    paths = live[0].paths
    try:
        answer = asyncio.run(_say(paths, freeze=args.command == "freeze"))
    except (Malformed, KeyFileError) as error:
        raise CommandError(str(error)) from None
    except (OSError, TimeoutError):
        raise CommandError(f"the actuator of {paths.root} does not answer; is it up?") from None
    print(answer)
    return 0 if not answer.startswith("refused") else 1


async def _say(paths: RunPaths, *, freeze: bool) -> str:
    operator = Operator.load(paths.operator_key, paths.genesis)
    now_ms = SystemClock().unix_ms()
    command = operator.freeze(now_ms) if freeze else operator.thaw(now_ms)
    return await knock(paths.freeze_socket, command.payload)
