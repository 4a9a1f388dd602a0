"""The kill matrix: ends each process at each numbered moment of an incident, and checks what holds.

In every cell payments is killed and the swarm mends it, while one process of swarm, fleet or drill
is ended by SIGKILL. Whatever is ended: nothing may stay broken, no action may be done twice, no
acknowledged order may be lost; and when the drill runner dies, its fault is gone within 2 s.
"""

import asyncio
import os
import signal
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path

import msgspec

from chaos import world
from chaos.door import AskIntegrity, AskState, DrillDoor, Inject, Traffic, Undo
from chaos.drill import DrillFailed
from chaos.experiments import draw
from chaos.faults.fault import KillService
from chaos.fleet.ask import ask
from chaos.fleet.wiring import read_wiring, wiring_path
from chaos.integrity import Integrity
from chaos.moments import FOLLOWS, RUNNER, Cell, CellRecord, Moment, repeated, sample, whole
from chaos.rehearsal import Rehearsal, RehearsalFailed
from chaos.watch import LedgerWatch, Screen, probe_seconds
from chaos.world import World
from engine.founding import swarm_of
from engine.policy import DRILL_RULES, Limits, Rules
from engine.supervisor import read_states
from engine.topology import read_manifest

MOMENT_S = 45.0
"""A moment that has not come by then does not come."""
CALM_S = 90.0
RUNNER_S = 2.0
CALM_ONSET_MS = 2_000
"""A process that is struck in the calm has this long before the fault follows."""
GREEN_SECONDS = 3
FINE_POLL_S = 0.005
POLL_S = 0.1

RULES: Rules = msgspec.structs.replace(
    DRILL_RULES, limits=Limits(attempts=6, actions_per_ten_minutes=1_000)
)
"""A matrix has an incident every quarter of a minute; its policy file says so."""


class CellFailed(RuntimeError):
    """A cell in which something did not hold; the message says what."""


def victims_of(manifest: Path) -> list[str]:
    """Everybody who is ended in turn."""
    agents = [str(agent) for agent, _ in swarm_of(5)]
    services = [str(service.name) for service in read_manifest(manifest).service]
    return ["engine", "actuator", "nats", *agents, *services, RUNNER]


