"""``main.py agent replace ID``: a new key and a new process for an agent, by an ordered epoch.

Four steps, each of which says how far it is: a successor makes its key and claims the place; the
operator's signed order goes into the log; the old quorum brings the epoch to its end; the successor
takes its place. The command may end at any moment: what was ordered happens all the same, what was
not leaves a successor that waits, and the same command goes on from there.
"""

import asyncio
import time
from collections.abc import Callable

import msgspec

from engine.cli import CommandError
from engine.cli.asking import LOOK_EVERY_S, SAY_AGAIN_S, Asking, run_errand
from engine.paths import RunPaths
from engine.standing import Claimed, read_claim
from engine.stream.commands import fingerprint
from engine.vocabulary import AgentId
from engine.wish import OrderGiven, Standing, StandingWanted, SuccessorWanted

__all__ = ["WITHIN_S", "Replacement", "replace_agent"]

WITHIN_S = 90.0
"""Filling an epoch up takes some 130 to 190 batches: seconds on a quiet machine."""


def replace_agent(paths: RunPaths, agent: AgentId, within_s: float) -> int:
    """Have ``agent`` of the run at ``paths`` replaced, telling each step; the exit code."""

    def tell(line: str) -> None:
        print(line, flush=True)

    run_errand(lambda: Replacement(paths, agent, tell).carry_out(within_s))
    return 0


class Replacement:
    """One replacement, as its operator sees it."""

    def __init__(self, paths: RunPaths, agent: AgentId, tell: Callable[[str], None]) -> None:
        """Replace ``agent``; each step that is reached is told in a line.

        Raises:
            Malformed: the genesis cannot be read.
            KeyFileError: the operator's key cannot be used.
        """
        self._paths = paths
        self._agent = agent
        self._tell = tell
        self._asking = Asking(paths)
        self._started = time.monotonic()

    async def carry_out(self, within_s: float) -> Standing:
        """Do it; returns how the swarm stands afterwards.

        Raises:
            CommandError: it was refused, or did not come to its end in time; says in which state
                it is and what to do.
        """
        deadline = self._started + within_s
        generation = await self._start_successor()
        claimed = await self._claim(generation, deadline)
        before = await self._standing()
        if before.public_key != claimed.public_key:
            self._tell(f"successor {generation} has made its key {fingerprint(claimed.public_key)}")
            await self._order(claimed, deadline)
        after = await self._until_in_office(claimed, deadline)
        self._tell(
            f"{self._agent} is back with a new key from epoch {after.epoch} on; "
            f"fault budget {after.fault_budget}, convicted: {', '.join(after.convicted) or 'nobody'} "
            f"({time.monotonic() - self._started:.1f} s)"
        )
        return after

    # --- the steps --------------------------------------------------------------------------------

    async def _start_successor(self) -> int:
        answer = await self._asking.ask(SuccessorWanted(*self._asking.wished(), self._agent))
        return int(msgspec.json.decode(answer, type=dict[str, int])["generation"])

    async def _claim(self, generation: int, deadline: float) -> Claimed:
        """What the successor claims in the epoch that is now."""
        while True:
            standing = await self._standing()
            found = read_claim(self._paths.claim(self._agent, generation))
            if found is not None and found.epoch == standing.epoch:
                return found
            if found is not None and found.public_key == standing.public_key:
                return found
            self._check_time(deadline, "its successor has not made its key; see its log in agents/")
            await asyncio.sleep(LOOK_EVERY_S)

    async def _order(self, claimed: Claimed, deadline: float) -> None:
        """Have the order in the log, or the reason why it does not count there."""
        said = -SAY_AGAIN_S
        while True:
            standing = await self._standing()
            if claimed.public_key in (standing.pending_key, standing.public_key):
                self._tell(
                    f"ordered by entry {standing.executed}; epoch {standing.epoch} ends with entry "
                    f"{standing.boundary or standing.executed}"
                )
                return
            if standing.objection:
                raise CommandError(f"the council does not count the order: {standing.objection}")
            if time.monotonic() - said >= SAY_AGAIN_S:
                said = time.monotonic()
                command = self._asking.operator.replace(
                    self._agent, claimed.public_key, claimed.signature, self._asking.now_ms
                )
                await self._asking.ask(OrderGiven(*self._asking.wished(), command.payload))
            self._check_time(deadline, "the order is not in the log yet; is there a quorum?")
            await asyncio.sleep(LOOK_EVERY_S)

    async def _until_in_office(self, claimed: Claimed, deadline: float) -> Standing:
        told = False
        while True:
            standing = await self._standing()
            if standing.public_key == claimed.public_key:
                if not told:
                    self._tell(f"epoch {standing.epoch} begins; its successor takes its place")
                    told = True
                if standing.ready:
                    return standing
            self._check_time(
                deadline,
                "it is ordered and takes its course: look again with the same command"
                if not told
                else "its key counts, and its process is not well yet; see its log in agents/",
            )
            await asyncio.sleep(LOOK_EVERY_S)

    async def _standing(self) -> Standing:
        answer = await self._asking.ask(StandingWanted(*self._asking.wished(), self._agent))
        return msgspec.json.decode(answer, type=Standing)

    @staticmethod
    def _check_time(deadline: float, state: str) -> None:
        if time.monotonic() >= deadline:
            raise CommandError(f"not replaced in time: {state}")
