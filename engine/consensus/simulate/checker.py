"""What must hold at every execution and at every message sent, whatever the faults."""

from contextlib import suppress

from engine.codec import Malformed, decode
from engine.consensus.committee import OtherEpoch, Refused
from engine.consensus.evidence import Evidence, content_of, subject_of, verify_evidence
from engine.consensus.log import MOST_ACCEPTED
from engine.consensus.messages import AnyMessage, Proposal, Status, Vote
from engine.consensus.replica import Replica
from engine.consensus.settings import Settings
from engine.consensus.simulate.law import Law
from engine.consensus.simulate.members import Members
from engine.consensus.simulate.violation import Violation
from engine.council import Happening
from engine.vocabulary import AgentId, Digest, Entry, Signed, Submission

__all__ = ["Checker", "Violation"]

_ON_SLOTS = frozenset({"pre-prepare", "prepare", "commit"})


class Checker:
    """Compares every replica with one canonical history."""

    def __init__(self, members: Members, settings: Settings, quorum: int | None = None) -> None:
        self._members = members
        self._settings = settings
        self.byzantine: set[AgentId] = set()
        """The persons who may lie: a traitor's successor is another person."""
        self.law = Law(members, settings, quorum, self.byzantine)
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
        number, _ = head
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
        committee = self.law.epochs.committee_at(entry.sequence_number)
        objection = self.law.notaries[committee.epoch].objection_to_entry(entry)
        if objection:
            raise Violation(f"{agent} executed {entry.sequence_number} unproved: {objection}")
        if chain != self.law.chains[entry.sequence_number]:
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

    def sent(self, agent: AgentId, frame: bytes, person: AgentId | None = None) -> None:
        """An honest replica never signs two different votes on one subject, restarts included.

        ``person`` is who speaks as ``agent``, where it is not the first one.

        Raises:
            Violation: it did.
        """
        if frame in self._read:
            return
        self._read.add(frame)
        person = person or agent
        message = self._opened(agent, person, frame)
        subject = subject_of(message) if message is not None else None
        if message is None or subject is None:
            return
        content = content_of(message)
        if self._votes.setdefault((person, message.epoch, *subject), content) != content:
            if person not in self.byzantine:
                raise Violation(f"{person} signed two different {subject}")
            self.equivocated.add(agent)
        if person in self.byzantine:
            return
        last = self.law.epochs.last_of(message.epoch)
        if last is not None and subject[0] in _ON_SLOTS and subject[2] > last:
            raise Violation(f"{person} votes on {subject} in an epoch that ends at {last}")
        if isinstance(message, Status) and message.executed > len(self.canonical):
            raise Violation(f"{agent} claims what was never executed")

    def _opened(self, agent: AgentId, person: AgentId, frame: bytes) -> AnyMessage | None:
        """What ``agent`` itself signed in ``frame``, if it did; what is spoiled on the way says nothing."""
        try:
            packet = self.law.epochs.committee.unpack(frame)
            if not isinstance(packet, (Vote, Proposal)):
                return None
            for committee in reversed(self.law.epochs.committees):
                with suppress(OtherEpoch):
                    message = committee.read(packet.frame)
                    key = committee.key_of(message.replica)
                    own = message.replica == committee.place_of(agent)
                    if not own or self._members.persons[key] != person:
                        return None
                    return message if committee.signed(packet.frame, message) else None
        except (Malformed, Refused):
            pass
        return None

    def accused(self, evidence: Evidence) -> None:
        """Evidence is never about an honest replica, and verifies for anyone.

        Raises:
            Violation: it is, or does not.
        """
        verifier, window = self._members.verifier, self._settings.window
        for constitution in self.law.epochs.constitutions:
            if verify_evidence(evidence, constitution, verifier, window):
                break
        else:
            raise Violation("evidence does not verify")
        culprit = self._members.persons[constitution.agent_keys()[evidence.culprit]]
        if culprit not in self.byzantine:
            raise Violation(f"honest {culprit} accused of {evidence.kind}")
        self.convicted.add(evidence.culprit)

    def counted(self) -> list[tuple[str, int]]:
        """Every (author, counter) in canonical order, the first occurrence only."""
        seen: dict[tuple[str, int], None] = {}
        for number in sorted(self.canonical):
            for frame in self.canonical[number]:
                it = decode(decode(frame, Signed).payload, Submission)
                seen.setdefault((it.author, it.counter))
        return list(seen)
