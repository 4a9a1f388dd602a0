"""The engine: follows the swarm's log, shows it to screens, and passes on what operators command.

The composition root of a run, once its swarm is started and founded (``engine.starting``). It holds
no key that matters: it cannot vote, approve or act; what an operator signed it relays, and what it
shows it has verified by commit certificates.
"""

import asyncio
import random
import secrets
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import structlog
from msgspec.structs import replace

from engine import founding
from engine.act.door import open_door
from engine.back_channel import BackChannel, Knock
from engine.bus.nats import NatsBus
from engine.clock import Clock
from engine.codec import Malformed, decode
from engine.council import Council, Happening
from engine.fleet_door import open_fleet_door
from engine.genesis import Genesis
from engine.handover import DeadMan, HandOver, handed_over, violated
from engine.ledger.follower import LedgerFollower
from engine.ledger.mirroring import Diverged
from engine.ledger.reading import write_proof
from engine.ledger.replay import Replay
from engine.ledger.sqlite import SqliteLedger
from engine.paths import RunPaths
from engine.policy import Rules
from engine.projection import Projection
from engine.proof import convicts, evidence_of
from engine.replacing import Replacements
from engine.settings import settings_of
from engine.sightings import Sightings
from engine.signing import Ed25519Verifier
from engine.sources import Sources
from engine.stream.access import Listen
from engine.stream.deploying import Deployer
from engine.stream.drilling import Drills
from engine.stream.hub import Hub, open_hub
from engine.stream.metrics import Metric, of_process
from engine.stream.state import Health, ScreenState
from engine.stream.wire import Event, Lane
from engine.supervisor import Supervisor
from engine.telemetry.collector import Collector
from engine.telemetry.samples import Observation
from engine.telemetry.tape import Tape
from engine.telemetry.window import Window
from engine.topology import Manifest, read_endpoints
from engine.trace import Trace
from engine.vocabulary import (
    AgentId,
    Entry,
    TraceEvent,
    Vitals,
)

if TYPE_CHECKING:
    from engine.ledger.dynamodb import Mirror

SHOW_EVERY_S = 0.1
"""Between two states for screens; the hub sends nothing when nothing changed."""
MAX_TOLD = 8192
"""Trace events that wait for the next state, a tenth of a second away."""

log = structlog.get_logger()


