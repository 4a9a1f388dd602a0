"""A whole cluster in one thread: one seed decides every delay, loss, crash and lie."""

import random
from collections.abc import Callable
from functools import partial

from engine.consensus.effects import Receive, Submit, Tick
from engine.consensus.settings import Settings
from engine.consensus.simulate.adversary import TWINS, Liar
from engine.consensus.simulate.agenda import Agenda
from engine.consensus.simulate.checker import Checker
from engine.consensus.simulate.members import Members
from engine.consensus.simulate.network import Network
from engine.consensus.simulate.node import Node
from engine.consensus.simulate.trace import Tracer
from engine.vocabulary import AgentId

__all__ = ["SETTINGS", "TICK_MS", "Cluster", "Network", "Node"]

SETTINGS = Settings(checkpoint_period=8, in_flight=4, batch_submissions=4)
TICK_MS = 50


class Cluster:
    """``n`` nodes, a network and a clock, all driven by one ``random.Random``."""

    def __init__(
        self, n: int, f: int, seed: int, *,
        liars: int = 0, quorum: int | None = None, settings: Settings = SETTINGS,
        chance: random.Random | None = None, tracer: Tracer | None = None,
    ) -> None:  # fmt: skip
        self.random = chance or random.Random(seed)
        self.members = Members(n, f)
        self.settings = settings
        self.quorum = quorum
        self.network = Network()
        self.checker = Checker(self.members, settings, quorum)
        self.tracer = tracer or Tracer()
        self.marks: set[str] = set()
        self._agenda = Agenda(now_ms=1_000_000)
        self.at = self._agenda.at
        """Have something happen later: in so many ms."""
        self.on_tick: Callable[[Node], None] = lambda _: None
        """What the agent on a machine does each tick."""
        self._twinned = False
        """Whether any key has two machines."""
        self.ghosts: list[Node] = []
        """Machines whose key was replaced; nobody has told them."""
        self.nodes: dict[AgentId, list[Node]] = {it: [Node(self, it)] for it in self.members.ids}
        for agent in self.random.sample(self.members.ids, liars):
            self.turn(agent, TWINS)
        self._waiting: list[Node] = []
        """Every successor there ever was."""
        self.sides = {agent: self.random.randrange(2) for agent in self.members.ids}
        for twins in self.nodes.values():
            self._begin(twins[0])

    def _begin(self, node: Node) -> None:
        self.at(self.random.randrange(TICK_MS), partial(self._tick, node))

    def turn(self, agent: AgentId, way: str) -> Liar:
        """Make ``agent`` a traitor, from now on in this way too."""
        self.checker.byzantine.add(agent)
        first = self.nodes[agent][0]
        if first.liar is None:
            first.liar = Liar(self.members, agent, self.random)
        first.liar.ways.add(way)
        if way == TWINS and len(self.nodes[agent]) == 1:
            twin = Node(self, agent, side=1)
            self.nodes[agent].append(twin)
            self._twinned = True
            self._begin(twin)
        return first.liar

    def mark(self, what: str) -> None:
        """Note that something worth counting happened in this run."""
        self.marks.add(what)

    def all_nodes(self) -> list[Node]:
        """Every node, a liar's twins included."""
        return [node for twins in self.nodes.values() for node in twins]

    def honest(self) -> list[Node]:
        """The nodes that must agree."""
        return [twins[0] for twins in self.nodes.values() if twins[0].honest]

    def succeed(self, agent: AgentId) -> Node:
        """Put a machine with a new key beside an agent's; it follows until that is ordered in."""
        successor = Node(self, agent, generation=len(self._waiting) + 1)
        self._waiting.append(successor)
        self.at(TICK_MS, partial(self._wait, successor))
        return successor

    def _wait(self, successor: Node) -> None:
        if successor.lost:
            return
        alive = [node for node in self.honest() if node.replica is not None]
        if alive:
            successor.follow(self.random.choice(alive))
        if successor.replica is None:
            self.at(TICK_MS, partial(self._wait, successor))
            return
        self.ghosts += self.nodes[successor.agent]
        self.nodes[successor.agent] = [successor]
        self._begin(successor)

    # --- time --------------------------------------------------------------------------------

    @property
    def now_ms(self) -> int:
        """The time."""
        return self._agenda.now_ms

    def _tick(self, node: Node) -> None:
        node.step(Tick(self.now_ms))
        if node.liar is not None and node.replica is not None:
            node.liar.keep_up(node.replica.constitution)
            self._noise(node, node.liar)
        self.on_tick(node)
        self.at(TICK_MS, partial(self._tick, node))

    def _noise(self, node: Node, liar: Liar) -> None:
        if node.replica is not None and liar.ways:
            view, number = node.replica.view, node.replica.executed
            for peer in self.members.ids:
                if peer != node.agent:
                    for frame in liar.noise(peer, view, number):
                        self._carry(node, peer, frame, 0)

    def run(self, for_ms: int, until: Callable[[], bool] = lambda: False) -> bool:
        """Let time pass; True as soon as ``until`` holds."""
        return self._agenda.run(for_ms, until, every_ms=TICK_MS)

    # --- messages ----------------------------------------------------------------------------

    def post(self, sender: Node, receiver: AgentId, frame: bytes) -> None:
        """Put a message on the wire; a liar's is what the liar makes of it."""
        if sender.agent == receiver:
            return
        liar = sender.liar or (self._mates(sender)[0].liar if sender.side else None)
        if liar is None:
            self.checker.sent(sender.agent, frame, sender.person)
            self._carry(sender, receiver, frame, 0)
            return
        for delay_ms, altered in liar.alter(receiver, frame):
            self.checker.submitted.update(liar.made_up)
            liar.made_up.clear()
            self.checker.sent(sender.agent, altered, sender.person)
            self._carry(sender, receiver, altered, delay_ms)

    def _carry(self, sender: Node, receiver: AgentId, frame: bytes, more_ms: int) -> None:
        network = self.network
        if (network.lost or network.cut) and not network.hears(sender.agent, receiver):
            return
        event, now_ms = Receive(sender.agent, frame), self._agenda.now_ms
        for node in self.nodes[receiver]:
            if not self._twinned or self._faces(sender, node):
                for delay_ms in network.delays(self.random):
                    self.at(delay_ms + more_ms, partial(node.hear, event, now_ms))

    def _faces(self, sender: Node, receiver: Node) -> bool:
        # Twins show one face to some and the other to the rest.
        twins = len(self._mates(sender)) > 1, len(self.nodes[receiver.agent]) > 1
        if twins == (True, False):
            return sender.side == self.sides[receiver.agent]
        if twins == (False, True):
            return receiver.side == self.sides[sender.agent] or self.random.random() < 0.5
        return True

    def _mates(self, node: Node) -> list[Node]:
        """A node and its twin, whether their key still counts or not."""
        now = self.nodes[node.agent]
        return now if node in now else [it for it in self.ghosts if it.person == node.person]

    def submit(self, submission: bytes, to: list[Node] | None = None) -> None:
        """Hand a submission to some nodes."""
        self.checker.submitted.add(submission)
        for node in to or self.all_nodes():
            node.step(Submit(submission))

    def publish(self, author: Node, submission: bytes) -> None:
        """Have an agent's submission go to every replica over the wire, and to its own at once."""
        self.checker.submitted.add(submission)
        author.step(Submit(submission))
        for receiver in self.members.ids:
            if receiver != author.agent and self.network.hears(author.agent, receiver):
                for node in self.nodes[receiver]:
                    for delay_ms in self.network.delays(self.random):
                        self.at(delay_ms, partial(node.step, Submit(submission)))

    # --- faults ------------------------------------------------------------------------------

    def crash(self, node: Node) -> None:
        """Kill a node now."""
        node.die()

    def restart(self, node: Node) -> None:
        """Start it from its disk, which was written and read as bytes."""
        node.restart()

    def heal(self) -> None:
        """End all faults but the liars."""
        self.network = Network()
        for node in self.all_nodes():
            self.restart(node)
