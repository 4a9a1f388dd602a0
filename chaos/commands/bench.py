"""``main.py bench``: what a start, an idle swarm and a decision cost, with their aims beside them."""

import argparse
import asyncio
import os
from pathlib import Path

import msgspec

from chaos.bench import under_attack
from chaos.commands.drill import interruptible, machine
from chaos.idle import figures, sample
from chaos.world import BrokenWorld
from engine.bench import consensus, stream
from engine.bench.figure import Figure, table
from engine.cli import CommandError

__all__ = ["add_arguments", "run"]

MAX_COUNT = 15_000
"""Screens need files, and many systems allow a process 20,000."""
STARTS = 3
SUBJECTS = ("loop", "consensus", "stream", "senses", "window", "deploy")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the command takes."""
    parser.add_argument("subject", nargs="?", choices=SUBJECTS, help="what to measure")
    parser.add_argument("--list", action="store_true", help="print the subjects, one a line")
    parser.add_argument(
        "--repeat",
        type=_count,
        help=f"starts or rounds (default {STARTS}, of `bench stream` {stream.ROUNDS})",
    )
    parser.add_argument("--idle", type=float, default=30.0, help="seconds of idling (default 30)")
    parser.add_argument(
        "--clients", type=_count, default=1000, help="screens, of `bench stream` (default 1000)"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")


def _count(text: str) -> int:
    if not text.isdecimal() or not 0 < int(text) <= MAX_COUNT:
        raise argparse.ArgumentTypeError(f"{text!r} is no number from 1 to {MAX_COUNT}")
    return int(text)


def run(args: argparse.Namespace) -> int:
    """Measure; 0 if every aim is met, 1 if one is missed."""
    if args.list:
        print("\n".join(SUBJECTS))
        return 0
    if args.subject is None:
        raise CommandError(f"name what to measure: {', '.join(SUBJECTS)}", exit_code=2)
    if args.json is not None and not args.json.parent.is_dir():
        raise CommandError(f"{args.json}: no such folder to write to", exit_code=2)
    if args.subject == "consensus":
        print(f"Load average {os.getloadavg()[0]:.1f} at the start.", flush=True)
        found = [
            *consensus.measure(),
            *under_attack.bench(lambda line: print(line, flush=True)),
        ]
        print("Processor time; three interleaved rounds, medians. In process: no disk, no network.")
        print("Over NATS: five replicas in one process, every vote log synced with fdatasync.\n")
        print(table(found))
        return _written(args, found)
    if args.subject == "window":
        return _window(args)
    if args.subject == "senses":
        # numpy and the decoders are loaded for this subject only.
        from engine.bench import senses

        print("Processor time on one core; medians of the rounds.\n")
        found = senses.bench(args.repeat or STARTS, lambda line: print(line, flush=True))
        print(f"\n{table(found)}")
        return _written(args, found)
    if args.subject == "deploy":
        # main.py hands it in: faults and blueprints do not know each other.
        found = args.measure_deploy(lambda line: print(line, flush=True))
        print(f"\n{table(found)}")
        return _written(args, found)
    if args.subject == "stream":
        try:
            print(f"Load average {os.getloadavg()[0]:.1f} at the start.", flush=True)
            rounds = args.repeat or stream.ROUNDS
            found = stream.bench(rounds, args.clients, lambda line: print(line, flush=True))
        except ValueError as error:
            raise CommandError(str(error)) from None
        print(f"\n{table(found)}")
        return _written(args, found)
    try:
        return asyncio.run(interruptible(_bench(args)))
    except BrokenWorld as error:
        raise CommandError(str(error)) from None


def _window(args: argparse.Namespace) -> int:
    try:
        from chaos.bench import window
    except ModuleNotFoundError as error:
        raise CommandError(f"{error.name} is not installed: make window, then again") from None
    print("Processor time of the main thread; a budget at 60 Hz. No graphics card was measured.")
    print(f"Load average {os.getloadavg()[0]:.1f} at the start.\n", flush=True)
    try:
        found = window.bench(lambda line: print(line, flush=True))
    except ValueError as error:
        raise CommandError(str(error)) from None
    print(f"\n{table(found)}")
    return _written(args, found)


async def _bench(args: argparse.Namespace) -> int:
    samples = []
    repeat = args.repeat or STARTS
    for number in range(repeat):
        measured = await sample(args.idle)
        samples.append(measured)
        shares = ", ".join(f"{name} {share}" for name, share in measured.cpu_by_process.items())
        print(f"[{number + 1}/{repeat}] start {measured.start_s} s; CPU % {shares}", flush=True)
    found = figures(samples)
    print("\n| figure | median | range | aim | holds |\n| --- | --- | --- | --- | --- |")
    for row in found:
        spread = f"{row.beside['least']:g} to {row.beside['most']:g}, n = {repeat}"
        verdict = "✓ yes" if row.holds else "✖ no"
        print(f"| {row.name} | {row.value:g} {row.unit} | {spread} | ≤ {row.aim:g} | {verdict} |")
    return _written(args, found)


def _written(args: argparse.Namespace, found: list[Figure]) -> int:
    if args.json is not None:
        report = {"machine": machine(), "figures": found}
        args.json.write_bytes(msgspec.json.format(msgspec.json.encode(report), indent=2))
    return 0 if all(row.holds for row in found) else 1
