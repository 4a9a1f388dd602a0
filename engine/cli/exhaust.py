"""``main.py simulate --model-check`` and ``--twins``: nothing drawn, everything within bounds tried."""

import argparse
import sys
import time

from engine.cli import CommandError
from engine.consensus.simulate.exhaust import TRAITORS, Explored, Explorer
from engine.consensus.simulate.twins import N, Tried, Twins

MOST_STATES = 1_000_000
"""Some gigabytes; the search says how many it had to leave."""
MOST_ROUNDS = 6
_SHOWN_EVERY = 500


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what this part of the command takes."""
    parser.add_argument(
        "--model-check", action="store_true",
        help="instead of seeds: try every order of all messages of four replicas, one a traitor, "
        "about one place of the log in two views",
    )  # fmt: skip
    parser.add_argument(
        "--states", type=int, metavar="N", help=f"visit at most N states each ({MOST_STATES})"
    )
    parser.add_argument(
        "--views", type=int, choices=(1, 2), help="views that the search goes through (2)"
    )
    parser.add_argument(
        "--twins", action="store_true",
        help="instead of seeds: run each of four replicas twice under one key, through every "
        "sequence of partitions",
    )  # fmt: skip
    parser.add_argument("--rounds", type=int, metavar="N", help="partitions in a sequence (3)")


def run(args: argparse.Namespace) -> int:
    """Search as asked; 1 if anything was violated.

    Raises:
        CommandError: the options do not fit each other.
    """
    if args.seeds or args.agents or args.minutes or args.trace or args.only is not None:
        raise CommandError("--model-check and --twins draw nothing: leave seeds out", exit_code=2)
    if args.model_check and args.twins:
        raise CommandError("--model-check or --twins, one at a time", exit_code=2)
    return _model_check(args) if args.model_check else _twins(args)


def _model_check(args: argparse.Namespace) -> int:
    if args.rounds is not None:
        raise CommandError("--rounds is for --twins", exit_code=2)
    most, views = MOST_STATES if args.states is None else args.states, args.views or 2
    if most < 1:
        raise CommandError("--states takes 1 or more", exit_code=2)
    print(f"4 replicas, 1 traitor, 1 place of the log, 2 submissions, views: {views}")
    print("traitor  cluster states  replica states  transitions  left   CPU s  decided in")
    violated = False
    for traitor in TRAITORS:
        began = time.process_time()
        found = Explorer(traitor, views=views).run(most, _progress)
        _tell(found, time.process_time() - began)
        violated |= bool(found.violation)
    return int(violated)


def _twins(args: argparse.Namespace) -> int:
    if args.states is not None or args.views is not None:
        raise CommandError("--states and --views are for --model-check", exit_code=2)
    rounds = 3 if args.rounds is None else args.rounds
    if not 1 <= rounds <= MOST_ROUNDS:
        raise CommandError(f"--rounds takes 1 to {MOST_ROUNDS}", exit_code=2)
    print(f"4 replicas, one of them twice, 2 submissions, rounds: {rounds}")
    print("twin  scenarios  rounds played  states  deciding   CPU s")
    violated = False
    for twin in range(N):
        began = time.process_time()
        tried = Twins(twin).run(rounds, _progress_of_round)
        _tell_twin(tried, time.process_time() - began)
        violated |= bool(tried.violation)
    return int(violated)


def _tell_twin(tried: Tried, seconds: float) -> None:
    print(
        f"{tried.twin:4}  {tried.scenarios:9}  {tried.played:13}  {tried.states:6}  "
        f"{tried.deciding:8}  {seconds:6.1f}"
    )
    if tried.violation:
        print(f"VIOLATION: {tried.violation}, when these groups heard each other")
        print("\n".join(f"  round {at}: {it}" for at, it in enumerate(tried.path, 1)))


def _progress_of_round(number: int, states: int) -> None:
    if sys.stderr.isatty():
        print(f"\rround {number}: {states} states ", end="", file=sys.stderr)


def _tell(found: Explored, seconds: float) -> None:
    outcomes = ", ".join(f"{word}: {count}" for word, count in sorted(found.outcomes.items()))
    print(
        f"{found.traitor:7}  {found.clusters:14}  {found.replicas:14}  {found.transitions:11}  "
        f"{found.left:4}  {seconds:6.1f}  {outcomes}"
    )
    if found.left and not found.violation:
        print(
            f"  NOT exhaustive: the futures of {found.left} states were not tried; raise --states"
        )
    if found.violation:
        print(f"VIOLATION: {found.violation}, after")
        print("\n".join(f"  {line}" for line in found.path))


def _progress(seen: int, left: int) -> None:
    if seen % _SHOWN_EVERY == 0 and sys.stderr.isatty():
        print(f"\r{seen} states, {left} to try ", end="", file=sys.stderr)
