"""One seed, one storm: faults of every kind at once, then calm, in which a quorum must decide."""

import random
from functools import partial
from typing import TYPE_CHECKING

from msgspec.structs import replace

from engine.charter import claim
from engine.codec import encode
from engine.consensus.effects import Receive, Tick
from engine.consensus.messages import Relay
from engine.consensus.settings import Settings
from engine.consensus.simulate.adversary import FRAMING, TWO_ANSWERS
from engine.consensus.simulate.cluster import TICK_MS, Cluster, Node
from engine.consensus.simulate.fleet import Fleet
from engine.consensus.simulate.members import OPERATOR
from engine.consensus.simulate.network import Network
from engine.consensus.simulate.outbox import Outbox
from engine.consensus.simulate.scenario import STORM_MS, Item, Scenario, draw
from engine.consensus.simulate.trace import Tracer
from engine.consensus.simulate.violation import Violation
from engine.genesis import ACTUATOR
from engine.policy import DRILL_RULES, Limits, Spans
from engine.vocabulary import (
    AgentId,
    Assessed,
    CommandId,
    Configured,
    Convicted,
    Frozen,
    Operation,
    Replaced,
    Thawed,
    Verdict,
)

if TYPE_CHECKING:
    from collections.abc import Callable

CALM_TICKS = 800
"""Within so many ticks of the calm a healed quorum must have decided everything: 40 s, as a
view change may have backed off to 2**5 timeouts before."""
FINAL = 900
"""Counter of the submission that the calm begins with."""
SETTINGS = Settings(checkpoint_period=8, in_flight=4, batch_submissions=8)