class Engine:
    """One run's engine, once its cluster is founded."""

    def __init__(
        self,
        paths: RunPaths,
        constitution: tuple[Genesis, Rules, Manifest],
        bus: NatsBus,
        supervisor: Supervisor,
        clock: Clock,
        listen: Listen,
        deployer: Deployer | None = None,
        drills: Drills | None = None,
        knock: Knock | None = None,
    ) -> None:
        """Open the engine's copy of the ledger and fold what it holds.

        ``knock`` is how the actuator is told to freeze where it is on another machine.
        """
        genesis, rules, manifest = constitution
        verifier = Ed25519Verifier()
        self._paths = paths
        self._bus = bus
        self._clock = clock
        self._supervisor = supervisor
        self._council = Council(genesis, rules, manifest, verifier, convicts(verifier))
        self._replay = Replay(self._council)
        self._window = Window(manifest)
        self._trace = Trace(paths.trace)
        self._sightings = Sightings(paths.sightings)
        self._tape = Tape(paths.tape)
        self._projection = Projection(self._council, self._window)
        self._store = SqliteLedger(paths.engine_ledger, genesis)
        self._back_channel = BackChannel(
            paths, self._replay, verifier, bus, clock, deployer, drills, knock
        )
        for entry, received_ms in self._store.read_stamped():
            self._fold(entry, received_ms)
        self._replacements = Replacements(
            paths, self._replay, verifier, supervisor, clock, self._back_channel.bring_in
        )
        self._follower = LedgerFollower(bus, genesis, verifier, self._store, clock, self._taken)
        self._shown = ScreenState()
        self._listen = listen
        self._deployer = deployer
        self._drills = drills
        self._told: list[Event] = []
        """Trace events that the next state takes along."""
        self._handover = HandOver(rules.handover, paths.engine / "handover.jsonl", genesis)
        self._dead_man = DeadMan()
        self._warnings: list[str] = []
        """What a person must know of this engine, beside what is handed over."""

    async def run(self) -> None:
        """Follow, collect, show and tell people, until cancelled."""
        await self._bus.subscribe("status.*", self._vitals)
        await self._bus.subscribe("trace.*", self._traced)
        await self._bus.subscribe("ordered.*", self._replacements.heard)
        self._replacements.ready = self._is_well
        self._replacements.fault_budget = self._fault_budget
        # Not the time: an engine that starts twice in a second is not the same one.
        epoch = 1 + secrets.randbelow((1 << 32) - 1)
        try:
            async with (
                open_hub(
                    self._paths,
                    epoch=epoch,
                    on_command=self._back_channel.take,
                    listen=self._listen,
                    metrics=self._metrics,
                ) as hub,
                open_door(self._paths.swarm_socket, self._replacements.answer),
                asyncio.TaskGroup() as tasks,
            ):
                tasks.create_task(self._follower.run())
                tasks.create_task(self._collect())
                tasks.create_task(self._watch_probe())
                tasks.create_task(self._show(hub))
                tasks.create_task(self._tell_people())
                if self._deployer is not None:
                    tasks.create_task(self._deployer.run())
                self._tell_aws(tasks)
        finally:
            self._back_channel.close()
            if self._drills is not None:
                await self._drills.close()
            self._trace.close()
            self._sightings.close()
            self._tape.close()
            self._store.close()

    # --- the log --------------------------------------------------------------------------------

    def _taken(self, entry: Entry, _received_ns: int) -> None:
        """Fold an entry that the follower has verified and stored."""
        self._replacements.followed(self._fold(entry, self._clock.unix_ms()))

    def _fold(self, entry: Entry, received_ms: int) -> Sequence[Happening]:
        happenings = self._replay.apply(entry)
        self._projection.ordered(entry, happenings, received_ms)
        for culprit, proof in self._replay.proofs.items():
            path = self._paths.evidence / f"{culprit}.json"
            if not path.exists():
                path.parent.mkdir(mode=0o700, exist_ok=True)
                write_proof(evidence_of(proof), path)
        return happenings

    def _is_well(self, agent: AgentId) -> bool:
        """Whether an agent says that it is well, as screens show it."""
        return agent in self._shown.agents and self._shown.agents[agent].health is Health.OK

    def _fault_budget(self) -> int:
        swarm = self._shown.swarm
        return swarm.budget if swarm is not None else 0

    # --- telemetry for screens ------------------------------------------------------------------

    async def _collect(self) -> None:
        settings = settings_of(self._paths)
        if settings is not None:
            place = self._council.genesis.n
            await Sources(
                settings, self._paths, place, "engine", self._see, self._clock, self._tape.take
            ).run()
            return
        async with open_fleet_door(self._paths, self._tape.take, self._clock):
            await founding.appearance(self._paths.endpoints)
            endpoints = read_endpoints(self._paths.endpoints)
            await Collector(
                endpoints,
                self._council.manifest,
                self._window,
                self._clock,
                phase_ms=500,
                on_seen=self._tape.see,
            ).run()

    def _see(self, seen: Observation) -> None:
        self._window.add(seen)
        self._tape.see(seen)

    async def _watch_probe(self) -> None:
        """Show what the probe says second by second; its signed words are in the log."""
        await founding.appearance(self._paths.probe_log)
        with self._paths.probe_log.open("rb") as file:
            pending = b""
            while True:
                pending += file.read()
                *lines, pending = pending.split(b"\n")
                for line in lines:
                    self._projection.probed(line)
                await asyncio.sleep(0.5)

    def _vitals(self, subject: str, payload: bytes) -> None:
        try:
            vitals = decode(payload, Vitals)
        except Malformed as error:
            log.warning("vitals_malformed", subject=subject, why=str(error))
            return
        # The bus lets each agent publish under its own name alone: nobody speaks for another.
        if subject == f"status.{vitals.agent}":
            self._projection.heard(vitals, self._clock.unix_ms())

    def _traced(self, subject: str, payload: bytes) -> None:
        try:
            events = decode(payload, tuple[TraceEvent, ...])
        except Malformed as error:
            log.warning("trace_malformed", subject=subject, why=str(error))
            return
        kept = self._trace.add([event for event in events if subject == f"trace.{event.receiver}"])
        self._told += [Event(Lane.TRACE, trace=event) for event in kept]
        del self._told[:-MAX_TOLD]

    async def _show(self, hub: Hub) -> None:
        while True:
            self._shown = self._projection.state(
                self._clock.unix_ms(),
                processes=self._supervisor.states,
                trace=self._trace,
                bus_dropped=self._bus.dropped,
                notices=(*self._warnings, *self._handover.notices),
            )
            if self._drills is not None:
                self._shown = replace(self._shown, drill=self._drills.row)
            if self._deployer is not None:
                self._shown = replace(self._shown, deploys=dict(self._deployer.rows))
            hub.tell([*self._projection.news(), *self._told])
            self._told.clear()
            hub.publish(self._shown)
            self._sightings.see(self._shown, self._clock.monotonic_ns())
            await asyncio.sleep(SHOW_EVERY_S)

    def _metrics(self) -> Iterable[Metric]:
        yield from of_process()
        swarm = self._shown.swarm
        if swarm is not None:
            yield Metric("ready", swarm.ready, "Whether a quorum of agents is well.")
            yield Metric("view", swarm.view, "View that f+1 agents are in.")
            yield Metric("executed", swarm.executed, "Sequence number of the newest batch.")
            yield Metric("frozen", swarm.frozen, "Whether all automation is stopped.")
            yield Metric("bus_dropped_total", swarm.bus_dropped, "Lost on the bus.", "counter")
            yield Metric(
                "trace_dropped_total", swarm.trace_dropped, "Lost of the trace.", "counter"
            )
        yield Metric(
            "incidents_open", len(list(self._council.open_incidents)), "Incidents that are open."
        )

    # --- telling AWS ------------------------------------------------------------------------------

    def _tell_aws(self, tasks: asyncio.TaskGroup) -> None:
        """Copy the ledger, and tell of it, where the settings say so."""
        settings = settings_of(self._paths)
        if settings is None or (settings.mirror is None and settings.events is None):
            return
        # boto3 takes half a second to import: only for those who need it.
        from engine.aws.clients import client
        from engine.ledger.dynamodb import Mirror
        from engine.ledger.telling import Telling

        rng = random.Random()
        if settings.mirror is not None:
            table = settings.mirror.table
            mirror = Mirror(client("dynamodb"), table, self._store, self._clock, rng)
            tasks.create_task(self._mirror(mirror))
        if settings.events is not None:
            stream, bus = settings.events.stream, settings.events.bus
            cursor = self._paths.engine / "events.cursor"
            telling = Telling(stream, bus, client, self._store, cursor, self._clock, rng)
            tasks.create_task(telling.run())

    async def _mirror(self, mirror: "Mirror") -> None:
        try:
            await mirror.run()
        except Diverged as error:
            # The swarm goes on without its copy; people have to look at it.
            log.error("mirror_diverged", why=str(error))
            self._warnings.append(f"the ledger is no longer copied: {error}")

    # --- telling people ---------------------------------------------------------------------------

    async def _tell_people(self) -> None:
        """Hand over what the swarm cannot mend, and say so when it cannot even look."""
        while True:
            now_ms = self._clock.monotonic_ns() // 1_000_000
            swarm = self._shown.swarm
            blind = self._window.is_stale(self._clock.unix_ms())
            well = swarm is not None and swarm.ready and not blind
            alarms = [*handed_over(self._council), *violated(self._council)]
            dead = self._dead_man.step(now_ms, well=well, why=_why_not_well(blind=blind))
            if dead is not None:
                alarms.append(dead)
            await self._handover.tell(alarms, self._clock.unix_ms())
            await asyncio.sleep(SHOW_EVERY_S)


def _why_not_well(*, blind: bool) -> str:
    return "telemetry is stale" if blind else "fewer agents than a quorum are well"
