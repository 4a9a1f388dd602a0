"""Decisions of a whole committee in one thread: protocol, codec and signatures, nothing else.

No disk and no network: what the replicas ask for is handed on at once. Every replica keeps its own
memory of signatures that were good, as a process of its own would.
"""

from collections import deque
from collections.abc import Sequence
from time import process_time

import msgspec

from engine.bench.committee import Bench
from engine.bench.counting import CountingVerifier, Tally
from engine.codec import encode
from engine.consensus.committee import Committee
from engine.consensus.effects import Broadcast, Event, Execute, Receive, Send, Submit
from engine.consensus.messages import Relay
from engine.consensus.replica import Replica
from engine.consensus.resume import Resume
from engine.consensus.settings import settings_for
from engine.vocabulary import AgentId, Operation


class Cost(msgspec.Struct, frozen=True):
    """What one decision cost."""

    cpu_ms: float
    floor_ms: float
    signed: float
    checked: float
    operations: int


class Shape(msgspec.Struct, frozen=True):
    """What is measured: replicas, submissions in a batch, operations in a submission."""

    n: int
    submissions: int
    operations: int


class Ring:
    """``n`` replicas that hand each other everything at once."""

    def __init__(self, shape: Shape) -> None:
        """Start empty."""
        self.shape = shape
        self.tally = Tally()
        self.bench = bench = Bench(shape.n, self.tally)
        settings = msgspec.structs.replace(
            settings_for(shape.n, bench.genesis.f), batch_submissions=max(64, shape.submissions)
        )
        self._replicas = {
            agent: Replica(
                Committee(bench.genesis, CountingVerifier(self.tally)),
                agent, bench.signers[agent], settings, Resume(),
            )
            for agent in bench.ids
        }  # fmt: skip
        self._others = {me: [it for it in bench.ids if it != me] for me in bench.ids}
        self._waiting: deque[tuple[AgentId, Event]] = deque()
        self._executed = 0

    def measure(self, decisions: int) -> Cost:
        """The mean cost of one of ``decisions`` decisions."""
        shape = self.shape
        spent = floor = 0.0
        signed = checked = 0
        for _ in range(decisions):
            self.tally.clear()
            # What an author has to say is there before he says it: its making is no cost of ordering.
            said = [self.bench.operations(shape.operations) for _ in range(shape.submissions)]
            started = process_time()
            self._decide(said)
            spent += process_time() - started
            floor += self.tally.floor_s()
            signed += len(self.tally.signed)
            checked += len(self.tally.checked)
        assert self._executed == decisions * shape.n, "every replica executed every decision"
        self._executed = 0
        return Cost(
            1000 * spent / decisions,
            1000 * floor / decisions,
            signed / decisions,
            checked / decisions,
            shape.submissions * shape.operations,
        )

    def _decide(self, said: Sequence[tuple[Operation, ...]]) -> None:
        batch = tuple(map(self.bench.submission, said))
        leader, *backups = self.bench.ids
        for agent in backups:
            for submission in batch:
                self._take(agent, Submit(submission))
        if len(batch) == 1:
            self._take(leader, Submit(*batch))
        else:  # All in one packet: one step of the leader makes one batch of them.
            self._take(leader, Receive(backups[0], encode(Relay(batch))))
        while self._waiting:
            self._take(*self._waiting.popleft())

    def _take(self, me: AgentId, event: Event) -> None:
        for effect in self._replicas[me].step(event):
            # By exact type: handing on is no cost of ordering, so it costs little here.
            if type(effect) is Broadcast:
                heard = Receive(me, effect.frame)
                self._waiting += [(other, heard) for other in self._others[me]]
            elif type(effect) is Send:
                self._waiting.append((effect.peer, Receive(me, effect.frame)))
            elif type(effect) is Execute:
                self._executed += 1