class Storm:
    """Drives a cluster through ``STORM_MS`` of what its seed has in store, and then heals it."""

    def __init__(
        self, n: int, f: int, seed: int, *,
        quorum: int | None = None, only: frozenset[int] | None = None, tracer: Tracer | None = None,
    ) -> None:  # fmt: skip
        self.random = random.Random(seed)
        self.drawn = draw(n, f, seed, self.random)
        self.scenario: Scenario = self.drawn if only is None else self.drawn.only(only)
        self.cluster = Cluster(
            n, f, seed, quorum=quorum, settings=SETTINGS, chance=self.random, tracer=tracer
        )
        self.fleet = Fleet()
        members = self.cluster.members
        self.actuator = Outbox(members, ACTUATOR, members.actuator)
        self.operator = Outbox(members, OPERATOR, members.operator)
        self.calm_ticks = 0
        """How long the calm took until the healed quorum had decided everything."""
        self._chosen: list[AgentId] = []
        self._cured = 0
        for place in self.scenario.liars:
            self.cluster.checker.byzantine.add(self._agent(place))
        self.cluster.on_tick = self._agent_ticks

    def run(self) -> Cluster:
        """Storm, then calm.

        Raises:
            Violation: something happened that never may, or nothing happened when it must.
        """
        cluster = self.cluster
        for item in self.scenario.items:
            cluster.at(item.at_ms, partial(self._happen, item))
        cluster.run(STORM_MS)
        self._heal_a_quorum()
        began_ms = cluster.now_ms
        if not cluster.run(CALM_TICKS * TICK_MS, until=self._all_decided):
            heads = {node.agent: node.head[0] for node in self._core}
            raise Violation(f"liveness: not all decided in {CALM_TICKS} ticks of calm; {heads}")
        self.calm_ticks = (cluster.now_ms - began_ms) // TICK_MS
        self._count()
        return cluster

    @property
    def _core(self) -> list[Node]:
        """The machines of those that must decide everything in the calm."""
        return [self.cluster.nodes[agent][0] for agent in self._chosen]

    @property
    def _epoch(self) -> int:
        """Which epoch an outsider speaks in: it knows the log as far as anybody does."""
        return self.cluster.checker.law.council.genesis.epoch

    def _agent(self, place: int) -> AgentId:
        return self.cluster.members.ids[place]

    # --- the calm ----------------------------------------------------------------------------

    def _heal_a_quorum(self) -> None:
        """Mend the wire, and the machines of a random quorum; the rest stays as it is, or dead."""
        cluster = self.cluster
        honest = [node for node in cluster.honest() if not node.lost]
        quorum = cluster.members.genesis.quorum
        size = self.random.randrange(quorum, len(honest) + 1)
        chosen = sorted(self.random.sample(range(len(honest)), size))
        self._chosen = [honest[place].agent for place in chosen]
        cluster.network = Network()
        for node in honest:
            if node.agent in self._chosen:
                cluster.restart(node)
            else:
                cluster.crash(node)
        self.operator.put(FINAL, cluster.members.note(FINAL))

    def _all_decided(self) -> bool:
        law = self.cluster.checker.law
        if not law.clients.knows((OPERATOR, FINAL)):
            return False
        core = self._core
        # Who was ordered in is there, and whoever it replaces is not missed.
        if law.epochs.boundary is not None or any(
            node.replica is None or node.replica.epoch != self._epoch for node in core
        ):
            return False
        heads = {node.head for node in core}
        return len(heads) == 1 and not any(node.outbox.waiting for node in core)

    # --- what agents, actuator and operator do -----------------------------------------------

    def _agent_ticks(self, node: Node) -> None:
        cluster = self.cluster
        if node.replica is None or node.side:
            return
        for operation in node.mind.speak(node.council, self.fleet, cluster.now_ms):
            if node.liar is not None:
                self._lie(node, node.liar.ways, operation)
            else:
                node.outbox.write(operation)
        epoch = node.council.genesis.epoch
        for frame in node.outbox.due(node.clients, cluster.now_ms, epoch):
            cluster.publish(node, frame)
        self._outsiders()

    def _lie(self, node: Node, ways: set[str], operation: Operation) -> None:
        """What a traitor among the agents says in the council."""
        node.outbox.write(operation)
        if TWO_ANSWERS in ways and isinstance(operation, Assessed):
            other = Verdict.ACCEPT if operation.verdict is Verdict.REJECT else Verdict.REJECT
            node.outbox.write(
                Assessed(operation.incident, operation.proposal, other, operation.score_permille)
            )
        if FRAMING in ways and node.liar is not None and len(node.liar.heard) > 1:
            victim = self.random.choice([it.agent for it in self.cluster.honest()])
            first, second = self.random.sample(list(node.liar.heard), 2)
            node.outbox.write(Convicted(victim, "double-prepare", first[:4096], second[:4096]))

    def _outsiders(self) -> None:
        cluster, law = self.cluster, self.cluster.checker.law
        for certificate in law.certificates[self._cured :]:
            self._cured += 1
            acted = self.fleet.carry_out(certificate, law, cluster.now_ms)
            if acted is not None:
                self.actuator.write(acted)
        for outbox in (self.actuator, self.operator):
            for frame in outbox.due(law.clients, cluster.now_ms, self._epoch):
                cluster.submit(frame, [it for it in cluster.honest() if it.replica is not None])

    # --- what happens ------------------------------------------------------------------------

    def _happen(self, item: Item) -> None:
        happenings: dict[str, Callable[[Item], None]] = {
            "lie": self._lie_begins, "weather": self._weather, "partition": self._cut,
            "deaf": self._cut, "mute": self._cut, "crash": self._crash, "faces": self._faces,
            "trouble": self._trouble, "note": self._note, "freeze": self._freeze,
            "lose": self._lose, "replace": self._replace,
        }  # fmt: skip
        happenings[item.kind](item)

    def _lie_begins(self, item: Item) -> None:
        agent = self._agent(item.places[0])
        # Who was replaced before it began to lie is gone; its successor is somebody else.
        if self.cluster.nodes[agent][0].person == agent:
            self.cluster.turn(agent, item.way)

    def _weather(self, item: Item) -> None:
        network = self.cluster.network
        network.delay_ms = (1, item.number)
        network.loss, network.duplication, network.late = item.shares

    def _pairs(self, item: Item) -> tuple[list[tuple[AgentId, AgentId]], ...]:
        ids = self.cluster.members.ids
        inside = [ids[place] for place in item.places]
        outside = [agent for agent in ids if agent not in inside]
        to_them = [(other, one) for one in inside for other in outside]
        return to_them, [(one, other) for other, one in to_them]

    def _cut(self, item: Item) -> None:
        heard, said = self._pairs(item)
        pairs = {"partition": heard + said, "deaf": heard, "mute": said}[item.kind]
        network = self.cluster.network
        network.lose(pairs, 1)
        self.cluster.at(item.lasts_ms, partial(network.lose, pairs, -1))

    def _crash(self, item: Item) -> None:
        """The machine dies between two effects of one step, or within a write."""
        node = self.cluster.nodes[self._agent(item.places[0])][0]
        if node.replica is None:
            return
        # A peer's word makes it say something, and so die with votes half said.
        note = self.cluster.members.submission(1000 + item.at_ms, epoch=self._epoch)
        self.cluster.checker.submitted.add(note)
        peer = self._agent((item.places[0] + 1) % self.scenario.n)
        event = Receive(peer, encode(Relay((note,)))) if item.number else Tick(self.cluster.now_ms)
        node.die_in(event, item.number, item.shares[0])
        self.cluster.at(item.lasts_ms, partial(self.cluster.restart, node))

    def _faces(self, item: Item) -> None:
        """A liar shows its faces to others than before."""
        agent = self._agent(item.places[0])
        bits = [(item.number >> place) & 1 for place in range(self.scenario.n)]
        chosen = {self._agent(place) for place, bit in enumerate(bits) if bit}
        liar = self.cluster.nodes[agent][0].liar
        if liar is not None:
            liar.fooled = chosen
        self.cluster.sides = {it: int(it in chosen) for it in self.cluster.members.ids}

    def _trouble(self, _: Item) -> None:
        self.fleet.breaks(self.cluster.now_ms)

    def _note(self, item: Item) -> None:
        """An outsider's submission that reaches some replicas; its author insists in the calm."""
        cluster = self.cluster
        note = cluster.members.submission(item.number, epoch=self._epoch)
        alive = [cluster.nodes[self._agent(place)][0] for place in item.places]
        cluster.submit(note, [node for node in alive if node.replica is not None] or alive[:1])

    def _freeze(self, item: Item) -> None:
        self.operator.write(Frozen(CommandId(f"freeze {item.at_ms}")))
        self.cluster.at(item.lasts_ms, partial(self._thaw, CommandId(f"thaw {item.at_ms}")))

    def _thaw(self, command: CommandId) -> None:
        self.operator.write(Thawed(command))

    def _lose(self, item: Item) -> None:
        """A machine's disk is gone, votes and all: as it is, it may never speak again."""
        node = self.cluster.nodes[self._agent(item.places[0])][0]
        node.lost = True
        self.cluster.crash(node)

    def _replace(self, item: Item) -> None:
        """An operator has a new machine made for an agent, and its key ordered in.

        In about every other storm another policy too: it is a matter of the item's own time, so that
        nothing that is drawn after it changes.
        """
        law = self.cluster.checker.law
        agent = self._agent(item.places[0])
        signer = self.cluster.succeed(agent).signer
        claimed = claim(agent, law.council.genesis, signer)
        command = CommandId(f"replace {item.at_ms}")
        self.operator.write(Replaced(command, agent, signer.public_key, claimed))
        if item.at_ms % 2:
            rules = replace(
                DRILL_RULES,
                limits=Limits(attempts=1 + item.at_ms % 5),
                spans=Spans(auto_ms=30_000 + item.at_ms),
            )
            order = Configured(CommandId(f"configure {item.at_ms}"), rules.encoded)
            self.operator.write(order)

    # --- what is worth counting --------------------------------------------------------------

    def _count(self) -> None:
        cluster = self.cluster
        if any(node.replica is not None and node.replica.view for node in cluster.honest()):
            cluster.mark("view change")
        if cluster.checker.equivocated:
            cluster.mark("equivocation")
        if cluster.checker.law.council.convicted:
            cluster.mark("conviction")
        if self._epoch:
            cluster.mark("membership change")
        council = cluster.checker.law.council
        if council.genesis.policy != cluster.members.genesis.policy:
            cluster.mark("policy change")
        if cluster.checker.law.certificates:
            cluster.mark("certificate")
