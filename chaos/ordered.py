"""A drill that was ordered from a screen, as a process: ``python -m chaos.ordered --run-dir DIR``.

What to do comes as the first line of standard input; when that closes, the drill ends early and its
fault is taken out. The last line of standard output says what came of it.
"""

import argparse
import asyncio
import os
import sys
from contextlib import suppress
from pathlib import Path

import msgspec

from chaos.drill import Drill, DrillFailed
from chaos.experiments import ExperimentPlan, UnknownExperiment, draw
from chaos.first_line import read_first_line
from chaos.report import run_line
from chaos.world import World
from engine.paths import RunPaths
from engine.supervisor import lifeline_stdin

STOPPED = "stopped before its end; the fault is out"


class Request(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The first line."""

    experiment: str
    seed: int


async def rehearse(paths: RunPaths, plan: ExperimentPlan) -> str:
    """Do the drill in the run at ``paths``, until it is over or somebody ends it; what came of it."""
    stopped = asyncio.create_task(lifeline_stdin().wait())
    # The world runs already: somebody else started it, and only its place is asked for.
    drill = Drill(World(paths, with_swarm=True), plan)
    working = asyncio.create_task(drill.run())
    try:
        await asyncio.wait({stopped, working}, return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            working.cancel()
            with suppress(asyncio.CancelledError):
                await working
            return f"{plan.name}: {STOPPED}"
        line = run_line(working.result())
        await drill.let_customers_return()
    except DrillFailed as error:
        return f"{plan.name}: not carried out: {error}"
    finally:
        stopped.cancel()
        await drill.close()
    return line


def main() -> None:
    """Do one drill."""
    parser = argparse.ArgumentParser(prog="python -m chaos.ordered", description=main.__doc__)
    parser.add_argument("--run-dir", type=Path, required=True, help="the run's folder")
    given = parser.parse_args()
    try:
        request = msgspec.json.decode(read_first_line(), type=Request)
        plan = draw(request.experiment, request.seed)
    except (msgspec.DecodeError, UnknownExperiment) as error:
        parser.exit(2, f"not an order: {error}\n")
    said = asyncio.run(rehearse(RunPaths(given.run_dir.resolve()), plan))
    with suppress(OSError):
        os.write(sys.stdout.fileno(), said.encode() + b"\n")


if __name__ == "__main__":
    main()
