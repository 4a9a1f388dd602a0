"""One simulated machine: a disk, the replica on it, and the agent that uses it."""

from collections.abc import Collection, Sequence
from typing import Protocol

from engine.charter import Charter
from engine.codec import encode
from engine.consensus.certificate import check_entry
from engine.consensus.clients import ClientTable
from engine.consensus.effects import (
    AnyRecord,
    Broadcast,
    Compact,
    Effect,
    Event,
    Execute,
    Persist,
    Receive,
    ReportEvidence,
    Send,
    Serve,
    Trace,
)
from engine.consensus.evidence import Evidence
from engine.consensus.messages import Entries
from engine.consensus.replica import Replica
from engine.consensus.resume import Resume
from engine.consensus.settings import Settings
from engine.consensus.simulate.adversary import AMNESIAC, Liar
from engine.consensus.simulate.checker import Checker
from engine.consensus.simulate.law import DIGEST_EVERY
from engine.consensus.simulate.members import Members
from engine.consensus.simulate.mind import Mind
from engine.consensus.simulate.outbox import FIRST_COUNTER, Outbox
from engine.consensus.simulate.storage import reread, torn
from engine.consensus.simulate.trace import Tracer
from engine.council import Happening
from engine.vocabulary import AgentId, Convicted, Digest, Entry

FOLLOWED = 64
"""Entries that a waiting successor takes at a time."""


class Surroundings(Protocol):
    """What a node needs of the cluster around it."""

    members: Members
    settings: Settings
    quorum: int | None
    checker: Checker
    tracer: Tracer

    @property
    def now_ms(self) -> int:
        """The time."""
        ...

    def post(self, sender: "Node", receiver: AgentId, frame: bytes) -> None:
        """Put a frame on the wire."""
        ...

    def mark(self, what: str) -> None:
        """Note that something worth counting happened in this run."""
        ...


