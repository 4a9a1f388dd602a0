"""One run of one experiment: break it for real, watch who mends it, and measure.

The truth stays in this process's memory until the run is over. The fault goes in and out through
a runner process whose credential no responder has; it is not taken out before the incident is over.
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Literal

import msgspec

from chaos.announced import announce, withdraw
from chaos.archive import Archive
from chaos.byzantine import PROVABLE
from chaos.door import AskIntegrity, DrillDoor, FleetResponder, Respond, Traffic
from chaos.experiments import ExperimentPlan
from chaos.fleet.judge import Second
from chaos.harm import Harmed, Killing, NobodyToHarm
from chaos.integrity import Integrity
from chaos.measure import RunRecord, impact_ns, recovery_ns, since
from chaos.rehearsal import Rehearsal, RehearsalFailed
from chaos.story import Story, story_of
from chaos.verdict import failure_of, still_missing, wrongly_judged
from chaos.watch import LedgerWatch, Screen, probe_seconds
from chaos.world import World
from engine.cli import CommandError
from engine.cli.replace import Replacement
from engine.clock import SystemClock
from engine.codec import Malformed
from engine.signing import KeyFileError
from engine.vocabulary import AgentId

Responder = Literal["swarm"] | FleetResponder

READY_S = 60.0
CAP_S = 60.0
"""An incident that is not over after this long counts as not recovered."""
QUIET_S = 30.0
"""How long a drill without a fault watches that nobody acts."""
GREEN_BEFORE = 3
"""Green seconds of the probe before anything is broken: a baseline."""
SETTLE_S = 60.0
"""A minute without payments leaves some 600 orders unsure, of which 40 a second are settled at best."""
REPLACE_S = 90.0
POLL_S = 0.1


class DrillFailed(RuntimeError):
    """The drill itself could not be carried out; says nothing about the responders."""


class Outcome(msgspec.Struct):
    """What a run found out, as it goes on."""

    injected_ns: int = 0
    took_effect: bool = False
    present_at_recovery: bool | None = None
    recovered: bool = False
    prevented: bool = False
    undone: bool = False
    ledger: Path | None = None
    verified: bool | None = None
    integrity: Integrity | None = None
    evidence_holds: bool = True
    convicted: tuple[AgentId, ...] = ()
    """Before anybody was replaced: whoever is, is held against nobody any more."""
    harmed: Harmed | None = None
    replaced: AgentId | None = None
    replace_s: float | None = None
    fault_budget: int | None = None
    not_replaced: str = ""


class Drill:
    """One run in a running world."""

    def __init__(
        self,
        world: World,
        plan: ExperimentPlan,
        responder: Responder = "swarm",
        against_swarm: str | None = None,
        cap_s: float = CAP_S,
    ) -> None:
        """Prepare; ``run`` does it."""
        self._world = world
        self._paths = world.paths
        self._plan = plan
        self._responder: Responder = responder
        self._against_swarm = against_swarm
        self._cap_s = cap_s
        self._door = DrillDoor(world.paths)
        self._watch = LedgerWatch(world.paths)
        self._screen = Screen(world.paths)
        self._found = Outcome()
        self._rehearsal: Rehearsal | None = None
        self._following: asyncio.Task[None] | None = None
        self._aftermath: asyncio.Task[None] | None = None

    @property
    def rehearsal(self) -> Rehearsal | None:
        """The runner, once it is started."""
        return self._rehearsal

    @property
    def watch(self) -> LedgerWatch:
        """The ledger as this drill sees it."""
        return self._watch

    @property
    def injected_s(self) -> float | None:
        """When the fault took effect (Unix seconds); None where there was none."""
        if self._plan.fault is None or not self._found.took_effect:
            return None
        clock = SystemClock()
        return clock.unix_ms() / 1e3 - (clock.monotonic_ns() - self._found.injected_ns) / 1e9

    async def close(self) -> None:
        """Take the fault out if it is still in, and stop following."""
        withdraw(self._paths)
        for task in (self._following, self._aftermath):
            if task is not None:
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task
        if self._rehearsal is not None:
            await self._rehearsal.abandon()

    async def run(self) -> RunRecord:
        """Do the whole run.

        Raises:
            DrillFailed: fleet or swarm did not get ready, or the fault could not be put in.
        """
        await self.ready()
        announce(self._paths)
        found = self._found
        try:
            await self._break(found)
            await self._until_over(found)
            await self._mend(found)
        except (RehearsalFailed, OSError, TimeoutError) as error:
            raise DrillFailed(str(error) or type(error).__name__) from error
        await self._settle(found)
        if self._responder == "swarm":
            await self._until_convicted()
            archive = Archive(self._paths, self._watch)
            archive.keep_files()
            found.convicted = self._convicted()
            found.evidence_holds = archive.keep_evidence(found.convicted)
            await self._replace_traitor(found)
            if self._aftermath is not None:
                await self._aftermath
            found.ledger = archive.ledger
            found.verified = await archive.keep_ledger()
        return self._record(found)

    async def ready(self) -> None:
        """Wait until the fleet is green and whoever responds is ready.

        Raises:
            DrillFailed: they did not get ready in time.
        """
        if self._responder == "swarm":
            self._following = asyncio.create_task(self._screen.run())
        try:
            async with asyncio.timeout(READY_S):
                await self._until_ready()
                fleets_own = "off" if self._responder == "swarm" else self._responder
                await self._door.say(Respond(fleets_own))
        except (TimeoutError, OSError) as error:
            raise DrillFailed(f"fleet and swarm were not ready in {READY_S:.0f} s") from error

    async def _until_ready(self) -> None:
        # Another process's log and stream: there is no event of ours to wait for.
        while not (self._green() and self._responders_ready()):  # noqa: ASYNC110
            await asyncio.sleep(POLL_S)

    def _green(self) -> bool:
        last = probe_seconds(self._paths)[-GREEN_BEFORE:]
        return len(last) == GREEN_BEFORE and all(second.green for second in last)

    def _responders_ready(self) -> bool:
        return self._responder != "swarm" or self._screen.ready

    # --- the fault ------------------------------------------------------------------------------

    async def _break(self, found: Outcome) -> None:
        self._rehearsal = await Rehearsal.start(self._paths, self._plan.fault, self._plan.onset_ms)
        loop = asyncio.get_running_loop()
        if self._plan.fault is None:
            await asyncio.sleep(self._plan.onset_ms / 1000)
            self._harm_swarm()
            found.injected_ns = int(loop.time() * 1e9)
            found.took_effect = True
            return
        harmed = False

        def injecting(_: int) -> None:
            nonlocal harmed
            harmed = True
            self._harm_swarm()

        found.injected_ns, effect = await self._rehearsal.injected(injecting)
        assert harmed
        found.took_effect = effect.took_effect

    def _harm_swarm(self) -> None:
        """Harm the responders at the moment when they are needed."""
        if self._against_swarm is None:
            return
        try:
            if self._world.traitor is not None:
                self._world.begin_treason()
                return
            killing = Killing(self._paths, self._screen)
            self._found.harmed = killing.strike(self._against_swarm, self._plan.seed)
        except (ProcessLookupError, NobodyToHarm) as error:
            raise DrillFailed(str(error)) from None
        self._aftermath = asyncio.create_task(killing.follow(self._found.harmed))

    async def _until_over(self, found: Outcome) -> None:
        """Wait until the probe saw the recovery and the swarm has closed its incident."""
        loop = asyncio.get_running_loop()
        span_s = QUIET_S if self._plan.fault is None else self._cap_s
        deadline = found.injected_ns / 1e9 + span_s
        while loop.time() < deadline:
            self._watch.poll()
            seconds = probe_seconds(self._paths)
            impact = impact_ns(seconds, found.injected_ns)
            recovery = None if impact is None else recovery_ns(seconds, impact)
            if recovery is not None and not found.recovered:
                found.recovered = True
                found.present_at_recovery = await self._present()
            elif impact is None and not found.recovered and self._calm_again(seconds):
                found.recovered = found.prevented = True
                found.present_at_recovery = await self._present()
            if found.recovered and not self._watch.working and self._plan.fault is not None:
                return
            await asyncio.sleep(POLL_S)

    def _calm_again(self, seconds: Sequence[Second]) -> bool:
        """Whether what could be foreseen was acted on, and nobody noticed since."""
        return self._plan.foreseeable and self._green_since_acting(seconds) is not None

    def _green_since_acting(self, seconds: Sequence[Second]) -> int | None:
        """The first of ten green seconds on end after the first action."""
        acted_ns = self._story(self._found.injected_ns).acted_ns
        return None if acted_ns is None else recovery_ns(seconds, acted_ns)

    async def _present(self) -> bool | None:
        assert self._rehearsal is not None
        effect = await self._rehearsal.present()
        return None if effect is None else effect.present

    async def _mend(self, found: Outcome) -> None:
        assert self._rehearsal is not None
        effect = await self._rehearsal.over()
        found.undone = effect is None or not effect.present

    # --- after it -------------------------------------------------------------------------------

    async def _settle(self, found: Outcome) -> None:
        """Let the customers go home and compare what they were told with what is there."""
        with suppress(OSError):
            await self._door.say(Respond("off"))
            await self._door.say(Traffic(on=False))
        deadline = asyncio.get_running_loop().time() + SETTLE_S
        while asyncio.get_running_loop().time() < deadline:
            with suppress(OSError):
                found.integrity = (await self._door.say(AskIntegrity())).integrity
            if found.integrity is not None and found.integrity.quiet:
                return
            await asyncio.sleep(POLL_S)

    async def let_customers_return(self) -> None:
        """Open the shop again, for whoever goes on looking at it."""
        with suppress(OSError):
            await self._door.say(Traffic(on=True))

    # --- a traitor ------------------------------------------------------------------------------

    async def _until_convicted(self) -> None:
        """Give the council time to order what is proven, where there is proof."""
        traitor = self._world.traitor
        if traitor is None or traitor.kind not in PROVABLE:
            return
        deadline = asyncio.get_running_loop().time() + SETTLE_S
        while not self._convicted() and asyncio.get_running_loop().time() < deadline:
            await asyncio.sleep(POLL_S)
            self._watch.poll()

    async def _replace_traitor(self, found: Outcome) -> None:
        """End the run as an operator would: with a new key for whoever was turned."""
        traitor = self._world.traitor
        if traitor is None:
            return
        told: list[str] = []
        began_s = asyncio.get_running_loop().time()
        try:
            replacement = Replacement(self._paths, traitor.agent, told.append)
            standing = await replacement.carry_out(REPLACE_S)
        except (CommandError, Malformed, KeyFileError) as error:
            found.not_replaced = f"{traitor.agent} was not replaced: {error}"
            return
        found.replace_s = round(asyncio.get_running_loop().time() - began_s, 3)
        found.replaced = traitor.agent
        await self._world.end_traitor()
        full = self._watch.council.genesis.f if self._watch.council is not None else 0
        deadline = began_s + REPLACE_S
        while asyncio.get_running_loop().time() < deadline:
            swarm = self._screen.state.swarm
            found.fault_budget = swarm.budget if swarm is not None else standing.fault_budget
            if found.fault_budget >= full:
                return
            await asyncio.sleep(POLL_S)

    def _convicted(self) -> tuple[AgentId, ...]:
        council = self._watch.council
        return tuple(sorted(council.proven)) if council is not None else ()

    # --- the record -----------------------------------------------------------------------------

    def not_carried_out(self, why: str) -> RunRecord:
        """The record of a run that ended in ``DrillFailed``: it counts as failed, with what it has."""
        return msgspec.structs.replace(self._record(self._found), failure=why)

    def _record(self, found: Outcome) -> RunRecord:
        plan, origin = self._plan, found.injected_ns
        seconds = probe_seconds(self._paths)
        impact = impact_ns(seconds, origin) if plan.fault is not None and origin else None
        if found.prevented:
            recovery = self._green_since_acting(seconds)
        else:
            recovery = None if impact is None else recovery_ns(seconds, impact)
        story = self._story(origin)
        integrity = found.integrity
        record = RunRecord(
            experiment=plan.name,
            policy=self._responder,
            against_swarm=self._against_swarm,
            seed=plan.seed,
            target=plan.target,
            took_effect=found.took_effect,
            impact_s=since(impact, origin),
            detect_s=since(story.detected_ns, origin),
            diagnose_s=since(story.diagnosed_ns, origin),
            decide_s=since(story.decided_ns, origin),
            act_s=since(story.acted_ns, origin),
            recover_s=since(recovery, origin) if found.recovered else None,
            recovered=found.recovered,
            prevented=found.prevented if plan.foreseeable else None,
            fault_present_at_recovery=found.present_at_recovery,
            diagnosis_right=story.diagnosis_right if plan.fault is not None else None,
            actions=story.actions,
            undone=found.undone,
            certificate_verified=found.verified if story.actions else None,
            orders_acknowledged=integrity.orders_acknowledged if integrity else 0,
            orders_lost=integrity.orders_lost if integrity else 0,
            needless_actions=story.needless_actions,
            handed_over=story.handed_over,
            ledger=str(found.ledger) if found.ledger else None,
            convicted=found.convicted or self._convicted(),
            killed=found.harmed.victims if found.harmed is not None else (),
            noticed_s=found.harmed.noticed_s if found.harmed is not None else None,
            back_s=found.harmed.back_s if found.harmed is not None else None,
            replaced=(found.replaced,) if found.replaced is not None else (),
            replace_s=found.replace_s,
            fault_budget=found.fault_budget,
        )
        failure = failure_of(record, integrity) or wrongly_judged(record, self._world.traitor)
        if not failure and not found.evidence_holds:
            failure = "the evidence of a conviction does not verify"
        whole = self._watch.council.genesis.f if self._watch.council is not None else 0
        failure = (
            failure or found.not_replaced or still_missing(found.fault_budget, whole, found.harmed)
        )
        return msgspec.structs.replace(record, failure=failure)

    def _story(self, origin: int) -> Story:
        council = self._watch.council
        if council is None:
            return Story(None, None, None, None, None, (), 0, handed_over=False)
        return story_of(self._watch.log, council, self._plan.expectation, origin)
