"""The shell around one replica: bus and clock in, disk and bus out, effects strictly in order.

What was read from the bus is stepped through the core in rounds; the votes of a round are written
ahead with one sync and its entries in one transaction, then everything else of it happens in order.
The other way round, a message or an entry before its vote, never happens. The ledger is not synced with each entry: whatever was committed is
certified in the vote logs of a quorum, and is committed again from them. It is synced before votes
are forgotten, at each checkpoint.
"""

import asyncio
from collections.abc import Callable, Collection, Sequence
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import structlog

from engine.clock import Clock
from engine.codec import encode
from engine.consensus.announce import Announced
from engine.consensus.clients import ClientTable
from engine.consensus.committee import Committee
from engine.consensus.effects import (
    Acknowledge,
    AnyRecord,
    Broadcast,
    Compact,
    Effect,
    Execute,
    Halted,
    Persist,
    Receive,
    ReportEvidence,
    Retired,
    Send,
    Serve,
    Submit,
    Tick,
    Trace,
)
from engine.consensus.epochs import Epochs
from engine.consensus.evidence import Evidence
from engine.consensus.inbox import Inbox
from engine.consensus.quarantine import Application, no_application
from engine.consensus.replica import Replica
from engine.consensus.resume import Resume
from engine.consensus.serving import EntryServer
from engine.consensus.settings import Settings, settings_for
from engine.consensus.vote_log import VoteLog
from engine.genesis import Genesis
from engine.ports import Bus, EntryStore
from engine.signing import Signer, Verifier
from engine.vocabulary import AgentId, Entry, TraceEvent

BUSY_TICK_S = 0.05
IDLE_TICK_S = 0.2
"""Five agents that tick five times a second cost nothing; timeouts are several times that."""
TELL_EPOCH_S = 1.0
"""Between two words to authors of how the present epoch began; there are none in the first."""
ROUND = 16
"""Messages of each source in one round: enough to share a sync, few enough to stay fair."""
_STAMP = 8
"""Bytes before each frame on the bus: the sender's monotonic clock, for the trace only."""

log = structlog.get_logger()

OnExecute = Callable[[Entry], None]
OnTrace = Callable[[TraceEvent], None]
OnEvidence = Callable[[Evidence], None]


class Fold(NamedTuple):
    """The application that a replica feeds, and whom the ledger convicts so far."""

    apply: Application = no_application
    convicted: Collection[AgentId] = ()


class Source(NamedTuple):
    """Where a message came from: the kind of subject and who alone may publish there."""

    kind: str
    name: str


@lru_cache(256)
def _source_of(subject: str) -> Source:
    kind, name, *_ = subject.split(".")
    return Source(kind, name)


