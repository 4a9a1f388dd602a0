"""``python -m chaos.fleet --run-dir DIR``: the shop, until its standard input closes."""

import argparse
import asyncio
import os
import sys
from pathlib import Path

from chaos.fleet.orchestrator import run
from engine.codec import Malformed


def main() -> None:
    """Run the shop whose manifest lies in a run's folder."""
    parser = argparse.ArgumentParser(prog="python -m chaos.fleet", description=main.__doc__)
    parser.add_argument("--run-dir", type=Path, required=True, help="the run's folder")
    parser.add_argument("--rate", type=float, default=25.0, help="requests a second [25]")
    parser.add_argument(
        "--seed", type=int, default=1, help="what customers do is drawn from it [1]"
    )
    parser.add_argument(
        "--no-lifeline", action="store_true", help="do not stop when standard input closes"
    )
    given = parser.parse_args()
    # aiohttp parses the machine's certificates when it is imported: 0.1 s of processor time in each
    # of ten processes (measured Nov 2026), none of which ever speaks TLS.
    os.environ["SSL_CERT_FILE"] = os.devnull
    try:
        asyncio.run(
            run(given.run_dir.resolve(), given.rate, given.seed, lifeline=not given.no_lifeline)
        )
    except (Malformed, OSError) as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(1)


if __name__ == "__main__":
    main()
