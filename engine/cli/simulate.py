"""``main.py simulate``: consensus under seeded faults and attacks, on all cores."""

import argparse
import os
import re
import signal
import sys
import time
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from itertools import count, islice
from pathlib import Path

from engine.cli import CommandError, exhaust
from engine.consensus.simulate.coverage import Coverage
from engine.consensus.simulate.play import Played, play, size_of
from engine.consensus.simulate.scenario import Scenario
from engine.consensus.simulate.shrink import shrink
from engine.consensus.simulate.storm import CALM_TICKS, Storm
from engine.consensus.simulate.trace import Tracer
from engine.trace import Trace

SEEDS = range(200)
CHUNK = 10
"""Seeds that a worker plays at a time: about a second, so that progress shows and ends are quick."""
MOST_FAILURES = 5
"""After so many failing seeds the run ends: they are enough to work on."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the command takes."""
    parser.add_argument(
        "--seeds", type=seed_range, metavar="A..B", help="from A up to but not B (0..200)"
    )
    parser.add_argument(
        "--agents", type=int, metavar="N", help="replicas; without it 4 to 7 in turn"
    )
    parser.add_argument(
        "--minutes", type=float, metavar="M", help="go on from A for so long instead of up to B"
    )
    parser.add_argument(
        "--trace", type=Path, metavar="FILE", help="keep each message of one seed, for screens"
    )
    parser.add_argument(
        "--only", type=item_numbers, metavar="I,J", help="of one seed's faults these alone"
    )
    exhaust.add_arguments(parser)


def seed_range(text: str) -> range:
    """``A..B`` as a range.

    Raises:
        argparse.ArgumentTypeError: it is none.
    """
    found = re.fullmatch(r"(\d{1,12})\.\.(\d{1,12})", text)
    if not found or int(found[1]) >= int(found[2]):
        raise argparse.ArgumentTypeError(f"{text!r} is no range of seeds such as 0..200")
    return range(int(found[1]), int(found[2]))


def item_numbers(text: str) -> frozenset[int]:
    """``I,J`` as numbers; ``none`` is the empty set.

    Raises:
        argparse.ArgumentTypeError: it holds something else.
    """
    if text == "none":
        return frozenset()
    if not re.fullmatch(r"\d{1,4}(,\d{1,4})*", text):
        raise argparse.ArgumentTypeError(f"{text!r} is no list of numbers such as 2,3,7")
    return frozenset(map(int, text.split(",")))


def run(args: argparse.Namespace) -> int:
    """Simulate; 1 if anything was violated or too little was visited.

    Raises:
        CommandError: the options do not fit each other.
    """
    if args.model_check or args.twins:
        return exhaust.run(args)
    if (args.states, args.views, args.rounds) != (None, None, None):
        raise CommandError(
            "--states, --views and --rounds are for --model-check or --twins", exit_code=2
        )
    if args.agents is not None and not 4 <= args.agents <= 31:
        raise CommandError("--agents takes 4 to 31: three replicas tolerate no liar", exit_code=2)
    seeds = args.seeds or SEEDS
    if args.trace or args.only is not None:
        if len(seeds) != 1:
            raise CommandError("--trace and --only are for one seed: --seeds N..N+1", exit_code=2)
        return _one(seeds[0], args)
    return _many(seeds, args)


# --- one seed ------------------------------------------------------------------------------------


