"""``main.py policy``: what the swarm may do alone, and another policy, by an ordered epoch.

The operator's signed order goes into the log; the quorum brings the epoch to its end, and the charter
of the next one holds the new policy. The command may end at any moment: what was ordered happens all
the same.
"""

import argparse
import asyncio
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

from engine.cli import CommandError
from engine.cli.asking import LOOK_EVERY_S, SAY_AGAIN_S, Asking, run_errand
from engine.cli.part import run_named
from engine.codec import Malformed
from engine.paths import RunPaths
from engine.policy import Handover, Rules, changes_in_words, read_rules
from engine.wish import OrderGiven, PolicyStanding, PolicyWanted

__all__ = ["Ordering", "add_arguments", "run"]

WITHIN_S = 90.0
"""Filling an epoch up takes some 130 to 190 batches: seconds on a quiet machine."""
TELL_EVERY_S = 2.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the command takes."""
    parser.add_argument(
        "word", nargs="?", choices=["set"], help="set: order the policy in FILE (without: show)"
    )
    parser.add_argument("file", nargs="?", type=Path, metavar="FILE", help="with set: a TOML file")
    parser.add_argument(
        "--run-dir", type=Path, metavar="DIR", help="which run (default: the newest live one)"
    )
    parser.add_argument(
        "--within",
        type=float,
        default=WITHIN_S,
        metavar="S",
        help=f"with set: seconds to wait for the new epoch (default {WITHIN_S:.0f})",
    )


def run(args: argparse.Namespace) -> int:
    """Show the policy of a run, or have another one ordered.

    Raises:
        CommandError: the file is wrong, the engine does not answer, or the order does not count.
    """
    if args.word is None:
        paths = run_named(args.run_dir)
        run_errand(lambda: _show(paths))
        return 0
    if args.file is None:
        raise CommandError("set which policy? name a file, as in: set policy.toml", exit_code=2)
    try:
        wanted = read_rules(args.file)
        paths = run_named(args.run_dir)
        _check_handover(args.file, wanted, paths.policy)
    except Malformed as error:
        raise CommandError(str(error)) from None
    run_errand(lambda: Ordering(paths, wanted, _say).carry_out(args.within))
    return 0


def _check_handover(file: Path, wanted: Rules, founding: Path) -> None:
    if wanted.handover not in (Handover(), read_rules(founding).handover):
        raise CommandError(
            f"{file}: [handover]: it stays what {founding} says as long as the cluster lives, since "
            "an order stands in the log for ever; remove the section"
        )


def _say(line: str) -> None:
    print(line, flush=True)


# --- showing --------------------------------------------------------------------------------------


async def _show(paths: RunPaths) -> None:
    for line in in_words(await _standing(Asking(paths))):
        _say(line)


async def _standing(asking: Asking) -> PolicyStanding:
    answer = await asking.ask(PolicyWanted(*asking.wished()))
    return msgspec.json.decode(answer, type=PolicyStanding)


def in_words(standing: PolicyStanding) -> Iterator[str]:
    """The policy in force, since when, field by field, and what is ordered instead."""
    yield f"in force    {standing.policy.hex()[:12]}: {standing.rules.in_words()}"
    yield f"since       epoch {standing.since_epoch}, from entry {standing.since_entry} on"
    sections: dict[str, dict[str, object]] = msgspec.to_builtins(standing.rules)
    for section, values in sections.items():
        if section != "handover":
            yield f"{section:<11} " + ", ".join(f"{name} {it}" for name, it in values.items())
    yield "handover    what the run was founded with; see its policy.toml"
    if standing.pending is None:
        yield "ordered     nothing else"
        return
    changes = ", ".join(changes_in_words(standing.rules, standing.pending)) or "what is in force"
    yield f"ordered     {standing.pending.digest.hex()[:12]}: {changes}"
    yield f"from        epoch {standing.epoch + 1} on, after entry {_still(standing)}"


def _still(standing: PolicyStanding) -> str:
    return f"{standing.boundary} (now {standing.executed})"


# --- ordering -------------------------------------------------------------------------------------


class Ordering:
    """One order for another policy, as its operator sees it."""

    def __init__(self, paths: RunPaths, wanted: Rules, tell: Callable[[str], None]) -> None:
        """Order ``wanted``; each step that is reached is told in a line.

        Raises:
            Malformed: the genesis cannot be read.
            KeyFileError: the operator's key cannot be used.
        """
        self._asking = Asking(paths)
        self._wanted = wanted.ordered
        self._tell = tell
        self._started = time.monotonic()

    async def carry_out(self, within_s: float) -> PolicyStanding:
        """Do it; returns how it stands when the policy counts.

        Raises:
            CommandError: it was refused, or did not come to its end in time; says in which state
                it is and what to do.
        """
        deadline = self._started + within_s
        before = await _standing(self._asking)
        if before.pending is None and before.rules == self._wanted:
            self._tell(f"this is the policy in force, since epoch {before.since_epoch}")
            return before
        changes = ", ".join(changes_in_words(before.rules, self._wanted))
        self._tell(f"asks for {changes or 'what is in force, instead of what is ordered'}")
        await self._order(before.epoch, deadline)
        after = await self._until_in_force(before.epoch, deadline)
        self._tell(
            f"in force from epoch {after.epoch}, entry {after.since_entry} on: "
            f"{changes or 'nothing changes'} ({time.monotonic() - self._started:.1f} s)"
        )
        return after

    async def _order(self, epoch: int, deadline: float) -> None:
        """Have the order in the log, or the reason why it does not count there."""
        said, commands = -SAY_AGAIN_S, set[str]()
        while True:
            standing = await _standing(self._asking)
            if standing.pending == self._wanted or self._counts(standing, epoch):
                self._tell(
                    f"ordered by entry {standing.executed}; epoch {standing.epoch} ends with entry "
                    f"{standing.boundary or standing.executed}"
                )
                return
            if standing.objection and standing.answered in commands:
                raise CommandError(f"the council does not count the order: {standing.objection}")
            if time.monotonic() - said >= SAY_AGAIN_S:
                said = time.monotonic()
                command = self._asking.operator.configure(self._wanted.encoded, self._asking.now_ms)
                commands.add(command.id)
                await self._asking.ask(OrderGiven(*self._asking.wished(), command.payload))
            self._check_time(deadline, "the order is not in the log yet; is there a quorum?")
            await asyncio.sleep(LOOK_EVERY_S)

    async def _until_in_force(self, epoch: int, deadline: float) -> PolicyStanding:
        told = time.monotonic()
        while True:
            standing = await _standing(self._asking)
            if self._counts(standing, epoch):
                return standing
            if standing.pending != self._wanted:
                raise CommandError("another policy was ordered after it; look: main.py policy")
            if time.monotonic() - told >= TELL_EVERY_S:
                told = time.monotonic()
                self._tell(
                    f"epoch {standing.epoch} is at entry {standing.executed} of {standing.boundary}"
                )
            self._check_time(deadline, "it is ordered and takes its course; look: main.py policy")
            await asyncio.sleep(LOOK_EVERY_S)

    def _counts(self, standing: PolicyStanding, before: int) -> bool:
        """Whether an epoch after ``before`` has begun with it."""
        return standing.epoch > before and standing.rules == self._wanted

    @staticmethod
    def _check_time(deadline: float, state: str) -> None:
        if time.monotonic() >= deadline:
            raise CommandError(f"not in force in time: {state}")
