"""What must hold at every execution and at every message sent, whatever the faults."""

from engine.codec import decode
from engine.consensus.certificate import chain_after, check_entry
from engine.consensus.committee import Committee
from engine.consensus.evidence import Evidence, content_of, subject_of, verify_evidence
from engine.consensus.messages import Proposal, Status, Vote, decode_packet
from engine.consensus.simulate.members import Members
from engine.vocabulary import AgentId, Entry, Signed, Submission


class Violation(AssertionError):
    """Something happened that never may."""


class Checker:
    """Compares every replica with one canonical history."""

    def __init__(self, members: Members, window: int, quorum: int | None = None) -> None:
        self._members = members
        self._window = window
        self._committee = Committee(members.genesis, members.verifier)
        if quorum is not None:
            self._committee.quorum = quorum
        self.canonical: dict[int, tuple[bytes, ...]] = {}
        self.submitted: set[bytes] = set()
        self._votes: dict[tuple[object, ...], bytes] = {}
        self.byzantine: set[AgentId] = set()
        self.convicted: set[AgentId] = set()

    def executed(self, agent: AgentId, entry: Entry, head: tuple[int, bytes], chain: bytes) -> None:
        """Agreement, integrity, validity, certificate and chain, at each execution."""
        number, previous = head
        if entry.sequence_number != number + 1:
            raise Violation(f"{agent} executed {entry.sequence_number} after {number}")
        known = self.canonical.setdefault(entry.sequence_number, entry.batch)
        if known != entry.batch:
            raise Violation(f"agreement: {agent} has another batch at {entry.sequence_number}")
        if not set(entry.batch) <= self.submitted:
            raise Violation(f"validity: {agent} executed what nobody submitted")
        check_entry(entry, self._committee)
        genesis = self._members.genesis
        if chain != chain_after(previous, entry, genesis.cluster, genesis.epoch):
            raise Violation(f"{agent} computed another chain digest")

    def sent(self, agent: AgentId, frame: bytes) -> None:
        """An honest replica never signs two different votes on one subject, restarts included."""
        packet = decode_packet(frame)
        if agent in self.byzantine or not isinstance(packet, (Vote, Proposal)):
            return
        message = self._committee.read(packet.frame)
        subject = subject_of(message)
        if message.replica != self._committee.place_of(agent) or subject is None:
            return
        content = content_of(message)
        if self._votes.setdefault((agent, *subject), content) != content:
            raise Violation(f"{agent} signed two different {subject}")
        if isinstance(message, Status) and message.executed > max(self.canonical, default=0):
            raise Violation(f"{agent} claims what was never executed")

    def accused(self, evidence: Evidence) -> None:
        """Evidence is never about an honest replica, and verifies for anyone."""
        if evidence.culprit not in self.byzantine:
            raise Violation(f"honest {evidence.culprit} accused of {evidence.kind}")
        members = self._members
        if not verify_evidence(evidence, members.genesis, members.verifier, self._window):
            raise Violation("evidence does not verify")
        self.convicted.add(evidence.culprit)

    def counted(self) -> list[tuple[str, int]]:
        """Every (author, counter) in canonical order, the first occurrence only."""
        seen: dict[tuple[str, int], None] = {}
        for number in sorted(self.canonical):
            for frame in self.canonical[number]:
                it = decode(decode(frame, Signed).payload, Submission)
                seen.setdefault((it.author, it.counter))
        return list(seen)
