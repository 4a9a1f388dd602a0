"""What every screen's command line shares: which run to look at, with which keys."""

import argparse
from pathlib import Path


def add_place(parser: argparse.ArgumentParser) -> None:
    """Declare ``--connect``, ``--run-dir``, ``--token-file``, ``--replay`` and ``--keys``."""
    parser.add_argument(
        "--connect", metavar="URL", help="address of the engine, like ws://127.0.0.1:8700"
    )
    parser.add_argument(
        "--run-dir",
        metavar="DIR",
        type=Path,
        help="folder of the run; the newest run alive on this machine without it",
    )
    parser.add_argument(
        "--token-file",
        metavar="FILE",
        type=Path,
        help="file with the token for --connect; the run's own without it",
    )
    parser.add_argument(
        "--replay",
        metavar="LEDGER",
        type=Path,
        help="show a run again from its ledger, with the trace and the sightings beside it",
    )
    parser.add_argument(
        "--keys",
        metavar="FILE",
        type=Path,
        help="TOML file with your own keys; keys.toml in your configuration folder without it",
    )
