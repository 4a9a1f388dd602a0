"""A whole cluster in one thread: one seed decides every delay, loss, crash and lie."""

import heapq
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

import msgspec

from engine.codec import encode
from engine.consensus.certificate import chain_after
from engine.consensus.clients import ClientTable
from engine.consensus.committee import Committee
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
    Submit,
    Tick,
)
from engine.consensus.messages import Entries
from engine.consensus.replica import Replica, Resume
from engine.consensus.settings import Settings
from engine.consensus.simulate.checker import Checker
from engine.consensus.simulate.members import Members
from engine.vocabulary import AgentId, Entry

SETTINGS = Settings(checkpoint_period=8, in_flight=4, batch_submissions=4)
TICK_MS = 50


@dataclass
class Network:
    """What the wire does to messages."""

    delay_ms: tuple[int, int] = (1, 10)
    loss: float = 0.0
    duplication: float = 0.0
    cut: set[frozenset[AgentId]] = field(default_factory=set)
    """Pairs that cannot hear each other."""


class Node:
    """One machine: a disk that outlives the replica on it. A liar runs two replicas with one key."""

    def __init__(self, cluster: "Cluster", agent: AgentId, side: int = 0) -> None:
        self.cluster = cluster
        self.agent = agent
        self.side = side
        self.records: list[AnyRecord] = []
        self.entries: list[Entry] = []
        self.head: tuple[int, bytes] = (0, cluster.members.genesis.cluster)
        self.replica: Replica | None = None
        self.start()

    def start(self) -> None:
        """Start a replica from what is on disk."""
        clients = ClientTable()
        for entry in self.entries:
            clients.fresh(entry)
        members = self.cluster.members
        committee = Committee(members.genesis, members.verifier)
        if self.cluster.quorum is not None:
            committee.quorum = self.cluster.quorum
        self.replica = Replica(
            committee, self.agent, members.signers[self.agent], self.cluster.settings,
            Resume(self.head, clients, self.records),
        )  # fmt: skip

    def step(self, event: Event, crash_after: int | None = None) -> None:
        """Feed the replica; with ``crash_after`` the machine dies after that many effects."""
        if self.replica is None:
            return
        for count, effect in enumerate(self.replica.step(event)):
            if count == crash_after:
                self.replica = None
                return
            self.carry_out(effect)
        if crash_after is not None:
            self.replica = None

    def carry_out(self, effect: Effect) -> None:
        """Do what the core asked for."""
        cluster = self.cluster
        match effect:
            case Persist():
                self.records.extend(effect.records)
            case Compact():
                self.records = list(effect.records)
            case Broadcast():
                cluster.checker.sent(self.agent, effect.frame)
                for peer in cluster.members.ids:
                    cluster.post(self, peer, effect.frame)
            case Send():
                cluster.checker.sent(self.agent, effect.frame)
                cluster.post(self, effect.peer, effect.frame)
            case Serve():
                found = tuple(self.entries[effect.first - 1 : effect.first - 1 + effect.limit])
                cluster.post(self, effect.peer, encode(Entries(found)))
            case Execute():
                if self.agent not in cluster.checker.byzantine:
                    cluster.checker.executed(self.agent, effect.entry, self.head, effect.chain)
                self.entries.append(effect.entry)
                genesis = cluster.members.genesis
                chain = chain_after(self.head[1], effect.entry, genesis.cluster, genesis.epoch)
                self.head = (effect.entry.sequence_number, chain)
            case ReportEvidence():
                if self.agent not in cluster.checker.byzantine:
                    cluster.checker.accused(effect.evidence)
            case _:
                pass


