"""``main.py up``: a fleet, the swarm that looks after it, and the console in front of it."""

import argparse
import asyncio
import os
import signal
import sys
from contextlib import suppress

from chaos import world
from chaos.commands.concealed import add_descriptor, conceal
from chaos.commands.drill import HARMS, size_for, traitor_of
from chaos.drill import Drill, DrillFailed
from chaos.experiments import UnknownExperiment, draw
from chaos.harm import KILL_SHARE, SIZE_FOR_SHARE
from chaos.report import run_line
from chaos.world import PROJECT, BrokenWorld, World
from engine.cli import CommandError
from engine.cli.doctor import EXTRAS
from engine.cli.engine import swarm_size
from engine.cli.extras import ensure
from engine.codec import Malformed
from engine.policy import DRILL_RULES, Rules
from engine.supervisor import dying_with, end

__all__ = ["add_arguments", "run"]

SHOWN_S = 60.0
"""A window on a loaded machine without a graphics card takes 20 s; the drill does not wait for ever."""
LEAVE_RUNNING = 3
"""What a console that was started with the run answers when only it shall end."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the command takes."""
    parser.add_argument(
        "--fleet", default="shop", metavar="NAME_OR_TOML", help="which fleet (default: shop)"
    )
    parser.add_argument("--drill", metavar="NAME", help="break something for real; demo is a start")
    parser.add_argument("--seed", type=int, default=1, help="what the drill draws (default 1)")
    parser.add_argument(
        "--agents",
        type=swarm_size,
        metavar="N",
        help=f"5, 10, 15 … (default 5; {SIZE_FOR_SHARE} for {KILL_SHARE})",
    )
    parser.add_argument(
        "--against-swarm",
        choices=HARMS,
        metavar="KIND",
        help=f"with --drill: harm the swarm too: {', '.join(HARMS)}",
    )
    parser.add_argument(
        "--plain", action="store_true", help="tell the story line by line, also on a terminal"
    )
    parser.add_argument(
        "--window", action="store_true", help="open the 3D window too; with --plain it is in front"
    )
    parser.add_argument(
        "--no-install", action="store_true", help="refuse instead of installing what is missing"
    )
    add_descriptor(parser)


def run(args: argparse.Namespace) -> int:
    """Run until the console is left, or until Ctrl-C."""
    if args.window and args.concealed is None:
        _see_to_a_window(install=not args.no_install)
    args = conceal(args)
    plain = args.plain or not (sys.stdin.isatty() and sys.stdout.isatty())
    try:
        return asyncio.run(_up(args, plain=plain))
    except (BrokenWorld, Malformed, UnknownExperiment) as error:
        raise CommandError(str(error)) from None


def _see_to_a_window(*, install: bool) -> None:
    """Refuse at once what would fail in half a minute."""
    if not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        raise CommandError(
            "--window: there is no screen here (neither DISPLAY nor WAYLAND_DISPLAY is set)",
            exit_code=2,
        )
    ensure(("window",), EXTRAS["window"][1], install=install)


async def _up(args: argparse.Namespace, *, plain: bool) -> int:
    if args.against_swarm and not args.drill:
        raise CommandError("--against-swarm harms a drill: name one with --drill", exit_code=2)
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
    summary: list[str] = []
    size, harm = size_for(args.agents, args.against_swarm), args.against_swarm
    traitor = traitor_of(harm, size)
    async with world.running(paths, with_swarm=True, traitor=traitor, size=size) as running:
        console = await _open_console(running, plain=plain)
        window = await _open_window(running) if args.window else None
        if window is not None and experiment is not None:
            # Whoever opens a window for a drill wants to see it from its beginning.
            await _until_shown(window, stop)
        drill = None
        if experiment is not None:
            drill = asyncio.create_task(
                _rehearse(Drill(running, experiment, "swarm", harm), summary, plain=plain)
            )
        try:
            # A story that is only told is nothing that one could leave: the window is in front.
            in_front = window if window is not None and plain else console
            ended_by = await _until_over(running, in_front, stop)
        finally:
            await end(console)
            if window is not None:
                await end(window)
            if drill is not None:
                # It takes its fault out before it is over.
                drill.cancel()
                with suppress(asyncio.CancelledError):
                    await drill
    for line in summary:
        _say(line)
    if ended_by == "fleet":
        raise BrokenWorld("the fleet ended by itself; run again with --plain and look at its log")
    return 0


async def _until_over(
    running: World, screen: asyncio.subprocess.Process, stop: asyncio.Event
) -> str:
    """Wait until somebody ends the run; who: ``signal``, ``screen`` or ``fleet``."""
    signalled = asyncio.create_task(stop.wait(), name="signal")
    fleet = asyncio.create_task(running.fleet_ended(), name="fleet")
    left = asyncio.create_task(screen.wait(), name="screen")
    try:
        done, _ = await asyncio.wait({signalled, fleet, left}, return_when=asyncio.FIRST_COMPLETED)
        if left in done and screen.returncode == LEAVE_RUNNING:
            _say("the run goes on: main.py console shows it again, Ctrl-C here ends it")
            done, _ = await asyncio.wait({signalled, fleet}, return_when=asyncio.FIRST_COMPLETED)
        return done.pop().get_name()
    finally:
        for task in (signalled, fleet, left):
            task.cancel()


async def _open_console(running: World, *, plain: bool) -> asyncio.subprocess.Process:
    return await _open_screen(running, "console", "--plain" if plain else "--with-run")


async def _open_window(running: World) -> asyncio.subprocess.Process:
    """The window; its standard output closes once it shows the swarm, or when it ends."""
    return await _open_screen(
        running, "window", "--no-install", "--announce", stdout=asyncio.subprocess.PIPE
    )


async def _until_shown(window: asyncio.subprocess.Process, stop: asyncio.Event) -> None:
    """Wait until the window shows the swarm, or has ended, or somebody ends the run; not for ever."""
    assert window.stdout is not None
    shown = asyncio.ensure_future(window.stdout.readline())
    stopped = asyncio.ensure_future(stop.wait())
    try:
        await asyncio.wait({shown, stopped}, timeout=SHOWN_S, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for waiting in (shown, stopped):
            waiting.cancel()


async def _open_screen(
    running: World, *words: str, stdout: int | None = None
) -> asyncio.subprocess.Process:
    argv = [sys.executable, str(PROJECT / "main.py"), *words]
    argv += ["--run-dir", str(running.paths.root)]
    # It has our terminal as its standard input, so only the kernel can tie it to us.
    return await asyncio.create_subprocess_exec(
        *argv, preexec_fn=dying_with(os.getpid()), stdout=stdout
    )


async def _rehearse(drill: Drill, summary: list[str], *, plain: bool) -> None:
    """Run the drill beside the console; what it measured is told when it is over."""
    try:
        record = await drill.run()
        await drill.let_customers_return()
    except DrillFailed as error:
        line = f"drill not carried out: {error}"
        if plain:
            _say(line)
        else:
            summary.append(line)
        return
    finally:
        await drill.close()
    said = [f"drill over: {run_line(record)}"]
    if record.ledger is not None:
        said.append(f"its ledger is kept; check it with: main.py verify {record.ledger}")
    if plain:
        for line in (*said, "the fleet goes on; Ctrl-C ends everything"):
            _say(line)
    else:
        summary += said


def _say(line: str) -> None:
    print(line, flush=True)
