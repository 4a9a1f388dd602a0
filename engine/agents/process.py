"""One agent's process: its key, its replica, its own telemetry, and the mind between them."""

import asyncio
import gc
from collections import deque
from collections.abc import Callable, Collection, Sequence
from functools import partial

import structlog

from engine.act.orders import Order
from engine.agents.mind import Mind, Now
from engine.agents.spoken import SpokenFile
from engine.agents.successor import await_office
from engine.alone import stay_alone
from engine.bus.nats import reach_bus, show_bus_key
from engine.clock import Clock, SystemClock
from engine.codec import encode
from engine.consensus.client import Submitter
from engine.consensus.evidence import Evidence
from engine.consensus.runtime import Fold, ReplicaRuntime
from engine.council import Council, IncidentStatus
from engine.diagnostics import log_to_stderr
from engine.founding import appearance, check_key, constitution, introduce, wait_s
from engine.genesis import Genesis
from engine.ledger.replay import Replay
from engine.ledger.sqlite import SqliteLedger
from engine.paths import RunPaths
from engine.policy import Rules
from engine.ports import Bus
from engine.proof import convicts
from engine.settings import settings_of
from engine.signing import Ed25519Signer, Ed25519Verifier, Signer
from engine.telemetry.collector import Collector
from engine.telemetry.window import Window
from engine.topology import Manifest, read_endpoints
from engine.vocabulary import (
    AgentId,
    AuthorId,
    Convicted,
    Entry,
    Operation,
    TraceEvent,
    Vitals,
)

THINK_EVERY_S = 0.25
"""Between two looks at the window when the log is silent; a new entry wakes the mind at once."""
REMIND_EVERY_S = 1.0
"""Between two reminders to the actuator of an order that it has not reported on."""
REPORT_EVERY_S = 1.0
TRACE_EVERY_S = 0.2
MAX_TRACE = 512
"""Trace events waiting; the oldest are dropped and counted."""
MAX_SAYING = 64
"""Operations on their way into the log at once."""

log = structlog.get_logger()


