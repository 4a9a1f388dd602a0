"""Four real replicas in hypothesis's hands: whatever it does to them, they agree, and go on after it.

The checker of the simulator looks at every execution, at every frame said and at all evidence; what
fails here shrinks to the few steps that it takes.
"""

from dataclasses import dataclass, field

import msgspec
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from engine.codec import encode
from engine.consensus.effects import Receive, Submit, Tick
from engine.consensus.messages import (
    Commit,
    Packet,
    Prepare,
    PrePrepare,
    Proposal,
    Vote,
    decode_packet,
    encode_packet,
)
from engine.consensus.settings import Settings
from engine.consensus.simulate.checker import Checker
from engine.consensus.simulate.members import OPERATOR, Members
from engine.consensus.simulate.node import Node
from engine.consensus.simulate.trace import Tracer
from engine.signing import Domain
from engine.vocabulary import AgentId, Signed
from tests.unit.consensus.speaking import Speaker

N, F = 4, 1
PLACES = st.integers(0, N - 1)
GROUPS = st.sets(PLACES, min_size=1, max_size=N - 1)
COUNTERS = st.integers(1, 6)
MOST_ON_THE_WIRE = 600
CALM_TICKS = 400
TICK_MS = 50
LAST = 99
"""Counter of the submission that must be decided in the calm."""


@dataclass
class Wire:
    """What machines need around them, and everything that is on its way between them."""

    members: Members = field(default_factory=lambda: Members(N, F))
    settings: Settings = field(default_factory=lambda: Settings(checkpoint_period=4, in_flight=4))
    quorum: int | None = None
    tracer: Tracer = field(default_factory=Tracer)
    now_ms: int = 0
    flying: list[tuple[AgentId, AgentId, bytes]] = field(default_factory=list)
    apart: set[AgentId] = field(default_factory=set)
    marks: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.checker = Checker(self.members, self.settings)

    def post(self, sender: Node, receiver: AgentId, frame: bytes) -> None:
        self.checker.sent(sender.agent, frame, sender.person)
        self.carry(sender.agent, receiver, frame)

    def carry(self, sender: AgentId, receiver: AgentId, frame: bytes) -> None:
        if (sender in self.apart) == (receiver in self.apart):
            self.flying.append((sender, receiver, frame))
            del self.flying[:-MOST_ON_THE_WIRE]

    def mark(self, what: str) -> None:
        self.marks.add(what)


