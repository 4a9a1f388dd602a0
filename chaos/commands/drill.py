"""``main.py drill``: real faults on a real fleet, headless, measured by those who saw it."""

import argparse
import asyncio
import os
import platform
import signal
import sys
from collections.abc import Coroutine
from pathlib import Path

import msgspec

from chaos import world
from chaos.byzantine import KINDS, traitor_for
from chaos.commands.concealed import add_descriptor, conceal
from chaos.drill import CAP_S, Drill, DrillFailed, Responder
from chaos.experiments import CATALOGUE, ExperimentPlan, UnknownExperiment, draw
from chaos.harm import KILL_PRIMARY, KILL_SHARE, SIZE_FOR_SHARE
from chaos.keeping import keep_recording
from chaos.matrix import cells_for, play_all
from chaos.measure import Report, RunRecord
from chaos.moments import Moment
from chaos.report import run_line, table
from chaos.world import BrokenWorld, Traitor
from engine.cli import CommandError
from engine.cli.engine import swarm_size
from engine.codec import Malformed
from engine.founding import swarm_of
from engine.policy import DRILL_RULES

__all__ = ["HARMS", "add_arguments", "run", "size_for", "traitor_of"]

RESPONDERS = ("swarm", "runbook", "restart", "off")
HARMS = (KILL_PRIMARY, KILL_SHARE, *(f"byzantine:{kind}" for kind in KINDS))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the command takes."""
    parser.add_argument("experiments", nargs="*", metavar="EXPERIMENT", help="see --list")
    parser.add_argument("--all", action="store_true", help="every experiment once")
    parser.add_argument("--list", action="store_true", help="the experiments, one a line")
    parser.add_argument(
        "--kill-matrix",
        action="store_true",
        help="kill each process at each numbered moment and check what must hold",
    )
    parser.add_argument(
        "--sample",
        action="store_true",
        help="with --kill-matrix: each process once and each moment once, drawn by the seed",
    )
    parser.add_argument(
        "--victim", metavar="NAME", help="with --kill-matrix: only this process, at every moment"
    )
    parser.add_argument(
        "--policy",
        action="append",
        choices=RESPONDERS,
        help="who responds: the swarm (default), a scripted runbook, a liveness supervisor, or nobody; "
        "may be given more than once to compare",
    )
    parser.add_argument(
        "--against-swarm",
        choices=HARMS,
        metavar="KIND",
        help=f"harm the swarm too: {', '.join(HARMS)}",
    )
    parser.add_argument(
        "--agents",
        type=swarm_size,
        metavar="N",
        help=f"5, 10, 15 … (default 5; {SIZE_FOR_SHARE} for {KILL_SHARE})",
    )
    parser.add_argument("--seed", type=int, default=1, help="what chance draws (default 1)")
    parser.add_argument("--repeat", type=int, default=1, help="seeds in a row (default 1)")
    parser.add_argument("--cap", type=float, default=CAP_S, help="seconds until a run has failed")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures there")
    parser.add_argument(
        "--record",
        type=Path,
        metavar="FOLDER",
        help="keep the telemetry of each run under FOLDER, as recordings for main.py evaluate",
    )
    add_descriptor(parser)


def run(args: argparse.Namespace) -> int:
    """Run what was asked for; 0 only if every run passed."""
    if args.list:
        for experiment in CATALOGUE:
            print(f"{experiment.name:16} ● works here   {experiment.summary}")
        return 0
    if args.json is not None:
        args.json = str(args.json.resolve())
    if args.record is not None:
        args.record = str(args.record.resolve())
    args = conceal(args)
    names = [known.name for known in CATALOGUE] if args.all else args.experiments
    if not names and not args.kill_matrix:
        raise CommandError("name an experiment, or --all, --list or --kill-matrix", exit_code=2)
    try:
        if args.kill_matrix:
            return asyncio.run(interruptible(_kill_matrix(args)))
        plans = [draw(name, args.seed + i) for i in range(args.repeat) for name in names]
        return asyncio.run(interruptible(_run_all(args, plans)))
    except (UnknownExperiment, BrokenWorld, Malformed) as error:
        raise CommandError(str(error)) from None


async def interruptible(work: Coroutine[None, None, int]) -> int:
    """Do ``work``; a signal cancels it, so that everything it started is ended first."""
    task = asyncio.create_task(work)
    loop = asyncio.get_running_loop()
    stopped_by: list[signal.Signals] = []

    def stop(number: signal.Signals) -> None:
        # Once: a second Ctrl-C must not interrupt the tidying up after the first.
        if not stopped_by:
            task.cancel()
        stopped_by.append(number)

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, stop, number)
    try:
        return await task
    except asyncio.CancelledError:
        return 128 + (stopped_by[0] if stopped_by else signal.SIGINT)


async def _run_all(args: argparse.Namespace, plans: list[ExperimentPlan]) -> int:
    print(f"automation: {DRILL_RULES.in_words()} (auto for all risks: this is a drill)")
    records: list[RunRecord] = []
    policies: list[Responder] = args.policy or ["swarm"]
    for policy in policies:
        for plan in plans:
            record = await _run_one(args, plan, policy)
            records.append(record)
            print(run_line(record), flush=True)
            if args.json is not None:
                write_report(records, Path(args.json))
    print()
    print(table(records, args.cap))
    failed = [record for record in records if record.failure]
    if failed:
        print(f"{len(failed)} of {len(records)} runs did not pass", file=sys.stderr)
    return 1 if failed else 0


async def _run_one(args: argparse.Namespace, plan: ExperimentPlan, policy: Responder) -> RunRecord:
    """One run in a world of its own, so that nothing of the last one is left in it."""
    paths = world.prepare(world.manifest_path("shop"), DRILL_RULES)
    size = size_for(args.agents, args.against_swarm)
    traitor = traitor_of(args.against_swarm, size) if policy == "swarm" else None
    async with world.running(
        paths, with_swarm=policy == "swarm", traitor=traitor, size=size
    ) as running:
        drill = Drill(running, plan, policy, args.against_swarm, args.cap)
        try:
            record = await drill.run()
            if args.record is not None and policy == "swarm":
                print(f"recorded {keep_recording(plan, drill.injected_s, paths, args.record)}")
            return record
        except DrillFailed as error:
            return drill.not_carried_out(str(error))
        finally:
            await drill.close()


def size_for(agents: int | None, harm: str | None) -> int:
    """How many agents there are, unless ``agents`` says so: enough for the harm to be survived."""
    return agents or (SIZE_FOR_SHARE if harm == KILL_SHARE else world.SIZE)


def traitor_of(harm: str | None, size: int) -> Traitor | None:
    """Whom ``--against-swarm byzantine:KIND`` turns."""
    word, _, kind = (harm or "").partition(":")
    if word != "byzantine":
        return None
    return Traitor(traitor_for(kind, [agent for agent, _ in swarm_of(size)]), kind)


async def _kill_matrix(args: argparse.Namespace) -> int:
    cells = cells_for(args.seed, sampled=args.sample)
    if args.victim is not None:
        cells = [cell for cell in cells if cell.victim == args.victim]
        if not cells:
            raise CommandError(f"no process {args.victim!r} in the matrix", exit_code=2)
    moments = ", ".join(f"{moment.value} {moment.name.lower()}" for moment in Moment)
    print(f"kill matrix: {len(cells)} cells, seed {args.seed}; moments: {moments}", flush=True)
    records = await play_all(cells, lambda line: print(line, flush=True))
    if args.json is not None:
        report = {"machine": machine(), "seed": args.seed, "cells": records}
        Path(args.json).write_bytes(msgspec.json.format(msgspec.json.encode(report), indent=2))
    failed = [record for record in records if record.failure]
    missed = sum(not record.killed for record in records)
    gone = [record.fault_gone_s for record in records if record.fault_gone_s is not None]
    slowest = f"; the runner's fault gone after at most {max(gone):.2f} s" if gone else ""
    print(
        f"{len(records) - len(failed)} of {len(records)} cells held, {missed} found their "
        f"process down already{slowest}"
    )
    return 1 if failed else 0


def machine() -> dict[str, str | int | float]:
    """What the figures were measured on."""
    return {
        "system": f"{platform.system()} {platform.release()}",
        "architecture": platform.machine(),
        "python": platform.python_version(),
        "cores": os.cpu_count() or 0,
        "memory_bytes": os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"),
        "load": round(os.getloadavg()[0], 2),
    }


def write_report(records: list[RunRecord], path: Path) -> None:
    """Write all runs so far, whole or not at all: an interrupted series loses nothing."""
    report = msgspec.json.format(msgspec.json.encode(Report(machine(), tuple(records))), indent=2)
    scratch = path.with_name(f".{path.name}.tmp")
    scratch.write_bytes(report + b"\n")
    scratch.replace(path)
