"""One seed, one storm: faults of every kind at once, then calm, in which all must decide."""

from functools import partial

from engine.consensus.effects import Tick
from engine.consensus.simulate.checker import Violation
from engine.consensus.simulate.cluster import Cluster, Network, Node
from engine.consensus.simulate.members import OPERATOR

STORM_MS = 4000
CALM_MS = 60_000
SUBMISSIONS = 24


class Storm:
    """Drives a cluster through ``STORM_MS`` of faults."""

    def __init__(self, n: int, f: int, seed: int, *, quorum: int | None = None) -> None:
        self.cluster = Cluster(n, f, seed, liars=seed % (f + 1), quorum=quorum)
        self.random = self.cluster.random
        self.keys: set[tuple[str, int]] = set()

    def run(self) -> Cluster:
        """Storm, then calm.

        Raises:
            Violation: something happened that never may, or nothing happened when it must.
        """
        cluster = self.cluster
        for counter in range(1, SUBMISSIONS + 1):
            cluster.at(self.random.randrange(STORM_MS), partial(self._submit, counter))
        for _ in range(self.random.randrange(2, 8)):
            cluster.at(self.random.randrange(STORM_MS), self._weather)
            cluster.at(self.random.randrange(STORM_MS), self._crash)
        cluster.run(STORM_MS)
        cluster.heal()
        cluster.submit(cluster.members.submission(SUBMISSIONS + 1))
        self.keys.add((OPERATOR, SUBMISSIONS + 1))
        if not cluster.run(CALM_MS, until=self._all_decided):
            heads = {node.agent: node.head[0] for node in cluster.honest()}
            raise Violation(f"liveness: not all decided after the storm; heads {heads}")
        return cluster

    def _all_decided(self) -> bool:
        heads = {node.head for node in self.cluster.honest()}
        return len(heads) == 1 and self.keys <= set(self.cluster.checker.counted())

    def _submit(self, counter: int) -> None:
        honest = [node for node in self.cluster.honest() if node.replica is not None]
        chosen = self.random.sample(honest, self.random.randint(0, len(honest)))
        if chosen:
            author = self.random.choice([OPERATOR, chosen[0].agent])
            submission = self.cluster.members.submission(counter, author)
            self.cluster.submit(submission, chosen)
            # Whoever crashes may forget it; in the calm its author would send it again.
            self.cluster.at(STORM_MS, lambda: self.cluster.submit(submission))
            self.keys.add((author, counter))

    def _weather(self) -> None:
        ids = list(self.cluster.members.ids)
        network = self.cluster.network = Network(
            delay_ms=(1, self.random.choice([5, 50, 400])),
            loss=self.random.choice([0, 0, 0.1, 0.3]),
            duplication=self.random.choice([0, 0.2]),
        )
        if self.random.random() < 0.6:
            group = set(self.random.sample(ids, self.random.randint(1, len(ids) - 1)))
            network.cut = {
                frozenset((one, other)) for one in group for other in ids if other not in group
            }
        if self.random.random() < 0.3:
            self.cluster.sides = {agent: self.random.randrange(2) for agent in ids}

    def _crash(self) -> None:
        node = self.random.choice(self.cluster.all_nodes())
        if node.replica is None:
            return
        # The machine dies between two effects of one step: votes on disk, not yet sent.
        self._die(node)
        self.cluster.at(self.random.randrange(50, 1500), lambda: self.cluster.restart(node))

    def _die(self, node: Node) -> None:
        submission = self.cluster.members.submission(1000 + self.random.randrange(10**6))
        self.cluster.checker.submitted.add(submission)
        node.step(Tick(self.cluster.now_ms), crash_after=self.random.randrange(4))
