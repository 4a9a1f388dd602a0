"""What must hold at every execution and at every message sent, whatever the faults."""

from engine.codec import Malformed, decode
from engine.consensus.certificate import chain_after
from engine.consensus.committee import Committee, Refused
from engine.consensus.evidence import Evidence, content_of, subject_of, verify_evidence
from engine.consensus.log import MOST_ACCEPTED
from engine.consensus.messages import AnyMessage, Proposal, Status, Vote, decode_packet
from engine.consensus.replica import Replica
from engine.consensus.settings import Settings
from engine.consensus.simulate.independent import Notary
from engine.consensus.simulate.law import Law
from engine.consensus.simulate.members import Members
from engine.consensus.simulate.violation import Violation
from engine.council import Happening
from engine.vocabulary import AgentId, Digest, Entry, Signed, Submission

__all__ = ["Checker", "Violation"]


class Checker:
    """Compares every replica with one canonical history."""

    def __init__(self, members: Members, settings: Settings, quorum: int | None = None) -> None:
        self._members = members
        self._settings = settings
        self._committee = Committee(members.genesis, members.verifier)
        if quorum is not None:
            self._committee.quorum = quorum
        self.byzantine: set[AgentId] = set()
        self._notary = Notary(members.genesis, members.verifier, quorum)
        self.law = Law(members, settings, self._notary, self.byzantine)
        self.canonical: dict[int, tuple[bytes, ...]] = {}
        self.submitted: set[bytes] = set()
        self.convicted: set[AgentId] = set()
        """Of whom an honest replica has reported evidence."""
        self.equivocated: set[AgentId] = set()
        """Who really signed two different things about one subject."""
        self._votes: dict[tuple[object, ...], bytes] = {}
        self._read: set[bytes] = set()

    def executed(self, agent: AgentId, entry: Entry, head: tuple[int, bytes], chain: bytes) -> None:
        """Agreement, integrity, validity, certificate and chain, at each execution.

        Raises:
            Violation: one of them does not hold.
        """
        number, previous = head
        if entry.sequence_number != number + 1:
            raise Violation(f"{agent} executed {entry.sequence_number} after {number}")
        known = self.canonical.get(entry.sequence_number)
        if known is None:
            if not set(entry.batch) <= self.submitted:
                raise Violation(f"validity: {agent} executed what nobody submitted")
            self.canonical[entry.sequence_number] = entry.batch
            self.law.extend(entry)
        elif known != entry.batch:
            raise Violation(f"agreement: {agent} has another batch at {entry.sequence_number}")
        objection = self._notary.objection_to_entry(entry)
        if objection:
            raise Violation(f"{agent} executed {entry.sequence_number} unproved: {objection}")
        genesis = self._members.genesis
        if chain != chain_after(previous, entry, genesis.cluster, genesis.epoch):
            raise Violation(f"{agent} computed another chain digest")

    def folded(
        self, agent: AgentId, number: int, told: list[Happening], digest: Digest | None
    ) -> None:
        """The application came to the same at this entry as everywhere.

        Raises:
            Violation: it did not.
        """
        self.law.compare(agent, number, told, digest)

    def bounded(self, agent: AgentId, replica: Replica) -> None:
        """A replica keeps no more than it may, whoever sends what.

        Raises:
            Violation: it keeps more.
        """
        s = self._settings
        most = {
            "slots": s.window,
            "batches": s.window * (MOST_ACCEPTED + 3) + 1,
            "checkpoints": s.window // s.checkpoint_period + 1,
            "pending": s.pending_submissions,
            "future frames": s.future_frames,
        }
        for name, kept in replica.holdings.items():
            if kept > most.get(name, kept):
                raise Violation(f"{agent} keeps {kept} {name}, {most[name]} are allowed")

    def sent(self, agent: AgentId, frame: bytes) -> None:
        """An honest replica never signs two different votes on one subject, restarts included.

        Raises:
            Violation: it did.
        """
        if frame in self._read:
            return
        self._read.add(frame)
        message = self._opened(agent, frame)
        subject = subject_of(message) if message is not None else None
        if message is None or subject is None:
            return
        content = content_of(message)
        if self._votes.setdefault((agent, *subject), content) != content:
            if agent not in self.byzantine:
                raise Violation(f"{agent} signed two different {subject}")
            self.equivocated.add(agent)
        ahead = isinstance(message, Status) and message.executed > len(self.canonical)
        if ahead and agent not in self.byzantine:
            raise Violation(f"{agent} claims what was never executed")

    def _opened(self, agent: AgentId, frame: bytes) -> AnyMessage | None:
        """What ``agent`` itself signed in ``frame``, if it did; what is spoiled on the way says nothing."""
        try:
            packet = decode_packet(frame)
            if not isinstance(packet, (Vote, Proposal)):
                return None
            message = self._committee.read(packet.frame)
            own = message.replica == self._committee.place_of(agent)
            return message if own and self._committee.signed(packet.frame, message) else None
        except (Malformed, Refused):
            return None

    def accused(self, evidence: Evidence) -> None:
        """Evidence is never about an honest replica, and verifies for anyone.

        Raises:
            Violation: it is, or does not.
        """
        if evidence.culprit not in self.byzantine:
            raise Violation(f"honest {evidence.culprit} accused of {evidence.kind}")
        members = self._members
        window = self._settings.window
        if not verify_evidence(evidence, members.genesis, members.verifier, window):
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