class Agent:
    """The composition of one agent."""

    def __init__(
        self,
        agent: AgentId,
        signer: Ed25519Signer,
        constitution_: tuple[Genesis, Rules, Manifest],
        paths: RunPaths,
        bus: Bus,
        clock: Clock,
        generation: int = 0,
    ) -> None:
        """Open the agent's own files and catch up with its own ledger."""
        genesis, rules, manifest = constitution_
        verifier = Ed25519Verifier()
        folder = paths.successor(agent, generation)
        self._public_key = signer.public_key
        self._id = agent
        self._paths = paths
        self._bus = bus
        self._clock = clock
        self._trace: deque[TraceEvent] = deque(maxlen=MAX_TRACE)
        self._trace_dropped = 0
        self._awake = asyncio.Event()
        self._saying: set[asyncio.Task[int]] = set()
        self._charges: dict[AgentId, Convicted] = {}
        """Proof that this agent found, at most one for each other agent."""
        self._charged: set[AgentId] = set()
        """Whose proof is on its way into the log."""
        self._store = SqliteLedger(folder / "ledger.sqlite", genesis)
        self._council = Council(genesis, rules, manifest, verifier, convicts(verifier))
        self._replay = Replay(self._council)
        for entry in self._store.read_all():
            self._replay.apply(entry)
        self._window = Window(manifest)
        self._spoken = SpokenFile(folder / "spoken")
        self._mind = Mind(agent, signer, self._council, self._window, self._spoken)
        self._runtime = ReplicaRuntime.open(
            agent=agent,
            genesis=genesis,
            signer=signer,
            verifier=verifier,
            bus=bus,
            store=self._store,
            votes=folder / "votes",
            clock=clock,
            on_trace=self._traced,
            on_evidence=self._accuse,
            fold=Fold(self._executed, self._council.proven),
            # A successor's vote log was begun before its key: without it that key is void.
            may_begin=False if generation else None,
        )
        self._submitter = Submitter(
            bus,
            signer,
            agent,
            self._replay.epochs.constitution,
            verifier,
            clock,
            after=self._replay.newest_counter(agent),
        )
        self._keys = self._council.genesis.agent_keys()
        self._place = [member.id for member in genesis.agents].index(agent)
        self._n = genesis.n

    async def run(self) -> None:
        """Work until cancelled."""
        try:
            async with asyncio.TaskGroup() as tasks:
                for name, work in {
                    "replica": self._runtime.run(),
                    "submitter": self._submitter.run(),
                    "senses": self._sense(),
                    "mind": self._think(),
                    "orders": self._remind_actuator(),
                    "vitals": self._report(),
                    "trace": self._send_trace(),
                }.items():
                    tasks.create_task(work, name=name)
        finally:
            self._spoken.close()
            self._store.close()

    # --- the log --------------------------------------------------------------------------------

    def _executed(self, entry: Entry) -> Collection[AgentId]:
        """Fold the next entry; it is committed, though it may reach the disk a moment later."""
        epoch = self._council.genesis.epoch
        self._replay.apply(entry)
        if self._council.genesis.epoch != epoch:
            self._enter_epoch(self._council.genesis)
        self._awake.set()
        return self._council.proven

    def _enter_epoch(self, constitution: Genesis) -> None:
        """Speak in a new epoch; proof against keys that are gone is not pressed any more."""
        self._submitter.speak_in(constitution)
        # Whoever still has its key is proven anew by what the log holds, or lies anew.
        self._charges = {
            agent: charge
            for agent, charge in self._charges.items()
            if constitution.agent_keys()[agent] == self._keys[agent]
        }
        self._keys = constitution.agent_keys()
        log.info("epoch_begins", epoch=constitution.epoch, in_office=self._in_office)

    @property
    def _in_office(self) -> bool:
        """Whether this process still has the key of its place; if not, nobody hears it."""
        return self._keys[self._id] == self._public_key

    def _accuse(self, evidence: Evidence) -> None:
        """Put proof against another agent before the council, so that all convict at one place."""
        if not evidence.is_orderable:
            # It must not take the place of a shorter proof that may still come.
            log.warning("evidence_too_long", culprit=evidence.culprit, kind=evidence.kind)
            return
        charge = Convicted(evidence.culprit, evidence.kind, evidence.first, evidence.second)
        self._charges.setdefault(evidence.culprit, charge)
        self._awake.set()

    def _press_charges(self) -> None:
        """Say what proof there is until it is ordered, however much else there is to say."""
        for culprit, charge in {**self._replay.proofs, **self._charges}.items():
            if culprit in self._council.proven or culprit in self._charged:
                continue
            task = self._say([charge])
            if task is not None:
                self._charged.add(culprit)
                task.add_done_callback(partial(self._pressed, culprit))

    def _pressed(self, culprit: AgentId, _task: asyncio.Task[int]) -> None:
        self._charged.discard(culprit)

    def _traced(self, event: TraceEvent) -> None:
        if len(self._trace) == MAX_TRACE:
            self._trace_dropped += 1
        self._trace.append(event)

    # --- senses and mind ------------------------------------------------------------------------

    async def _sense(self) -> None:
        """Collect this agent's own telemetry, at its own phase of the period."""
        settings = settings_of(self._paths)
        if settings is not None:
            # Doors need much that an agent of the demo does without, and a killed one is awaited.
            from engine.sources import Sources

            await Sources(
                settings, self._paths, self._place, self._id, self._window.add, self._clock
            ).run()
            return
        await appearance(self._paths.endpoints)
        endpoints = read_endpoints(self._paths.endpoints)
        phase_ms = 1000 * self._place // self._n
        collector = Collector(
            endpoints, self._council.manifest, self._window, self._clock, phase_ms
        )
        await collector.run()

    async def _think(self) -> None:
        while True:
            try:
                async with asyncio.timeout(THINK_EVERY_S):
                    await self._awake.wait()
            except TimeoutError:
                pass
            self._awake.clear()
            if not self._in_office:
                continue
            now = Now(self._clock.unix_ms(), self._clock.monotonic_ns() // 1_000_000)
            self._press_charges()
            for operation in self._mind.step(now):
                self._say([operation])

    def _say(self, operations: Sequence[Operation]) -> asyncio.Task[int] | None:
        if len(self._saying) >= MAX_SAYING:
            log.error("too_much_to_say", dropped=len(operations))
            return None
        task = asyncio.create_task(self._submitter.submit(operations))
        self._saying.add(task)
        task.add_done_callback(self._saying.discard)
        return task

    # --- towards actuator and screens -----------------------------------------------------------

    async def _remind_actuator(self) -> None:
        """Bring complete certificates to the actuator until it has reported on them."""
        while True:
            for incident in self._council.open_incidents:
                attempt = incident.attempt
                certificate = attempt.certificate
                if certificate is None:
                    continue
                orders: tuple[bytes, ...] = ()
                if incident.status is IncidentStatus.UNDOING:
                    orders = tuple(attempt.undo_orders.values())
                elif incident.status is not IncidentStatus.CERTIFIED:
                    continue
                await self._bus.publish(
                    f"certificate.{self._id}", encode(Order(certificate, orders))
                )
            try:
                async with asyncio.timeout(REMIND_EVERY_S):
                    await self._runtime.executed_more()
            except TimeoutError:
                pass

    async def _report(self) -> None:
        while True:
            now_ms = self._clock.unix_ms()
            age_ms = self._window.links_age_ms(now_ms)
            vitals = Vitals(
                agent=self._id,
                view=self._runtime.view,
                executed=self._runtime.executed,
                phase=self._runtime.phase,
                window_age_ms=-1 if age_ms is None else age_ms,
                trace_dropped=self._trace_dropped,
                bus_dropped=self._bus.dropped,
                ready=not self._window.is_stale(now_ms) and self._runtime.ready,
            )
            await self._bus.publish(f"status.{self._id}", encode(vitals))
            await asyncio.sleep(REPORT_EVERY_S)

    async def _send_trace(self) -> None:
        while True:
            await asyncio.sleep(TRACE_EVERY_S)
            if self._trace:
                events = tuple(self._trace)
                self._trace.clear()
                await self._bus.publish(f"trace.{self._id}", encode(events))


Wrap = Callable[[Bus, Signer, Genesis], Bus]


def _as_it_is(bus: Bus, _signer: Signer, _genesis: Genesis) -> Bus:
    return bus


async def run_agent(
    paths: RunPaths,
    agent: AgentId,
    wrap: Wrap = _as_it_is,
    *,
    generation: int = 0,
    servers: Sequence[str] = (),
) -> None:
    """Be ``agent`` of the run at ``paths`` until cancelled.

    ``wrap`` puts something between the agent and its bus: a recorder, a fault. A successor, of
    which ``generation`` says the how manieth it is, waits until its key is ordered in. The bus is
    the engine's own, or at ``servers``.

    Raises:
        Malformed: a file of the run is wrong, or not what genesis pins.
        KeyFileError: this agent's key cannot be used.
    """
    log_to_stderr(agent)
    if generation:
        await await_office(paths, agent, generation)
    folder = paths.successor(agent, generation)
    paths.make_private(folder)
    if paths.apart is not None:
        paths.make_private(paths.secrets)
        # Where a service replaces processes, whoever was here before may not be quite gone.
        await stay_alone(folder, agent, wait_s(paths))
    signer = Ed25519Signer.load_or_create(folder / "key")
    if not generation:
        await introduce(paths, AuthorId(agent), signer)
    found = await constitution(paths)
    if not generation:
        check_key(found[0], AuthorId(agent), signer, folder / "key")
    if servers:
        show_bus_key(paths, agent)
    bus = await reach_bus(paths, agent, servers)
    try:
        wrapped = wrap(bus, signer, found[0])
        begun = Agent(agent, signer, found, paths, wrapped, SystemClock(), generation)
        # Whatever is there by now stays: Python's collector need not look at it again and again.
        gc.freeze()
        await begun.run()
    finally:
        await bus.close()