def _one(seed: int, args: argparse.Namespace) -> int:
    n = size_of(seed, args.agents)
    tracer = Tracer(keep=True)
    played = play(seed, n, args.only, tracer)
    if args.trace:
        if args.trace.exists():
            raise CommandError(f"{args.trace} exists; name a new file", exit_code=2)
        trace = Trace(args.trace)
        trace.add(tracer.events or [])
        trace.close()
        print(f"{len(tracer.events or [])} messages in {args.trace}")
    _tell_scenario(Storm(n, (n - 1) // 3, seed).scenario, args.only)
    print(f"trace {played.digest}")
    print(f"visited: {', '.join(played.marks) or 'nothing'}")
    print(f"VIOLATION: {played.violation}" if played.violation else "no violation")
    return int(bool(played.violation))


def _tell_scenario(scenario: Scenario, only: frozenset[int] | None) -> None:
    print(f"seed {scenario.seed}, n = {scenario.n}, f = {scenario.f}, faults and submissions:")
    for place, item in enumerate(scenario.items):
        if only is None or place in only:
            print(f"  {place:3} {item.in_words()}")


# --- many seeds ----------------------------------------------------------------------------------


def _many(seeds: range, args: argparse.Namespace) -> int:
    started = time.monotonic()
    coverage, failures, slowest = Coverage(), [], 0
    for played in _play_all(seeds, args.agents, args.minutes):
        coverage.add(played.marks)
        slowest = max(slowest, played.calm_ticks)
        if played.violation:
            failures.append(played)
            _tell_failure(played)
        _progress(coverage.seeds, len(failures), started, len(seeds) if not args.minutes else 0)
        if len(failures) >= MOST_FAILURES:
            break
    seconds = time.monotonic() - started
    print(
        f"{coverage.seeds} seeds, {len(failures)} violations, in {seconds:.1f} s "
        f"({coverage.seeds / seconds:.1f} seeds/s on {os.cpu_count()} cores)"
    )
    print(f"slowest to decide after the storm: {slowest} ticks of {CALM_TICKS} allowed")
    print("seeds in which there was")
    print("\n".join(coverage.lines()))
    for played in failures[:1]:
        _shrink(played)
    return int(bool(failures) or bool(coverage.below()))


def _play_all(seeds: range, agents: int | None, minutes: float | None) -> Iterator[Played]:
    """Every seed, as its result comes in; for ``minutes``, if they are given, without an end."""
    ends = time.monotonic() + 60 * minutes if minutes else None
    endless = count(seeds.start) if ends else iter(seeds)
    chunks = iter(lambda: tuple(islice(endless, CHUNK)), ())
    workers = os.cpu_count() or 1
    pool = ProcessPoolExecutor(workers, initializer=_leave_interrupts_to_the_parent)
    try:
        running = {pool.submit(_chunk, chunk, agents) for chunk in islice(chunks, 2 * workers)}
        while running:
            done, running = _next_done(running)
            for future in done:
                if ends is None or time.monotonic() < ends:
                    running |= {pool.submit(_chunk, chunk, agents) for chunk in islice(chunks, 1)}
                yield from future.result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _next_done(
    running: set[Future[list[Played]]],
) -> tuple[set[Future[list[Played]]], set[Future[list[Played]]]]:
    done, rest = wait(running, return_when=FIRST_COMPLETED)
    return set(done), set(rest)


def _chunk(seeds: tuple[int, ...], agents: int | None) -> list[Played]:
    return [play(seed, size_of(seed, agents)) for seed in seeds]


def _leave_interrupts_to_the_parent() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _progress(done: int, failed: int, started: float, total: int) -> None:
    if not sys.stderr.isatty() or done % CHUNK:
        return
    rate = done / (time.monotonic() - started)
    of = f" of {total}" if total else ""
    print(f"\r{done}{of} seeds, {failed} violations, {rate:.1f}/s ", end="", file=sys.stderr)


# --- a failing seed ------------------------------------------------------------------------------


def _command(played: Played, only: frozenset[int] | None = None) -> str:
    chosen = ",".join(map(str, sorted(only))) or "none" if only is not None else ""
    rest = f" --only {chosen}" if chosen else ""
    seeds = f"{played.seed}..{played.seed + 1}"
    return f"main.py simulate --seeds {seeds} --agents {played.n}{rest} --trace {played.seed}.trace"


def _tell_failure(played: Played) -> None:
    print(f"seed {played.seed}, n = {played.n}: {played.violation}")
    print(f"  repeat: {_command(played)}", flush=True)


def _shrink(played: Played) -> None:
    scenario = Storm(played.n, (played.n - 1) // 3, played.seed).scenario
    kind = played.violation.partition(":")[0]

    def fails(kept: frozenset[int]) -> bool:
        return play(played.seed, played.n, kept).violation.startswith(kind)

    print(f"shrinking seed {played.seed} from {len(scenario.items)} faults and submissions")
    kept = shrink(len(scenario.items), fails)
    again = play(played.seed, played.n, kept)
    print(f"with {len(kept)} of them: {again.violation}")
    _tell_scenario(scenario, kept)
    print(f"  repeat: {_command(played, kept)}")
