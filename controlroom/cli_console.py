"""``main.py console``: the terminal screen of a running engine, or its story line by line."""

import argparse
import asyncio
import sys
import time
from pathlib import Path

from controlroom.place_arguments import add_place
from controlroom.replaying import PlaceLike, Replayed
from engine.stream.link import check_address
from engine.stream.runs import Place

LEAVE_RUNNING = 3
"""Exit code of a console that was asked ``--with-run`` and told to leave the run as it is."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    add_place(parser)
    parser.add_argument(
        "--plain", action="store_true", help="tell the story line by line, as to a pipe"
    )

    parser.add_argument(
        "--with-run",
        action="store_true",
        help="leaving asks what becomes of the run; exit code 3 says: leave it running",
    )


def run(args: argparse.Namespace) -> int:
    """Show the console until the viewer leaves; the result is the exit code."""
    place: PlaceLike
    try:
        if args.replay is not None:
            place = Replayed(
                args.read_recording(args.replay, _progress),
                time.monotonic_ns,
                at_once=args.plain,
            )
        else:
            place = Place(root=args.run_dir, url=args.connect or "", token_file=args.token_file)
            if place.url:
                check_address(place.url)
    except ValueError as error:
        return _refused(str(error))
    if args.plain:
        asyncio.run(_tell(place))
        return 0
    if not sys.stdout.isatty():
        return _refused("this is no terminal: use --plain for a pipe")
    return _show(place, args.keys, with_run=args.with_run)


def _progress(line: str) -> None:
    if sys.stderr.isatty():
        sys.stderr.write(f"\r\x1b[K{line}")
        sys.stderr.flush()


async def _tell(place: PlaceLike) -> None:
    from controlroom.plain import tell

    await tell(place, lambda: time.time_ns() // 1_000_000)


def _show(place: PlaceLike, keys: Path | None, *, with_run: bool) -> int:
    from controlroom.console.app import ConsoleApp, Leave, own_key_ids
    from controlroom.keymap import BadKeymap, default_keymap_path, read_keymap

    path = keys or default_keymap_path()
    try:
        keymap = read_keymap(path, own_key_ids()) if keys or path.exists() else {}
    except BadKeymap as error:
        return _refused(str(error))
    how = ConsoleApp(place, keymap=keymap, started_by_up=with_run).run()
    return LEAVE_RUNNING if with_run and how is Leave.ALONE else 0


def _refused(why: str) -> int:
    sys.stderr.write(f"main.py console: {why}\n")
    return 2
