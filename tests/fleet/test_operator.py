"""A person's word: nothing is done without it under ``ask``, and nothing at all while frozen."""

import asyncio
import os
import random
import shutil
import signal
import subprocess
import time
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest

from chaos.door import Inject
from chaos.experiments import draw
from chaos.faults.fault import KillService
from chaos.world import prepare
from engine.clock import SystemClock
from engine.policy import Automation, Rules
from engine.stream import runs
from engine.stream.commands import Operator, Shown
from engine.stream.connection import Answered, LinkEvent, Received
from engine.stream.link import Link
from engine.stream.state import IncidentRow, ScreenState
from engine.stream.wire import Command, Reply
from engine.supervisor import read_states
from engine.vocabulary import Policy
from tests.fleet.commands import ROOT, command, environment
from tests.fleet.shop import MANIFEST, RunningShop
from tests.until import until

pytestmark = [pytest.mark.fleet, pytest.mark.timeout(180)]

ASK = Rules(automation=Automation(low=Policy.ASK, medium=Policy.ASK, high=Policy.ASK))
EARLY_SEED = next(s for s in range(100) if draw("kill-payments", s).onset_ms < 3_200)
STILL_S = 4.0
"""Agents remind the actuator every second: four reminders that it does not obey are an answer."""


class Run:
    """A shop and its swarm under the policy ``ask``."""

    def __init__(self, state: Path) -> None:
        self.state = state
        self.paths = prepare(MANIFEST, ASK)
        self.shop = RunningShop(self.paths.root)
        with (self.paths.engine / "engine.err").open("ab") as output:
            self.engine = subprocess.Popen(
                command("engine", "--run-dir", str(self.paths.root)),
                cwd=ROOT, env=environment(state), stdin=subprocess.PIPE,
                stdout=output, stderr=output, start_new_session=True,
            )  # fmt: skip
        self.shop.wait_until_up()

    def freeze(self, word: str) -> tuple[int, str]:
        done = subprocess.run(
            command(word, "--run-dir", str(self.paths.root)), cwd=ROOT, check=False,
            env=environment(self.state), capture_output=True, text=True, timeout=20,
        )  # fmt: skip
        return done.returncode, done.stdout.split(" ")[0]

    def nats(self) -> int:
        return read_states(self.paths.processes)["nats"].pid

    def stop(self) -> None:
        assert self.engine.stdin is not None
        self.engine.stdin.close()
        self.engine.wait(timeout=40)
        self.shop.stop()
        shutil.rmtree(self.paths.root, ignore_errors=True)


