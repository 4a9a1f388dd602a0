"""A cluster whose wire, liars and machines a scenario directs: what to lose, delay, forge and say.

Replicas are named by their place (0 leads view 0). A liar's own replica is away unless the
scenario keeps it, and the scenario speaks with its key.
"""

from collections.abc import Callable, Sequence
from functools import partial

from engine.charter import claim
from engine.codec import Malformed, decode, encode
from engine.consensus.committee import Refused
from engine.consensus.evidence import Evidence, verify_evidence
from engine.consensus.messages import (
    AnyMessage,
    Commit,
    Packet,
    Proposal,
    ViewChange,
    Vote,
    decode_packet,
    encode_packet,
)
from engine.consensus.settings import Settings
from engine.consensus.simulate.checker import Checker, Violation
from engine.consensus.simulate.cluster import SETTINGS, Cluster, Node
from engine.consensus.simulate.members import OPERATOR, Members
from engine.signing import Domain
from engine.vocabulary import (
    AgentId,
    CommandId,
    Convicted,
    Entry,
    Replaced,
    Signed,
    Submission,
)
from tests.unit.consensus.speaking import Speaker

Rule = Callable[[int, int, bytes], bytes | None]
"""What becomes of a frame from one place to another: itself, another one, or nothing."""
Lag = Callable[[int, int, bytes], int]
"""Milliseconds that the wire keeps a frame back, beyond its usual delay."""

__all__ = ["Stage", "Violation", "message_in"]


def message_in(frame: bytes, speaker: Speaker) -> AnyMessage | Packet | None:
    """The signed message in a packet, or the packet itself; None for what is neither."""
    try:
        packet = decode_packet(frame)
    except Malformed:
        return None
    if isinstance(packet, (Vote, Proposal)):
        try:
            return speaker.committee.read(packet.frame)
        except Refused:
            return packet  # Of a later epoch than the one that the speaker speaks in.
    return packet


class Court(Checker):
    """A checker that keeps the evidence."""

    def __init__(self, members: Members, settings: Settings, quorum: int | None) -> None:
        super().__init__(members, settings, quorum)
        self.accusations: list[Evidence] = []
        self.first: list[Entry] = []

    def executed(self, agent: AgentId, entry: Entry, head: tuple[int, bytes], chain: bytes) -> None:
        """Keep the first entries and check all."""
        if entry.sequence_number == 1:
            self.first.append(entry)
        super().executed(agent, entry, head, chain)

    def accused(self, evidence: Evidence) -> None:
        """Check and keep it."""
        super().accused(evidence)
        self.accusations.append(evidence)