class Cluster:
    """``n`` nodes, a network and a clock, all driven by one ``random.Random``."""

    def __init__(
        self, n: int, f: int, seed: int, *,
        liars: int = 0, quorum: int | None = None, settings: Settings = SETTINGS,
    ) -> None:  # fmt: skip
        self.random = random.Random(seed)
        self.members = Members(n, f)
        self.settings = settings
        self.quorum = quorum
        self.network = Network()
        self.checker = Checker(self.members, settings.window, quorum)
        self.now_ms = 1_000_000
        self._heap: list[tuple[int, int, Callable[[], None]]] = []
        self._ties = 0
        self.nodes: dict[AgentId, list[Node]] = {}
        for agent in self.members.ids:
            self.nodes[agent] = [Node(self, agent)]
        for agent in self.random.sample(self.members.ids, liars):
            self.checker.byzantine.add(agent)
            self.nodes[agent].append(Node(self, agent, side=1))
        self.sides = {agent: self.random.randrange(2) for agent in self.members.ids}
        for node in self.all_nodes():
            self.at(self.random.randrange(TICK_MS), partial(self._tick, node))

    def all_nodes(self) -> list[Node]:
        """Every node, a liar's twins included."""
        return [node for twins in self.nodes.values() for node in twins]

    def honest(self) -> list[Node]:
        """The nodes that must agree."""
        return [self.nodes[it][0] for it in self.members.ids if it not in self.checker.byzantine]

    # --- time --------------------------------------------------------------------------------

    def at(self, delay_ms: int, action: Callable[[], None]) -> None:
        """Have ``action`` happen later."""
        self._ties += 1
        heapq.heappush(self._heap, (self.now_ms + delay_ms, self._ties, action))

    def _tick(self, node: Node) -> None:
        node.step(Tick(self.now_ms))
        self.at(TICK_MS, lambda: self._tick(node))

    def run(self, for_ms: int, until: Callable[[], bool] = lambda: False) -> bool:
        """Let time pass; True as soon as ``until`` holds."""
        end = self.now_ms + for_ms
        checked = 0
        while self._heap and self._heap[0][0] <= end:
            self.now_ms, _, action = heapq.heappop(self._heap)
            action()
            if self.now_ms > checked + TICK_MS:
                checked = self.now_ms
                if until():
                    return True
        self.now_ms = end
        return until()

    # --- messages ----------------------------------------------------------------------------

    def post(self, sender: Node, receiver: AgentId, frame: bytes) -> None:
        """Put a message on the wire; what the network does to it is up to the seed."""
        if sender.agent == receiver:
            return
        for node in self.nodes[receiver]:
            if self._hears(sender, node) and self.random.random() >= self.network.loss:
                copies = 2 if self.random.random() < self.network.duplication else 1
                for _ in range(copies):
                    delay = self.random.randint(*self.network.delay_ms)
                    self.at(delay, partial(self._deliver, sender.agent, node, frame))

    def _hears(self, sender: Node, receiver: Node) -> bool:
        if frozenset((sender.agent, receiver.agent)) in self.network.cut:
            return False
        # A liar shows one face to some and the other to the rest.
        liars = self.checker.byzantine
        if sender.agent in liars and receiver.agent not in liars:
            return sender.side == self.sides[receiver.agent]
        if receiver.agent in liars and sender.agent not in liars:
            return receiver.side == self.sides[sender.agent] or self.random.random() < 0.5
        return True

    def _deliver(self, sender: AgentId, node: Node, frame: bytes) -> None:
        node.step(Receive(sender, frame))

    def submit(self, submission: bytes, to: list[Node] | None = None) -> None:
        """Hand a submission to some nodes."""
        self.checker.submitted.add(submission)
        for node in to or self.all_nodes():
            node.step(Submit(submission))

    # --- faults ------------------------------------------------------------------------------

    def crash(self, node: Node) -> None:
        """Kill a node now."""
        node.replica = None

    def restart(self, node: Node) -> None:
        """Start it from its disk, which was written and read as bytes."""
        if node.replica is None:
            node.records = [
                msgspec.msgpack.decode(encode(record), type=AnyRecord) for record in node.records
            ]
            node.start()

    def heal(self) -> None:
        """End all faults but the liars."""
        self.network = Network()
        for node in self.all_nodes():
            self.restart(node)
