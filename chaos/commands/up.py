"""``main.py up``: a fleet, the swarm that looks after it, and the console in front of it."""

import argparse
import asyncio
import signal
import sys
from contextlib import suppress

from chaos import world
from chaos.drill import Drill, DrillFailed
from chaos.experiments import UnknownExperiment, draw
from chaos.report import run_line
from chaos.world import PROJECT, BrokenWorld, World
from engine.cli import CommandError
from engine.codec import Malformed
from engine.policy import DRILL_RULES, Rules

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the command takes."""
    parser.add_argument(
        "--fleet", default="shop", metavar="NAME_OR_TOML", help="which fleet (default: shop)"
    )
    parser.add_argument("--drill", metavar="NAME", help="break something for real; demo is a start")
    parser.add_argument("--seed", type=int, default=1, help="what the drill draws (default 1)")
    parser.add_argument(
        "--plain", action="store_true", help="tell the story line by line, also on a terminal"
    )


def run(args: argparse.Namespace) -> int:
    """Run until the console is left, or until Ctrl-C."""
    plain = args.plain or not (sys.stdin.isatty() and sys.stdout.isatty())
    try:
        return asyncio.run(_up(args, plain=plain))
    except (BrokenWorld, Malformed, UnknownExperiment) as error:
        raise CommandError(str(error)) from None


async def _up(args: argparse.Namespace, *, plain: bool) -> int:
    experiment = draw(args.drill, args.seed) if args.drill else None
    automatic = plain or experiment is not None
    rules = DRILL_RULES if automatic else Rules()
    paths = world.prepare(world.manifest_path(args.fleet), rules)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, stop.set)
    why = "a drill" if experiment else "no terminal"
    if automatic:
        _say(f"automation: {rules.in_words()} (auto for all risks: {why})")
    _say(f"starting fleet {args.fleet} and its swarm in {paths.root}")
    async with world.running(paths, with_swarm=True) as running:
        console = await _open_console(running, plain=plain)
        waiting = [
            asyncio.create_task(stop.wait(), name="signal"),
            asyncio.create_task(console.wait(), name="console"),
            asyncio.create_task(running.fleet_ended(), name="fleet"),
        ]
        summary: list[str] = []
        drill = None
        if experiment is not None:
            drill = asyncio.create_task(_rehearse(Drill(running, experiment), summary, plain=plain))
        done, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        if drill is not None:
            drill.cancel()
            with suppress(asyncio.CancelledError):
                await drill
        if console.returncode is None:
            console.terminate()
            await console.wait()
        for task in waiting:
            task.cancel()
        failed = any(task.get_name() == "fleet" for task in done)
    for line in summary:
        _say(line)
    if failed:
        raise BrokenWorld("the fleet ended by itself; run again with --plain and look at its log")
    return 0


async def _open_console(running: World, *, plain: bool) -> asyncio.subprocess.Process:
    argv = [sys.executable, str(PROJECT / "main.py"), "console"]
    argv += ["--run-dir", str(running.paths.root)]
    if plain:
        argv.append("--plain")
    return await asyncio.create_subprocess_exec(*argv)


async def _rehearse(drill: Drill, summary: list[str], *, plain: bool) -> None:
    """Run the drill beside the console; what it measured is told when it is over."""
    try:
        record = await drill.run()
    except DrillFailed as error:
        summary.append(f"drill: {error}")
        return
    finally:
        await drill.close()
    line = f"drill over: {run_line(record)}"
    if plain:
        _say(line)
        _say("the fleet goes on; Ctrl-C ends everything")
    else:
        summary.append(line)


def _say(line: str) -> None:
    print(line, flush=True)