class Arena:
    """A running world in which one cell after the other is played."""

    def __init__(self, running: World) -> None:
        """Play in ``running``."""
        self._world = running
        self._paths = running.paths
        self._door = DrillDoor(running.paths)
        self._watch = LedgerWatch(running.paths)
        self._screen = Screen(running.paths)
        self._services = {str(s.name) for s in read_manifest(running.paths.manifest).service}
        self._following = asyncio.create_task(self._screen.run())

    async def close(self) -> None:
        """Stop following the screen."""
        self._following.cancel()
        with suppress(asyncio.CancelledError):
            await self._following

    async def play(self, cell: Cell) -> CellRecord:
        """Play one cell; the record says what failed, if anything did."""
        intents = len(self._intents())
        try:
            await self.calm()
        except CellFailed as error:
            return await self._record(cell, False, None, None, intents, f"at first {error}")
        plan = draw("kill-payments", 1)
        # Struck in the calm, the fault follows; in all other cells the fault comes first.
        onset_ms = CALM_ONSET_MS if cell.moment is Moment.CALM else 0
        rehearsal = await Rehearsal.start(self._paths, plan.fault, onset_ms)
        second = f"matrix-{time.monotonic_ns():x}"
        killed, fault_gone_s, calm_s, failure = False, None, None, ""
        struck_s = time.monotonic()
        try:
            await self._until(cell.moment, rehearsal)
            struck_s = time.monotonic()
            killed = await self._strike(cell.victim, rehearsal, second)
            if cell.victim == RUNNER and cell.moment is not Moment.CALM:
                fault_gone_s = await self._fault_gone(struck_s)
            if cell.moment is Moment.CALM and cell.victim != RUNNER:
                await rehearsal.injected()
            await self.calm()
            calm_s = round(time.monotonic() - struck_s, 2)
        except (CellFailed, RehearsalFailed, DrillFailed, TimeoutError, OSError) as error:
            failure = str(error) or type(error).__name__
        finally:
            await self._end(cell, rehearsal, second)
        return await self._record(cell, killed, calm_s, fault_gone_s, intents, failure)

    # --- waiting for the moment -------------------------------------------------------------------

    async def _until(self, moment: Moment, rehearsal: Rehearsal) -> None:
        if moment is Moment.CALM:
            return
        injected_ns, effect = await rehearsal.injected()
        if not effect.took_effect:
            raise CellFailed("the fault did not take effect")
        if moment is Moment.BROKEN:
            return
        if moment in FOLLOWS:
            wanted = FOLLOWS[moment]
            seen = await self._watch.until(
                lambda s: s.received_ns >= injected_ns and s.happening.kind == wanted, MOMENT_S
            )
            if seen is None:
                raise CellFailed(f"the moment {moment.name.lower()} did not come")
            return
        await self._until_journal(moment, injected_ns)

    async def _until_journal(self, moment: Moment, since_ns: int) -> None:
        column = "intended_ns" if moment is Moment.INTENDED else "finished_ns"
        question = f"SELECT COUNT(*) FROM steps WHERE {column} >= ?"  # noqa: S608
        journal = self._paths.actuator / "journal.sqlite"
        deadline = time.monotonic() + MOMENT_S
        with closing(sqlite3.connect(f"file:{journal}?mode=ro", uri=True)) as database:
            while time.monotonic() < deadline:
                (count,) = database.execute(question, (since_ns,)).fetchone()
                if count:
                    return
                await asyncio.sleep(FINE_POLL_S)
        raise CellFailed(f"the moment {moment.name.lower()} did not come")

    # --- striking -----------------------------------------------------------------------------------

    async def _strike(self, victim: str, rehearsal: Rehearsal, second: str) -> bool:
        """End the victim by SIGKILL; False when it was down already."""
        if victim in self._services:
            status = (await self._door.say(AskState())).status
            alive = status is not None and any(
                service.alive for service in status.services if service.name == victim
            )
            if not alive:
                return False
            effect = (await self._door.say(Inject(second, KillService(victim)))).effect
            return effect is not None and effect.took_effect
        if victim == RUNNER:
            pid = rehearsal.pid
        elif victim == "engine":
            pid = self._world.engine_pid
        else:
            states = read_states(self._paths.processes)
            pid = states[victim].pid if victim in states else 0
        if not pid:
            return False
        os.kill(pid, signal.SIGKILL)
        return True

    async def _fault_gone(self, since_s: float) -> float:
        """Wait until payments answers again after the runner's death: its watchdog's work."""
        port = read_wiring(wiring_path(self._paths.fleet)).services["payments"]
        while time.monotonic() - since_s <= RUNNER_S:
            with suppress(OSError):
                if await ask(port, "/health", within_s=0.5) == 200:
                    return round(time.monotonic() - since_s, 2)
            await asyncio.sleep(FINE_POLL_S)
        raise CellFailed(f"the runner's fault was still there {RUNNER_S:.0f} s after its death")

    # --- back to calm -------------------------------------------------------------------------------

    async def calm(self) -> None:
        """Wait until nothing is broken, no incident is open and everybody is there.

        Raises:
            CellFailed: that did not come; says what is missing.
        """
        deadline = time.monotonic() + CALM_S
        missing = ""
        while time.monotonic() < deadline:
            missing = await self._missing()
            if not missing:
                return
            await asyncio.sleep(POLL_S)
        raise CellFailed(f"not calm after {CALM_S:.0f} s: {missing}")

    async def _missing(self) -> str:
        self._watch.poll()
        last = probe_seconds(self._paths)[-GREEN_SECONDS:]
        if len(last) < GREEN_SECONDS or not all(second.green for second in last):
            return "the SLO is red"
        try:
            status = (await self._door.say(AskState())).status
        except OSError as error:
            return f"the orchestrator does not answer: {error}"
        dead = [str(s.name) for s in status.services if not s.alive] if status else ["all"]
        if dead:
            return f"{', '.join(dead)} is down"
        council = self._watch.council
        if council is None or council.open_incidents:
            keys = [incident.key for incident in council.open_incidents] if council else []
            return f"incident open: {', '.join(keys)}"
        down = [
            state.name for state in read_states(self._paths.processes).values() if not state.pid
        ]
        if down or not self._screen.ready:
            return f"the swarm is not ready: {', '.join(down) or 'catching up'}"
        return ""

    async def _end(self, cell: Cell, rehearsal: Rehearsal, second: str) -> None:
        """Take out whatever is still in, as every drill does at its end."""
        with suppress(RehearsalFailed, TimeoutError, OSError):
            if cell.victim == RUNNER:
                await rehearsal.abandon()
            else:
                await rehearsal.over()
        with suppress(OSError):
            await self._door.say(Undo(second))

    # --- what holds ---------------------------------------------------------------------------------

    def _intents(self) -> list[str]:
        """The keys of all actions that the orchestrator has begun, in order."""
        try:
            lines = (self._paths.fleet / "repairs.jsonl").read_bytes().splitlines()
        except OSError:
            return []
        journal = [msgspec.json.decode(line) for line in lines]
        return [str(line["key"]) for line in journal if line.get("report") is None]

    async def _record(
        self,
        cell: Cell,
        killed: bool,
        calm_s: float | None,
        fault_gone_s: float | None,
        intents_before: int,
        failure: str,
    ) -> CellRecord:
        intents = self._intents()
        integrity = await self._integrity()
        twice = repeated(intents)
        if not failure and twice:
            failure = f"{twice} actions were begun twice"
        if not failure and integrity is None:
            failure = "the orders could not be checked"
        if not failure and integrity is not None and not integrity.sound:
            failure = "orders, reservations and stock differ"
        return CellRecord(
            victim=cell.victim,
            moment=cell.moment.name.lower(),
            number=int(cell.moment),
            killed=killed,
            calm_s=calm_s,
            fault_gone_s=fault_gone_s,
            actions=len(intents) - intents_before,
            repeated=twice,
            orders_lost=integrity.orders_lost if integrity else 0,
            failure=failure,
        )

    async def _integrity(self) -> Integrity | None:
        with suppress(OSError):
            return (await self._door.say(AskIntegrity())).integrity
        return None

    async def settled(self) -> str:
        """Let all customers settle; why what they were told differs from what is there, or empty."""
        await self._door.say(Traffic(on=False))
        integrity: Integrity | None = None
        for _ in range(300):
            integrity = await self._integrity()
            if integrity is not None and integrity.quiet:
                break
            await asyncio.sleep(POLL_S)
        if integrity is None or not integrity.quiet:
            return "orders were still under way at the end"
        return "" if integrity.equal else f"orders differ: {integrity}"


