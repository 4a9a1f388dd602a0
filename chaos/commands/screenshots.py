"""``main.py screenshots``: the pictures of the 3D window in the documentation, from recorded runs."""

import argparse
import sys
from pathlib import Path

from engine.cli import CommandError

FOLDER = Path("docs/pictures")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the command takes."""
    parser.add_argument(
        "--out", type=Path, default=FOLDER, metavar="FOLDER", help=f"where to (default {FOLDER})"
    )
    parser.add_argument("--only", metavar="NAME", help="only this picture")


def run(args: argparse.Namespace) -> int:
    """Draw every picture; needs no screen."""
    try:
        from chaos import pictures
    except ModuleNotFoundError as error:
        raise CommandError(f"{error.name} is not installed: make window, then again") from None
    args.out.mkdir(parents=True, exist_ok=True)
    found = 0
    for shot in pictures.shots():
        if args.only and shot.name != args.only:
            continue
        path = args.out / f"window-{shot.name}.png"
        pictures.save(shot.picture, path)
        found += 1
        sys.stdout.write(f"{path}: {path.stat().st_size // 1000} kB\n")
        sys.stdout.flush()
    if not found:
        raise CommandError(f"there is no picture called {args.only!r}", exit_code=2)
    return 0
