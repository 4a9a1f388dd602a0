"""``main.py window``: the 3D window on a running engine, or on a recorded run."""

import argparse
import os
import sys
from pathlib import Path

from controlroom.place_arguments import add_place
from engine.stream.link import check_address
from engine.stream.recording import Recording
from engine.stream.runs import Place

PACKAGES = ("PySide6", "pyvista", "pyvistaqt", "imageio")
"""What the extra ``window`` brings, by the names that are imported."""
QUALITIES = ("auto", "high", "low")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    add_place(parser)
    parser.add_argument(
        "--record",
        metavar="FILE",
        type=Path,
        help="make a film (.mp4) of --replay instead of opening a window; needs no screen",
    )
    parser.add_argument(
        "--quality",
        choices=QUALITIES,
        default="auto",
        help="smooth edges or not; auto (default): smooth unless the graphics are software",
    )
    parser.add_argument(
        "--presentation", action="store_true", help="let the incident tell itself, with captions"
    )
    parser.add_argument("--reduced-motion", action="store_true", help="nothing flies or flickers")
    parser.add_argument("--announce", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument(
        "--no-install", action="store_true", help="refuse instead of installing what is missing"
    )


def run(args: argparse.Namespace) -> int:
    """Show the window until the viewer leaves; the result is the exit code."""
    args.ensure(("window",), PACKAGES, install=not args.no_install)
    os.environ["QT_API"] = "pyside6"
    try:
        place = Place(root=args.run_dir, url=args.connect or "", token_file=args.token_file)
        if place.url:
            check_address(place.url)
        keys = _keys(args.keys)
        recording = args.read_recording(args.replay, _progress) if args.replay else None
    except ValueError as error:
        return _refused(str(error))
    if args.record is not None:
        return _record(args, recording)
    if not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        return _refused(
            "there is no screen here (neither DISPLAY nor WAYLAND_DISPLAY is set): "
            "use main.py console"
        )
    from controlroom.window.qt.run import Wanted, check_keys, run_window

    try:
        check_keys(keys)
    except ValueError as error:
        return _refused(str(error))
    return run_window(
        Wanted(
            place=place,
            recording=recording,
            keys=keys,
            quality=args.quality,
            presenting=args.presentation,
            still=args.reduced_motion,
            announcing=args.announce,
        )
    )


def _record(args: argparse.Namespace, recording: Recording | None) -> int:
    """Make a film of a recording."""
    if recording is None:
        return _refused("--record makes a film of a recording: add --replay LEDGER")
    from controlroom.window.qt.film import CannotRecord, Film, record

    film = Film(args.record, presenting=args.presentation, still=args.reduced_motion)
    try:
        frames = record(recording, film, _progress)
    except CannotRecord as error:
        return _refused(str(error))
    finally:
        _progress("")
    sys.stdout.write(f"{args.record}: {frames} frames, {frames / film.rate:.0f} s\n")
    return 0


def _keys(file: Path | None) -> dict[str, str]:
    from controlroom.keymap import default_keymap_path, read_keymap
    from controlroom.window.actions import action_ids

    path = file or default_keymap_path()
    if file is None and not path.exists():
        return {}
    return read_keymap(path, action_ids(), "window")


def _progress(line: str) -> None:
    if sys.stderr.isatty():
        sys.stderr.write(f"\r\x1b[K{line}")
        sys.stderr.flush()


def _refused(why: str) -> int:
    sys.stderr.write(f"main.py window: {why}\n")
    return 2