def cell_line(record: CellRecord) -> str:
    """One cell in one line."""
    glyph, word = ("✓", "held") if not record.failure else ("✖", "FAILED")
    parts = [f"{glyph} {word:6} {record.number} {record.moment:9} × {record.victim}"]
    parts.append("killed" if record.killed else "was down already")
    if record.fault_gone_s is not None:
        parts.append(f"fault gone after {record.fault_gone_s:.2f} s")
    if record.calm_s is not None:
        parts.append(f"calm after {record.calm_s:.1f} s")
    parts.append(f"actions {record.actions}, repeated {record.repeated}")
    parts.append(f"orders lost {record.orders_lost}")
    if record.failure:
        parts.append(record.failure)
    return " · ".join(parts)


async def play_all(cells: list[Cell], tell: Callable[[str], None]) -> list[CellRecord]:
    """Play ``cells`` in one world; a world in which one failed is replaced by a new one."""
    records: list[CellRecord] = []
    waiting = list(cells)
    while waiting:
        paths = world.prepare(world.manifest_path("shop"), RULES)
        async with world.running(paths, with_swarm=True) as running:
            arena = Arena(running)
            try:
                while waiting:
                    record = await arena.play(waiting.pop(0))
                    records.append(record)
                    tell(f"[{len(records)}/{len(cells)}] {cell_line(record)}")
                    if record.failure:
                        break
                else:
                    failure = await arena.settled()
                    if failure:
                        records[-1] = msgspec.structs.replace(records[-1], failure=failure)
            finally:
                await arena.close()
    return records


def cells_for(seed: int, *, sampled: bool) -> list[Cell]:
    """The cells of a whole matrix, or of a sample drawn by ``seed``."""
    victims = victims_of(world.manifest_path("shop"))
    return sample(victims, seed) if sampled else whole(victims)