class Console:
    """What an operator sees, and the hand that he signs with."""

    def __init__(self, run: Run) -> None:
        self.state = ScreenState()
        self.replies: dict[str, Reply] = {}
        self.operator = Operator.load(run.paths.operator_key, run.paths.genesis)
        self.link = Link(
            lambda: runs.target_of(run.paths), self._take, SystemClock(), random.Random(1)
        )

    def _take(self, event: LinkEvent) -> None:
        if isinstance(event, Received):
            self.state = event.snapshot.state
        elif isinstance(event, Answered):
            self.replies[event.reply.id] = event.reply

    async def give(self, order: Command) -> Reply:
        await self.link.send(order)
        await until(lambda: order.id in self.replies)
        return self.replies[order.id]

    async def approve(self, row: IncidentRow) -> Reply:
        return await self.give(self.operator.approve(Shown.of(row), time.time_ns() // 1_000_000))

    @property
    def ready(self) -> bool:
        swarm, slo = self.state.swarm, self.state.slo
        return swarm is not None and swarm.ready and slo is not None and slo.green

    @property
    def row(self) -> IncidentRow:
        assert self.state.incident is not None
        return self.state.incident

    async def until_status(self, number: int, status: str, within_s: float = 30) -> IncidentRow:
        def is_there() -> bool:
            row = self.state.incident
            return row is not None and row.key.endswith(f"#{number}") and row.status == status

        await until(is_there, within_s)
        return self.row

    def drilled(self) -> str:
        """What came of the drill that was ordered; empty while it runs."""
        return self.state.drill.last if self.state.drill is not None else ""

    def said(self, kind: str) -> list[str]:
        return [entry.text for entry in self.state.timeline if entry.kind == kind]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    made = Run(tmp_path_factory.mktemp("state"))
    try:
        yield made
    finally:
        made.stop()


@asynccontextmanager
async def console(run: Run) -> AsyncGenerator[Console]:
    await until(run.paths.genesis.exists, 30)
    opened = Console(run)
    following = asyncio.create_task(opened.link.run())
    try:
        await until(lambda: opened.ready, 40)
        yield opened
    finally:
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)


async def break_payments(run: Run) -> None:
    answer = await run.shop.door.say(Inject(os.urandom(4).hex(), KillService("payments")))
    assert answer.effect is not None
    assert answer.effect.took_effect


async def test_a_plan_waits_for_a_yes_to_exactly_what_was_shown(run: Run) -> None:
    async with console(run) as seen:
        await break_payments(run)
        shown = await seen.until_status(1, "awaiting approval")
        assert shown.needs_approval
        assert not run.shop.status("payments").alive

        outdated = await seen.approve(msgspec.structs.replace(shown, version=shown.version - 1))
        assert outdated.accepted, "the engine relays; the council judges"
        await until(lambda: seen.said("approved"))
        assert "without effect" in seen.said("approved")[0]
        assert seen.row.status == "awaiting approval"
        assert not run.shop.status("payments").alive

        assert (await seen.approve(seen.row)).accepted
        await seen.until_status(1, "recovered")
        assert run.shop.status("payments").alive
        assert len(seen.said("acted")) == 1


async def test_a_freeze_without_the_bus_stops_what_the_council_decides_until_thawed(
    run: Run,
) -> None:
    async with console(run) as seen:
        await break_payments(run)
        await seen.until_status(2, "awaiting approval")
        nats = run.nats()
        os.kill(nats, signal.SIGSTOP)
        try:
            frozen = run.freeze("freeze")
        finally:
            os.kill(nats, signal.SIGCONT)
        assert frozen == (0, "frozen")

        # The council has not heard of it: it decides, and the actuator still does not act.
        assert (await seen.approve(seen.row)).accepted
        await until(lambda: seen.row.certificate, 20)
        end = time.monotonic() + STILL_S
        await until(lambda: time.monotonic() > end, STILL_S + 5)
        assert not run.shop.status("payments").alive
        assert seen.said("acted") == []

        assert run.freeze("thaw") == (0, "thawed")
        await seen.until_status(2, "recovered")
        assert run.shop.status("payments").alive
        assert len(seen.said("acted")) == 1


async def test_a_freeze_reaches_the_council_and_the_screens_too(run: Run) -> None:
    def is_frozen(seen: Console) -> bool:
        return seen.state.swarm is not None and seen.state.swarm.frozen

    async with console(run) as seen:
        assert not is_frozen(seen)

        assert run.freeze("freeze") == (0, "frozen")
        await until(lambda: is_frozen(seen))

        assert run.freeze("thaw") == (0, "thawed")
        await until(lambda: not is_frozen(seen))


async def test_a_drill_that_an_operator_orders_breaks_something_and_is_told_of(run: Run) -> None:
    async with console(run) as seen:
        await until(lambda: seen.state.incident is None or seen.row.status == "recovered", 30)
        now_ms = time.time_ns() // 1_000_000
        order = seen.operator.drill("kill-payments", EARLY_SEED, now_ms)
        assert (await seen.give(order)).accepted
        await until(lambda: seen.state.drill is not None and seen.state.drill.running)

        again = await seen.give(seen.operator.drill("quiet", 1, now_ms))
        assert again.reason == "a drill runs already"
        await until(lambda: seen.drilled() or not run.shop.status("payments").alive, 90)
        assert not seen.drilled(), "the drill is over, and nothing was broken"
    # The engine ends with the fault still in: the drill takes it out (``Run.stop``).