class ReplicaRuntime:
    """One agent's replica at work."""

    def __init__(
        self,
        agent: AgentId,
        replica: Replica,
        bus: Bus,
        store: EntryStore,
        votes: VoteLog,
        clock: Clock,
    ) -> None:
        """Put the parts together; ``open`` makes them."""
        self._agent = agent
        self._replica = replica
        self._bus = bus
        self._store = store
        self._votes = votes
        self._clock = clock
        self._inbox: Inbox[Source] = Inbox()
        self._awake = asyncio.Event()
        self._more = asyncio.Event()
        self._server = EntryServer(agent, bus, store)
        self.on_execute: OnExecute = lambda _entry: None
        self.on_trace: OnTrace = lambda _event: None
        self.on_evidence: OnEvidence = lambda _evidence: None
        self.on_retired: Callable[[int], None] = lambda _epoch: None
        self._told_ns = 0
        self._peers: tuple[AgentId, ...] = ()
        self._authors: tuple[str, ...] = ()

    @classmethod
    def open(
        cls,
        *,
        agent: AgentId,
        genesis: Genesis,
        signer: Signer,
        verifier: Verifier,
        bus: Bus,
        store: EntryStore,
        votes: Path,
        clock: Clock,
        on_execute: OnExecute | None = None,
        on_trace: OnTrace | None = None,
        on_evidence: OnEvidence | None = None,
        settings: Settings | None = None,
        fold: Fold | None = None,
        may_begin: bool | None = None,
    ) -> "ReplicaRuntime":
        """The replica of ``agent``, continued from its ledger and its vote log.

        ``fold`` has taken every entry of ``store``. From then on each entry goes to it in the step
        that commits it, and to ``on_execute`` once it is in the ledger. ``may_begin`` says whether
        this key has surely signed no vote yet; without it an empty ledger says so.

        Raises:
            VotesDamaged: the vote log cannot be used, so this agent may not vote.
            ValueError: ``agent`` is no member, or the settings do not fit the committee.
        """
        chosen = settings or settings_for(genesis.n, genesis.f)
        committee = Committee(genesis, verifier)
        clients, epochs = ClientTable(), Epochs(committee, chosen)
        following = 1
        while entries := store.read(following, 256):
            for entry in entries:
                clients.note(entry)
                epochs.take(entry)
            following += len(entries)
        kept = VoteLog(votes, may_begin=store.head[0] == 0 if may_begin is None else may_begin)
        fold = fold or Fold()
        resume = Resume(store.head, clients, kept.records, fold.convicted, epochs)
        replica = Replica(committee, agent, signer, chosen, resume, fold.apply)
        runtime = cls(agent, replica, bus, store, kept, clock)
        runtime._peers = tuple(peer for peer in committee.ids if peer != agent)
        runtime._authors = tuple(genesis.author_keys())
        runtime.on_execute = on_execute or runtime.on_execute
        runtime.on_trace = on_trace or runtime.on_trace
        runtime.on_evidence = on_evidence or runtime.on_evidence
        return runtime

    # --- what others may ask -------------------------------------------------------------------

    @property
    def view(self) -> int:
        """The view this replica is in, or changes to."""
        return self._replica.view

    @property
    def primary(self) -> AgentId:
        """Who leads that view."""
        return self._replica.primary

    @property
    def executed(self) -> int:
        """Sequence number up to which it has executed."""
        return self._replica.executed

    @property
    def phase(self) -> str:
        """Idle, pre-prepared, prepared, committed or view-change."""
        return self._replica.phase

    @property
    def ready(self) -> bool:
        """Whether it takes part: in a view, in touch with a quorum, and not behind."""
        return self._replica.ready

    @property
    def epoch(self) -> int:
        """The epoch that this replica votes in."""
        return self._replica.epoch

    @property
    def dropped(self) -> int:
        """Messages dropped because a source had too many waiting."""
        return self._inbox.dropped + self._replica.dropped

    async def executed_more(self) -> None:
        """Return after the next execution."""
        await self._more.wait()

    def submit(self, signed: bytes) -> None:
        """Have an encoded ``Signed`` submission ordered, as if its author had published it."""
        self._take(Source("submit", self._agent), signed)

    # --- at work -------------------------------------------------------------------------------

    async def run(self) -> None:
        """Work until cancelled.

        Raises:
            engine.consensus.checkpoint.Diverged: a quorum has another history: people must look.
        """
        try:
            await self._subscribe()
            await self._carry_out(self._tick())
            ticked_ns = self._clock.monotonic_ns()
            while True:
                pause = BUSY_TICK_S if self._replica.busy else IDLE_TICK_S
                due_s = pause - (self._clock.monotonic_ns() - ticked_ns) / 1e9
                if due_s <= 0:
                    await self._carry_out(self._tick())
                    await self._tell_of_epoch()
                    ticked_ns = self._clock.monotonic_ns()
                elif not self._inbox:
                    await self._sleep(due_s)
                await self._round()
        finally:
            self._votes.close()

    async def _sleep(self, seconds: float) -> None:
        # A timer and an event: a timeout's cancellation would cost more than the message it waits for.
        self._awake.clear()
        timer = asyncio.get_running_loop().call_later(seconds, self._awake.set)
        try:
            await self._awake.wait()
        finally:
            timer.cancel()

    async def _subscribe(self) -> None:
        for peer in self._peers:
            for subject in (f"pbft.{peer}", f"pbft.{peer}.{self._agent}", f"head.{peer}"):
                await self._bus.subscribe(subject, self._heard)
        for author in self._authors:
            await self._bus.subscribe(f"submit.{author}", self._heard)
        await self._bus.subscribe("fetch.*", self._heard)

    def _heard(self, subject: str, payload: bytes) -> None:
        self._take(_source_of(subject), payload)

    def _take(self, source: Source, payload: bytes) -> None:
        if self._inbox.put(source, payload, self._clock.monotonic_ns()):
            self._awake.set()

    def _tick(self) -> Sequence[Effect]:
        self._server.tick()
        return self._replica.step(Tick(self._clock.monotonic_ns() // 1_000_000))

    async def _tell_of_epoch(self) -> None:
        """Tell authors, again and again, under which charter their word counts now."""
        handover, now_ns = self._replica.handover, self._clock.monotonic_ns()
        if handover is None or now_ns - self._told_ns < TELL_EPOCH_S * 1e9:
            return
        self._told_ns = now_ns
        await self._bus.publish(f"ordered.{self._agent}", encode(handover))

    async def _round(self) -> None:
        effects: list[Effect] = []
        for source, payload, received_ns in self._inbox.take(ROUND):
            if source.kind == "submit":
                effects += self._replica.step(Submit(payload))
            elif source.kind == "fetch":
                await self._server.announce_again(payload)
            elif len(payload) > _STAMP:
                sent_ns = int.from_bytes(payload[:_STAMP], "big")
                event = Receive(AgentId(source.name), payload[_STAMP:])  # type: ignore[arg-type]
                for effect in self._replica.step(event):
                    if isinstance(effect, Trace):
                        self._trace(effect, sent_ns, received_ns)
                    else:
                        effects.append(effect)
        await self._carry_out(effects)

    # --- effects -------------------------------------------------------------------------------

    async def _carry_out(self, effects: Sequence[Effect]) -> None:
        kept_to = 0
        for position, effect in enumerate(effects):
            if position >= kept_to and isinstance(effect, (Persist, Execute)):
                kept_to = self._keep(effects, position)
            match effect:  # What comes most often stands first.
                case Persist():
                    pass  # Kept already.
                case Broadcast():
                    word = "head" if effect.status else "pbft"
                    await self._say(f"{word}.{self._agent}", effect.frame)
                case Execute():
                    await self._tell(effect)
                case Acknowledge():
                    await self._bus.publish(f"ordered.{self._agent}", effect.frame)
                case Send():
                    await self._say(f"pbft.{self._agent}.{effect.peer}", effect.frame)
                case Compact():
                    # Votes are all that a machine without power has of an entry: they are only
                    # forgotten once the ledger holds it for good.
                    self._store.sync()
                    self._votes.replace(effect.records)
                case Serve():
                    frame = self._server.answer(effect.first, effect.limit)
                    await self._say(f"pbft.{self._agent}.{effect.peer}", frame)
                case Trace():
                    self._trace(effect, 0, self._clock.monotonic_ns())
                case rare:
                    self._raise_alarm(rare)

    def _raise_alarm(self, effect: ReportEvidence | Halted | Retired) -> None:
        match effect:
            case ReportEvidence():
                self.on_evidence(effect.evidence)
            case Halted():
                log.critical("replica_halted", proven=effect.proven)
            case Retired():
                log.warning("replica_retired", epoch=effect.epoch)
                self.on_retired(effect.epoch)

    def _keep(self, effects: Sequence[Effect], position: int) -> int:
        """Keep all votes and entries up to the next compaction; returns where that is.

        The votes with one sync, and first: an entry's certificate may hold one of them, and a vote
        that an entry rests on must not be forgotten in a crash while the entry is not.
        """
        following = (at for at in range(position, len(effects)) if isinstance(effects[at], Compact))
        end = next(following, len(effects))
        records: list[AnyRecord] = []
        entries: list[Entry] = []
        for effect in effects[position:end]:
            if isinstance(effect, Persist):
                records += effect.records
            elif isinstance(effect, Execute):
                entries.append(effect.entry)
        if records:
            self._votes.append(records)
        if entries:
            self._store.append(entries, self._clock.monotonic_ns())
        return end

    async def _tell(self, effect: Execute) -> None:
        """Tell everyone of an entry that the ledger holds."""
        self.on_execute(effect.entry)
        self._more.set()
        self._more = asyncio.Event()
        announced = encode(Announced(effect.entry, effect.chain))
        await self._bus.publish(f"ledger.{self._agent}", announced)

    async def _say(self, subject: str, frame: bytes) -> None:
        stamp = self._clock.monotonic_ns().to_bytes(_STAMP, "big")
        await self._bus.publish(subject, stamp + frame)

    def _trace(self, effect: Trace, sent_ns: int, received_ns: int) -> None:
        self.on_trace(
            TraceEvent(
                sender=effect.sender,
                receiver=self._agent,
                kind=effect.kind,
                view=effect.view,
                sequence_number=effect.sequence_number,
                digest=effect.digest[:8],
                sent_ns=sent_ns,
                received_ns=received_ns,
                refused=effect.refused[:80],
            )
        )