class Node:
    """One machine: a disk that outlives the replica on it. Twins are two with one key.

    A successor has a key of its own, and only follows the log until that is ordered in.
    """

    def __init__(
        self, cluster: Surroundings, agent: AgentId, side: int = 0, generation: int = 0
    ) -> None:
        members = cluster.members
        self.cluster = cluster
        self.agent = agent
        self._peers = tuple(peer for peer in members.ids if peer != agent)
        self.side = side
        self.person, self.signer = agent, members.signers[agent]
        if generation:
            self.person, self.signer = members.successor(agent, generation)
        self.lost = False
        """Whether its disk is gone, so that it may never speak again."""
        self.records: list[AnyRecord] = []
        self.torn_tail = b""
        self.entries: list[Entry] = []
        self.head: tuple[int, bytes] = (0, cluster.members.genesis.cluster)
        self.replica: Replica | None = None
        self.liar: Liar | None = None
        self.mind = Mind(agent, self.signer)
        first = FIRST_COUNTER * (generation + 1)
        self.outbox = Outbox(members, agent, self.signer, first)
        self.start()

    @property
    def honest(self) -> bool:
        """Whether it must agree."""
        return self.person not in self.cluster.checker.byzantine

    def start(self) -> None:
        """Start a replica from what is on disk, and fold the ledger again."""
        cluster, members = self.cluster, self.cluster.members
        clients, epochs = ClientTable(), members.epochs(cluster.settings, cluster.quorum)
        self.clients = ClientTable()
        self.epochs = members.epochs(cluster.settings, cluster.quorum)
        self.council = members.council(cluster.settings)
        self._came_to: dict[int, tuple[list[Happening], Digest | None, tuple[int, bytes]]] = {}
        for entry in self.entries:
            clients.note(entry)
            epochs.take(entry)
            self._fold(entry)
        if not self.in_office and not self.records:
            return
        self.replica = Replica(
            epochs.committees[0], self.agent, self.signer, cluster.settings,
            Resume(self.head, clients, self.records, self.council.proven, epochs), self._apply,
        )  # fmt: skip

    @property
    def in_office(self) -> bool:
        """Whether its key counts, as far as its own ledger has come."""
        keys = self.epochs.constitution.agent_keys()
        return keys[self.agent] == self.signer.public_key

    def follow(self, source: "Node") -> None:
        """As a successor that waits: take entries from another machine, and check each.

        It takes office with the proof that the old epoch has ended, or when the next one goes on
        without it: till then that epoch may still need the voice of whoever it replaces.
        """
        for entry in source.entries[self.head[0] : self.head[0] + FOLLOWED]:
            check_entry(entry, self.epochs.committee)
            self._fold(entry)
            self.entries.append(entry)
            self.head = self.epochs.head
        if not self.in_office or source.replica is None:
            return
        charter, handover = self.epochs.constitution, source.replica.handover
        if handover is not None and handover.charter == charter:
            self.records = [handover]
        elif self.head[0] == charter.base[0]:
            return
        self.start()
        self.cluster.tracer.fact(self.agent, b"successor", self.cluster.now_ms)

    def die(self) -> None:
        """Lose everything that is not on the disk."""
        self.replica = None

    def restart(self) -> None:
        """Start again from the disk, which is read as the bytes that were written."""
        if self.replica is not None or self.lost:
            return
        forgets = self.liar is not None and AMNESIAC in self.liar.ways
        self.records = [] if forgets else reread(self.records, self.torn_tail)
        self.torn_tail = b""
        self.start()
        self.cluster.mark("crash-restart")
        self.cluster.tracer.fact(self.agent, b"restart", self.cluster.now_ms)

    # --- events and effects ------------------------------------------------------------------

    def step(self, event: Event, sent_ms: int = 0) -> None:
        """Feed the replica, and do what it asks for."""
        if self.replica is None:
            return
        head, effects = self.head, self._effects(self.replica, event)
        for effect in effects:
            self.carry_out(effect, sent_ms)
        if self.head is not head and _fetched(effects):
            self.cluster.mark("state transfer")

    def hear(self, event: Receive, sent_ms: int) -> None:
        """Take what the wire brings."""
        if self.liar is not None:
            self.liar.heard.append(event.frame)
        self.step(event, sent_ms)

    def die_in(self, event: Event, crash_after: int, tear: float) -> None:
        """Feed the replica, and die after so many of its effects.

        If the effect that it dies in writes votes, the share ``tear`` of them reaches the disk.
        """
        if self.replica is None:
            return
        effects = self._effects(self.replica, event)
        for effect in effects[:crash_after]:
            self.carry_out(effect)
        dies_in = effects[crash_after] if crash_after < len(effects) else None
        if isinstance(dies_in, Persist):
            self.torn_tail = torn(dies_in.records, tear)
        self.die()

    def _effects(self, replica: Replica, event: Event) -> Sequence[Effect]:
        try:
            return replica.step(event)
        except Exception:
            if self.honest:
                raise
            # A traitor may have broken its own replica with its lies: that is its own affair.
            self.die()
            return ()

    def carry_out(self, effect: Effect, sent_ms: int = 0) -> None:
        """Do what the core asked for; ``sent_ms`` is when that was said which made it ask."""
        match effect:
            case Trace():
                self.cluster.tracer.message(self.agent, effect, sent_ms, self.cluster.now_ms)
            case Persist():
                self.records.extend(effect.records)
            case Broadcast():
                for peer in self._peers:
                    self.cluster.post(self, peer, effect.frame)
            case Compact():
                self.records = list(effect.records)
            case Send():
                self.cluster.post(self, effect.peer, effect.frame)
            case Serve():
                found = tuple(self.entries[effect.first - 1 : effect.first - 1 + effect.limit])
                self.cluster.post(self, effect.peer, encode(Entries(found)))
            case Execute():
                self._execute(effect)
            case ReportEvidence():
                self._report(effect.evidence)
            case _:
                pass

    def _execute(self, effect: Execute) -> None:
        cluster, entry = self.cluster, effect.entry
        if self.honest:
            cluster.checker.executed(self.agent, entry, self.head, effect.chain)
        self.entries.append(entry)
        told, digest, self.head = self._came_to.pop(entry.sequence_number)
        cluster.tracer.fact(self.agent, self.head[1], cluster.now_ms)
        if self.honest:
            cluster.checker.folded(self.agent, entry.sequence_number, told, digest)
            if self.replica is not None:
                cluster.checker.bounded(self.agent, self.replica)

    def _apply(self, entry: Entry) -> Collection[AgentId]:
        """As the replica's application: fold the entry in the step that commits it."""
        number = entry.sequence_number
        told = self._fold(entry)
        digest = self.council.digest() if number % DIGEST_EVERY == 0 else None
        self._came_to[number] = (told, digest, self.epochs.head)
        return self.council.proven

    def _fold(self, entry: Entry) -> list[Happening]:
        told: list[Happening] = []
        for submission, frame in self.clients.fresh_frames(
            entry, self.epochs.committee.known_submission
        ):
            told += self.council.apply(entry.sequence_number, submission, frame)
        if self.epochs.take(entry):
            charter = self.epochs.constitution
            assert isinstance(charter, Charter), "every epoch but the first has a charter"
            told += self.council.begin(charter)
        return told

    def _report(self, evidence: Evidence) -> None:
        if self.honest:
            self.cluster.checker.accused(evidence)
            if evidence.is_orderable and evidence.culprit not in self.council.proven:
                self.outbox.write(
                    Convicted(evidence.culprit, evidence.kind, evidence.first, evidence.second)
                )


def _fetched(effects: Sequence[Effect]) -> bool:
    """Whether a step that executed something did so with entries that a peer sent."""
    last = effects[-1]
    return isinstance(last, Trace) and last.kind == "entries"