class Stage(Cluster):
    """A cluster under direction."""

    def __init__(
        self,
        n: int = 5,
        f: int = 1,
        *,
        seed: int = 1,
        liars: Sequence[int] = (),
        puppets: bool = True,
        quorum: int | None = None,
        settings: Settings = SETTINGS,
    ) -> None:
        """``liars`` are places; with ``puppets`` the scenario plays them, else their replicas run."""
        super().__init__(n, f, seed, quorum=quorum, settings=settings)
        self.checker = self._court = Court(self.members, settings, quorum)
        self.speaker = Speaker(n, f)
        self.rules: list[Rule] = []
        self.lag: Lag = lambda _sender, _receiver, _frame: 0
        self.posted: list[tuple[int, int, bytes]] = []
        """Every frame that was said, before the wire did anything to it."""
        self.sides = dict.fromkeys(self.members.ids, 0)
        self.puppets: set[AgentId] = set()
        for place in liars:
            agent = self.members.ids[place]
            self.checker.byzantine.add(agent)
            if puppets:
                self.puppets.add(agent)
                self.crash(self.node(place))

    # --- who is who --------------------------------------------------------------------------

    def node(self, place: int) -> Node:
        """The machine at a place."""
        return self.nodes[self.members.ids[place]][0]

    def place(self, agent: AgentId) -> int:
        """Where an agent stands."""
        return self.members.ids.index(agent)

    @property
    def accusations(self) -> list[Evidence]:
        """Evidence that honest replicas reported."""
        return self._court.accusations

    def conviction(self, evidence: Evidence, by: int) -> bytes:
        """The submission by which an agent has evidence ordered."""
        author = self.members.ids[by]
        operation = Convicted(evidence.culprit, evidence.kind, evidence.first, evidence.second)
        genesis = self.members.genesis
        payload = encode(Submission(genesis.cluster, genesis.epoch, author, 1, (operation,)))
        signature = self.members.signers[author].sign(Domain.SUBMISSION, payload)
        return encode(Signed(payload, signature))

    def places_of(self, submission: bytes) -> Callable[[Node], tuple[int, ...]]:
        """At which sequence numbers a ledger has it, as a function."""
        return lambda node: tuple(
            entry.sequence_number for entry in node.entries if submission in entry.batch
        )

    def culprits(self) -> set[int]:
        """Places against which the honest hold evidence that verifies."""
        return {self.place(agent) for agent in self.checker.convicted}

    def views(self) -> list[int]:
        """The views of the honest replicas that run."""
        return [node.replica.view for node in self.honest() if node.replica is not None]

    def diverging(self) -> list[Entry]:
        """What honest replicas committed first, the one that broke agreement included."""
        return self._court.first

    def proves(self, evidence: Evidence) -> bool:
        """Whether anyone with the genesis alone is convinced."""
        members = self.members
        return verify_evidence(evidence, members.genesis, members.verifier, self.settings.window)

    # --- the wire ----------------------------------------------------------------------------

    def post(self, sender: Node, receiver: AgentId, frame: bytes) -> None:
        """Put a frame on the wire, through the rules of the scenario."""
        source, target = self.place(sender.agent), self.place(receiver)
        self.posted.append((source, target, frame))
        changed: bytes | None = frame
        for rule in self.rules:
            if changed is not None:
                changed = rule(source, target, changed)
        if changed is None:
            return
        lag_ms = self.lag(source, target, changed)
        if lag_ms:
            self.at(lag_ms, partial(super().post, sender, receiver, changed))
        else:
            super().post(sender, receiver, changed)

    def lose(
        self, *kinds: type[object], of: Sequence[int] | None = None, to: Sequence[int] | None = None
    ) -> Rule:
        """Lose all frames of these kinds (of all kinds when none is named) on these links."""

        def rule(source: int, target: int, frame: bytes) -> bytes | None:
            on_link = (of is None or source in of) and (to is None or target in to)
            if not on_link or source == target:
                return frame
            if kinds and not isinstance(message_in(frame, self.speaker), kinds):
                return frame
            return None

        self.rules.append(rule)
        return rule

    def say(self, by: int, packet: Packet, *to: int) -> None:
        """A liar says something to these, or to everyone."""
        for place in to or range(len(self.members.ids)):
            self.post(self.node(by), self.members.ids[place], encode_packet(packet))

    def view_changes_to(self, view: int) -> dict[int, bytes]:
        """The VIEW-CHANGE of each replica to ``view`` that was said so far."""
        found: dict[int, bytes] = {}
        for source, _, frame in self.posted:
            packet = decode_packet(frame)
            if isinstance(packet, Vote):
                message = self.speaker.committee.read(packet.frame)
                if isinstance(message, ViewChange) and message.view == view:
                    found[source] = packet.frame
        return found

    def whisper(self, by: int, frame: bytes) -> None:
        """A liar puts these bytes on the wire to everyone, whatever they are."""
        for peer in self.members.ids:
            self.post(self.node(by), peer, frame)

    # --- what liars say ----------------------------------------------------------------------

    def offer(self, *counters: int) -> tuple[bytes, ...]:
        """A batch of genuine submissions that nobody has been given yet."""
        batch = tuple(self.members.submission(counter) for counter in counters)
        self.checker.submitted.update(batch)
        return batch

    def proposal(self, batch: tuple[bytes, ...], number: int = 1, view: int = 0) -> Proposal:
        """What the primary of ``view`` says to put a batch at a number."""
        digest = self.speaker.digest(batch)
        return Proposal(self.speaker.pre_prepare(view, number, digest), batch)

    def commit(self, by: int, batch: tuple[bytes, ...], number: int = 1, view: int = 0) -> Vote:
        """A COMMIT for a batch."""
        speaker = self.speaker
        return Vote(speaker.sign(Commit(*speaker.head, by, view, number, speaker.digest(batch))))

    # --- submissions and progress ------------------------------------------------------------

    def ask(self, *counters: int, at: Sequence[int] | None = None) -> None:
        """Hand the operator's submissions to the replicas at these places, or to all."""
        nodes = None if at is None else [self.node(place) for place in at]
        for counter in counters:
            self.submit(self.members.submission(counter, epoch=self.epoch), nodes)

    @property
    def epoch(self) -> int:
        """The epoch that the log has come to."""
        return self.checker.law.council.genesis.epoch

    def replace(self, place: int, counter: int = 500) -> Node:
        """Have a new machine made for a place, and the operator's order for its key submitted."""
        agent = self.members.ids[place]
        successor = self.succeed(agent)
        claimed = claim(agent, self.checker.law.council.genesis, successor.signer)
        order = Replaced(CommandId(f"r{counter}"), agent, successor.signer.public_key, claimed)
        self.submit(self.members.signed(OPERATOR, counter, order, epoch=self.epoch))
        return successor

    def reaches(self, epoch: int, within_ms: int = 20_000) -> bool:
        """Let time pass until every honest replica that runs votes in ``epoch``."""
        return self.run(
            within_ms,
            until=lambda: (
                all(it.replica.epoch == epoch for it in self.honest() if it.replica is not None)
                and self.epoch == epoch
            ),
        )

    def orders(self, node: Node) -> list[tuple[str, int]]:
        """(author, counter) in the order of one ledger, repetitions included."""
        frames = [frame for entry in node.entries for frame in entry.batch]
        read = [decode(decode(frame, Signed).payload, Submission) for frame in frames]
        return [(it.author, it.counter) for it in read]

    def decided(self, *counters: int) -> bool:
        """Whether every honest replica that runs has executed these, with equal ledgers."""
        running = [node for node in self.honest() if node.replica is not None]
        wanted = {(OPERATOR, counter) for counter in counters}
        return len({node.head for node in running}) == 1 and all(
            wanted <= set(self.orders(node)) for node in running
        )

    def decides(self, *counters: int, within_ms: int = 20_000) -> bool:
        """Let time pass until ``decided``."""
        return self.run(within_ms, until=lambda: self.decided(*counters))

    def heal(self) -> None:
        """End all faults; puppets stay puppets."""
        self.rules.clear()
        self.lag = lambda _sender, _receiver, _frame: 0
        super().heal()
        for agent in self.puppets:
            self.crash(self.nodes[agent][0])