class FourReplicas(RuleBasedStateMachine):
    """Rules are what a network, machines, authors and one traitor may do."""

    @initialize(traitor=PLACES)
    def begin(self, traitor: int) -> None:
        self.wire = Wire()
        self.speaker = Speaker(N, F)
        self.ids = self.wire.members.ids
        self.traitor = traitor
        self.wire.checker.byzantine.add(self.ids[traitor])
        honest = [agent for agent in self.ids if agent != self.ids[traitor]]
        self.nodes = {agent: Node(self.wire, agent) for agent in honest}

    # --- authors and time ----------------------------------------------------------------------

    @rule(counter=COUNTERS, places=st.sets(PLACES, min_size=1))
    def submit(self, counter: int, places: set[int]) -> None:
        frame = self._submission(counter)
        for place in sorted(places):
            if (node := self.nodes.get(self.ids[place])) is not None:
                node.step(Submit(frame))

    @rule(ms=st.sampled_from([1, TICK_MS, 250]), times=st.integers(1, 8), place=PLACES)
    def tick(self, ms: int, times: int, place: int) -> None:
        for _ in range(times):
            self.wire.now_ms += ms
            if (node := self.nodes.get(self.ids[place])) is not None:
                node.step(Tick(self.wire.now_ms))

    # --- the wire ------------------------------------------------------------------------------

    @precondition(lambda self: self.wire.flying)
    @rule(data=st.data(), count=st.integers(1, 12))
    def deliver(self, data: st.DataObject, count: int) -> None:
        for _ in range(min(count, len(self.wire.flying))):
            self._arrive(self.wire.flying.pop(self._drawn(data)))

    @rule()
    def deliver_all(self) -> None:
        waiting, self.wire.flying = self.wire.flying, []
        for message in waiting:
            self._arrive(message)

    @precondition(lambda self: self.wire.flying)
    @rule(data=st.data())
    def drop(self, data: st.DataObject) -> None:
        del self.wire.flying[self._drawn(data)]

    @precondition(lambda self: self.wire.flying)
    @rule(data=st.data())
    def duplicate(self, data: st.DataObject) -> None:
        self.wire.flying.append(self.wire.flying[self._drawn(data)])

    @rule(group=GROUPS)
    def cut(self, group: set[int]) -> None:
        self.wire.apart = {self.ids[place] for place in group}

    @rule()
    def mend(self) -> None:
        self.wire.apart = set()

    # --- machines ------------------------------------------------------------------------------

    @rule(place=PLACES, effects=st.integers(0, 4), tear=st.floats(0, 0.99), counter=COUNTERS)
    def crash(self, place: int, effects: int, tear: float, counter: int) -> None:
        """It dies between two effects of a step, or within a write."""
        node = self.nodes.get(self.ids[place])
        if node is not None:
            event = Submit(self._submission(counter))
            node.die_in(event, effects, tear)

    @rule(place=PLACES)
    def restart(self, place: int) -> None:
        if (node := self.nodes.get(self.ids[place])) is not None:
            node.restart()

    # --- the traitor ---------------------------------------------------------------------------

    @rule(
        counter=COUNTERS, view=st.integers(0, 2), number=st.integers(1, 3), whom=GROUPS,
        kind=st.sampled_from([PrePrepare, Prepare, Commit]),
    )  # fmt: skip
    def lie(
        self, counter: int, view: int, number: int, whom: set[int],
        kind: type[PrePrepare] | type[Prepare] | type[Commit],
    ) -> None:  # fmt: skip
        """The traitor votes for whatever it likes, or proposes it where it leads."""
        it, batch = self.speaker, (self._submission(counter),)
        frame = it.sign(kind(*it.head, self.traitor, view, number, it.digest(batch)))
        packet: Packet = Proposal(frame, batch) if kind is PrePrepare else Vote(frame)
        self._say(packet, whom)

    @rule(view=st.integers(1, 3), whom=GROUPS)
    def ask_for_a_view(self, view: int, whom: set[int]) -> None:
        self._say(Vote(self.speaker.sign(self.speaker.view_change(self.traitor, view))), whom)

    @precondition(lambda self: self.wire.flying)
    @rule(data=st.data(), whose=PLACES, whom=GROUPS)
    def forge(self, data: st.DataObject, whose: int, whom: set[int]) -> None:
        """The traitor repeats a vote in another's name with its own key, or in its own with none."""
        packet = decode_packet(self.wire.flying[self._drawn(data)][2])
        if not isinstance(packet, Vote):
            return
        vote = self.speaker.committee.read(packet.frame)
        payload = encode(msgspec.structs.replace(vote, replica=whose))
        own = self.speaker.members.signers[self.ids[self.traitor]].sign(Domain.CONSENSUS, payload)
        signature = bytes(64) if whose == self.traitor else own
        self._say(Vote(encode(Signed(payload, signature))), whom)

    # --- what must hold ------------------------------------------------------------------------

    @invariant()
    def members_and_quorum_stay_as_they_are(self) -> None:
        for node in self.nodes.values():
            if node.replica is not None:
                constitution = node.replica.constitution
                assert (constitution.n, constitution.f, constitution.quorum) == (N, F, 3)

    @invariant()
    def ledgers_are_beginnings_of_one_history(self) -> None:
        ledgers = [[entry.batch for entry in node.entries] for node in self.nodes.values()]
        longest = max(ledgers, key=len)
        assert all(ledger == longest[: len(ledger)] for ledger in ledgers)

    def teardown(self) -> None:
        """Heal everything: the honest are a quorum, so they decide; the traitor is silent."""
        if not hasattr(self, "nodes"):
            return
        self.mend()
        for node in self.nodes.values():
            node.restart()
            node.step(Submit(self._submission(LAST)))
        for _ in range(CALM_TICKS):
            self.wire.now_ms += TICK_MS
            for node in self.nodes.values():
                node.step(Tick(self.wire.now_ms))
            self.deliver_all()
            if self._is_decided():
                return
        raise AssertionError(f"not decided in {CALM_TICKS} ticks of calm")

    def _is_decided(self) -> bool:
        known = self.wire.checker.law.clients.knows((OPERATOR, LAST))
        return known and len({node.head for node in self.nodes.values()}) == 1

    # --- helpers -------------------------------------------------------------------------------

    def _submission(self, counter: int) -> bytes:
        frame = self.wire.members.submission(counter)
        self.wire.checker.submitted.add(frame)
        return frame

    def _drawn(self, data: st.DataObject) -> int:
        return data.draw(st.integers(0, len(self.wire.flying) - 1))

    def _arrive(self, message: tuple[AgentId, AgentId, bytes]) -> None:
        sender, receiver, frame = message
        if (node := self.nodes.get(receiver)) is not None:
            node.step(Receive(sender, frame))

    def _say(self, packet: Packet, whom: set[int]) -> None:
        for place in sorted(whom - {self.traitor}):
            self.wire.carry(self.ids[self.traitor], self.ids[place], encode_packet(packet))


SEARCH = settings(max_examples=25, stateful_step_count=40, deadline=None)
"""About two seconds of processor time; whoever searches longer raises ``max_examples``."""


def test_nothing_that_happens_to_four_replicas_divides_or_stops_them() -> None:
    run_state_machine_as_test(FourReplicas, settings=SEARCH)
