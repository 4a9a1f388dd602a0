"""``main.py record``: saves a stretch of live telemetry as a recording that ``evaluate`` replays."""

import argparse
import re
from datetime import datetime
from pathlib import Path

from engine.cli import CommandError
from engine.codec import Malformed
from engine.paths import TAPE, RunPaths
from engine.stream.link import NotFound
from engine.stream.runs import Place
from engine.telemetry.recorder import cut
from engine.telemetry.tape import reach
from engine.topology import read_manifest

__all__ = ["add_arguments", "moment", "run", "seconds"]

_UNITS = {"s": 1.0, "m": 60.0, "h": 3_600.0}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the command takes."""
    parser.add_argument("folder", type=Path, help="the new folder of the recording")
    where = parser.add_mutually_exclusive_group()
    where.add_argument(
        "--run-dir",
        type=Path,
        metavar="DIR",
        help="folder of the run; the newest run alive on this machine without it",
    )
    where.add_argument(
        "--ledger",
        type=Path,
        metavar="LEDGER",
        help="a kept ledger, for instance a drill's, whose tape lies beside it",
    )
    parser.add_argument(
        "--last", type=seconds, metavar="SPAN", help="only the end of it: 90s, 10m, 2h"
    )
    parser.add_argument(
        "--from", dest="since", type=moment, metavar="TIME", help="ISO 8601 or Unix"
    )
    parser.add_argument("--to", type=moment, metavar="TIME", help="likewise")
    parser.add_argument("--id", default="", help="the recording's id (default: the folder's name)")
    parser.add_argument("--licence", default="", help="what others may do with it")


def seconds(text: str) -> float:
    """The length of a span such as ``90s``.

    Raises:
        ArgumentTypeError: it is none.
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([smh])", text)
    if match is None:
        raise argparse.ArgumentTypeError(f"{text!r} is no span; it looks like 90s, 10m or 2h")
    return float(match[1]) * _UNITS[match[2]]


def moment(text: str) -> float:
    """Unix seconds of a time such as ``2026-01-31T12:00:00Z``; without a zone, this machine's.

    Raises:
        ArgumentTypeError: it is none.
    """
    try:
        return float(text)
    except ValueError:
        pass
    try:
        return datetime.fromisoformat(text).timestamp()
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no time; it looks like 2026-01-31T12:00:00Z or 1769860800"
        ) from None


def run(args: argparse.Namespace) -> int:
    """Cut the recording and say what is in it."""
    if args.last is not None and (args.since is not None or args.to is not None):
        raise CommandError(
            "--last is the end of the tape; it goes without --from and --to", exit_code=2
        )
    try:
        tape, manifest_file = _sources(args)
        manifest = read_manifest(manifest_file)
        first, last = reach(tape)
        since = last - args.last if args.last is not None else args.since
        found = cut(
            tape,
            manifest,
            first if since is None else since,
            last if args.to is None else args.to,
            args.folder,
            identity=args.id,
            licence=args.licence,
        )
    except (Malformed, NotFound) as error:
        raise CommandError(str(error)) from None
    print(f"{found.folder}: {found.points} samples, {found.logs} log lines, {found.spans} spans")
    if found.unknown:
        print(f"{found.unknown} records of services that the manifest does not name were left out")
    print(f"replay it: main.py evaluate {found.folder} --out results.jsonl")
    return 0


def _sources(args: argparse.Namespace) -> tuple[Path, Path]:
    """The tape and the manifest of what is to be recorded."""
    if args.ledger is not None:
        folder: Path = args.ledger.parent
        return folder / TAPE, folder / RunPaths(folder).manifest.name
    paths = Place(root=args.run_dir).paths()
    return paths.tape, paths.manifest
