"""``main.py evaluate``: recorded incidents through the senses, on all cores."""

import argparse
import math
import os
import re
import signal
import sys
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import msgspec
from msgspec.structs import replace

from engine.cli import CommandError
from engine.codec import Malformed
from engine.telemetry import recording as recordings
from engine.topology import OUTSIDE, Objective

HOLD_MS = 5_000
"""For an objective to be whole; a replay asks nobody whether it is green again."""
_OBJECTIVE = re.compile(r"([1-9]\d{0,2})/([1-9]\d{0,6})", re.ASCII)
_ONE_THREAD = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the command takes."""
    for name in _ONE_THREAD:
        # The cores are shared out by recording; a library's own threads would only get in the way.
        os.environ.setdefault(name, "1")
    from engine.evaluate.methods import METHODS, OWN

    parser.add_argument(
        "folder", type=Path, metavar="FOLDER", help="recordings, at any depth below it"
    )
    parser.add_argument(
        "--out", type=Path, required=True, metavar="FILE", help="one JSON object a recording"
    )
    parser.add_argument(
        "--onsets", type=Path, metavar="FILE", help="tell diagnosis when: {id: Unix seconds}"
    )
    parser.add_argument(
        "--method",
        choices=METHODS,
        default=OWN.name,
        metavar="NAME",
        help="; ".join(f"{method.name}: {method.summary}" for method in METHODS.values()),
    )
    parser.add_argument(
        "--objective",
        metavar="PERMILLE/MS",
        help="what users were promised: of 1,000 requests so many good, none slower than MS; its"
        " burn-rate alarms stand beside the statistical ones (none)",
    )
    parser.add_argument(
        "--jobs", type=int, metavar="N", help="recordings played at a time (as many as cores)"
    )


class _Job(NamedTuple):
    """One recording to play: where it is, by which method, and the told onset where there is one."""

    folder: Path
    method: str
    told_s: float | None
    objective: Objective | None


class _Played(NamedTuple):
    """What came of a job: a line of results, or why there is none."""

    place: int
    line: bytes
    complaint: str


def run(args: argparse.Namespace) -> int:
    """Replay every recording; 1 when one of them could not be read.

    Raises:
        CommandError: the question makes no sense, or there is nothing to replay.
    """
    _check(args)
    try:
        objective = _objective(args.objective)
        jobs = _jobs(args.folder, args.method, _onsets(args.onsets), objective)
    except Malformed as error:
        raise CommandError(str(error)) from None
    lines, complaints = [b""] * len(jobs), []
    started_s = time.monotonic()
    for done, played in enumerate(_play_all(jobs, args.jobs), start=1):
        lines[played.place] = played.line
        if played.complaint:
            complaints.append(played.complaint)
            _clear_progress()
            print(f"main.py evaluate: {played.complaint}", file=sys.stderr)
        _progress(done, len(jobs), len(complaints), started_s)
    _clear_progress()
    _write(args.out, lines)
    if complaints:
        first = f"{len(complaints)} of {len(jobs)} recordings could not be read"
        raise CommandError(f"{first}; {args.out} holds the others")
    took_s = time.monotonic() - started_s
    print(f"{len(jobs)} recordings in {took_s:.1f} s: {args.out}", file=sys.stderr)
    return 0


def _check(args: argparse.Namespace) -> None:
    if args.jobs is not None and args.jobs < 1:
        raise CommandError("--jobs takes 1 or more", exit_code=2)
    if args.out.is_dir() or not args.out.absolute().parent.is_dir():
        raise CommandError(f"--out {args.out}: name a file in a folder that is there", exit_code=2)


def _onsets(path: Path | None) -> Mapping[str, float]:
    """The told onsets, by recording.

    Raises:
        Malformed: the file is missing or holds something else.
    """
    if path is None:
        return {}
    try:
        told = msgspec.json.decode(path.read_bytes(), type=dict[str, float | None])
    except OSError as error:
        raise Malformed(f"{path}: cannot be read: {error.strerror}; write it first") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Malformed(f'{path}: {error}; it holds {{"ID": SECONDS}}') from None
    for name, onset_s in told.items():
        if onset_s is not None and not math.isfinite(onset_s):
            raise Malformed(f"{path}: {name}: {onset_s} is no time; write Unix seconds")
    return {name: onset_s for name, onset_s in told.items() if onset_s is not None}


def _objective(text: str | None) -> Objective | None:
    """The declared objective.

    Raises:
        Malformed: the text declares none.
    """
    if text is None:
        return None
    written = _OBJECTIVE.fullmatch(text)
    if written is None:
        raise Malformed(f"--objective {text}: write PERMILLE/MS, such as 990/1000")
    return Objective(OUTSIDE, int(written[1]), int(written[2]), hold_ms=HOLD_MS)


def _jobs(
    folder: Path, method: str, onsets: Mapping[str, float], objective: Objective | None
) -> list[_Job]:
    """One job for each recording; a header that cannot be read is told by the job itself.

    Raises:
        Malformed: no recording, or two of one name.
    """
    jobs, seen = [], dict[str, Path]()
    for place in recordings.find(folder):
        try:
            name = recordings.read(place).id
        except Malformed:
            jobs.append(_Job(place, method, None, objective))
            continue
        if name in seen:
            raise Malformed(f"{place} and {seen[name]} are both called {name}; remove one")
        seen[name] = place
        jobs.append(_Job(place, method, onsets.get(name), objective))
    return jobs


# --- on all cores --------------------------------------------------------------------------------


def _play_all(jobs: list[_Job], at_a_time: int | None) -> Iterator[_Played]:
    """What came of each job, as it is done."""
    waiting = iter(enumerate(jobs))
    workers = min(at_a_time or os.cpu_count() or 1, len(jobs))
    pool = ProcessPoolExecutor(workers, initializer=_leave_interrupts_to_the_parent)
    try:
        running = {pool.submit(_play, *job) for job in islice(waiting, 2 * workers)}
        while running:
            done, running = _next_done(running)
            for future in done:
                running |= {pool.submit(_play, *job) for job in islice(waiting, 1)}
                yield future.result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _next_done(
    running: set[Future[_Played]],
) -> tuple[set[Future[_Played]], set[Future[_Played]]]:
    done, rest = wait(running, return_when=FIRST_COMPLETED)
    return set(done), set(rest)


def _leave_interrupts_to_the_parent() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _play(place: int, job: _Job) -> _Played:
    """Play one recording, in a worker."""
    from engine.evaluate.methods import METHODS
    from engine.evaluate.replay import play

    try:
        recording = replace(recordings.read(job.folder), objective=job.objective)
        line = play(recording, METHODS[job.method], job.told_s)
    except Malformed as error:
        return _Played(place, b"", str(error))
    return _Played(place, msgspec.json.encode(line), "")


# --- telling -------------------------------------------------------------------------------------


def _write(path: Path, lines: list[bytes]) -> None:
    """Write the lines that there are, in the order of the recordings: all of them or no file."""
    part = path.with_name(f".{path.name}.part")
    try:
        part.write_bytes(b"".join(line + b"\n" for line in lines if line))
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def _progress(done: int, total: int, failed: int, started_s: float) -> None:
    """One line of progress: rewritten on a terminal, every tenth recording elsewhere."""
    left_s = (time.monotonic() - started_s) / done * (total - done)
    text = f"{done} of {total} recordings, {failed} unreadable, about {left_s:.0f} s to go"
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)
    elif done % 10 == 0:
        print(text, file=sys.stderr, flush=True)


def _clear_progress() -> None:
    if sys.stderr.isatty():
        print("\r\033[K", end="", file=sys.stderr, flush=True)
