"""What one replica knows, and the few ways in which it speaks: shared by all of its parts."""

from collections.abc import Sequence

from engine.consensus.checkpoint import Checkpoints
from engine.consensus.clients import ClientTable, Pending
from engine.consensus.committee import Committee
from engine.consensus.effects import (
    AnyRecord,
    Began,
    Broadcast,
    Effect,
    Persist,
    ReportEvidence,
    Send,
    Voted,
)
from engine.consensus.epochs import Epochs
from engine.consensus.evidence import Evidence, shortest_conflict
from engine.consensus.log import Log, Slot
from engine.consensus.messages import (
    Ballot,
    Batch,
    Commit,
    Message,
    Packet,
    Prepare,
    PrePrepare,
    Vote,
    encode_packet,
)
from engine.consensus.pace import Pace
from engine.consensus.quarantine import Quarantine
from engine.consensus.settings import Settings
from engine.signing import Signer

SlotVoteKind = type[PrePrepare] | type[Prepare] | type[Commit]


class State:
    """The state of one replica; its parts change it, the facade hands its effects out."""

    def __init__(
        self, committee: Committee, me: int, signer: Signer, settings: Settings, epochs: Epochs
    ) -> None:
        """Begin the epoch of ``committee``, in view 0; ``epochs`` knows the log so far."""
        self.committee = committee
        self.me = me
        self.signer = signer
        self.settings = settings
        self.epochs = epochs
        self.clients = ClientTable()
        self.pending = Pending(
            settings.pending_submissions,
            settings.pending_per_author,
            settings.pending_bytes_per_author,
        )
        self.log = Log(settings.window, self.digest_of(()), committee.base[0])
        self.log.end_at(epochs.last_of(committee.epoch))
        self.checkpoints = Checkpoints(committee)
        self.view = 0
        self.entered = True
        self.new_view_frame = b""
        """The NEW-VIEW that began the current view; empty in view 0."""
        self.view_change_frame = b""
        """This replica's own VIEW-CHANGE while it has not entered ``view``."""
        self.plan_stable = committee.base[0]
        """The stable checkpoint that the current view began with."""
        self.next_number = max(committee.base[0], epochs.head[0]) + 1
        """Where the primary puts its next batch."""
        self.began: Began | None = None
        """What this epoch began with; None in the first epoch of this replica's key."""
        self.superseded = False
        """Whether a quorum of the next epoch was seen at work."""
        self.now_ms = 0
        self.view_ms = 0
        """When the current view was entered."""
        self.progress_ms = 0
        """When something was executed last."""
        self.failed_views = 0
        """View changes since something was executed: doubles the timeouts."""
        self.out: list[Effect] = []
        self.quarantine = Quarantine(committee)
        self.pace = Pace(settings)

    @property
    def executed(self) -> int:
        """Sequence number up to which this replica has executed."""
        return self.epochs.head[0]

    @property
    def chain(self) -> bytes:
        """The chain digest at ``executed``."""
        return self.epochs.head[1]

    @property
    def is_at_end(self) -> bool:
        """Whether everything of this epoch is executed."""
        return self.log.last is not None and self.executed >= self.log.last

    @property
    def is_checkpoint_due(self) -> bool:
        """Whether what is executed now is to be signed as a checkpoint of this epoch."""
        if self.executed % self.settings.checkpoint_period or self.executed <= self.log.low:
            return False
        return self.log.last is None or self.executed <= self.log.last

    @property
    def is_over(self) -> bool:
        """Whether the next epoch may begin: a quorum of this one, or of that one, has said so."""
        last = self.log.last
        if last is None or self.executed < last:
            return False
        return self.superseded or self.checkpoints.stable.sequence_number >= last

    @property
    def is_primary(self) -> bool:
        """Whether this replica leads the current view."""
        return self.committee.primary_of(self.view) == self.me

    def slot(self, number: int) -> Slot | None:
        """The slot of ``number``; None outside the watermarks."""
        return self.log.slot(number, self.now_ms)

    def digest_of(self, batch: Batch) -> bytes:
        """What replicas vote on."""
        return self.committee.digest_of(batch)

    def timeout_ms(self, base: int) -> int:
        """``base``, doubled with each view that achieved nothing."""
        return base << min(self.failed_views, self.settings.backoff_doublings)

    def persist(self, *records: AnyRecord) -> None:
        """Make ``records`` durable before anything that follows."""
        self.out.append(Persist(records))

    def broadcast(self, packet: Packet) -> None:
        """Say it to all other replicas."""
        self.out.append(Broadcast(encode_packet(packet)))

    def send(self, peer: int, packet: Packet) -> None:
        """Say it to one replica."""
        self.out.append(Send(self.committee.ids[peer], encode_packet(packet)))

    def sign(self, message: Message) -> bytes:
        """The encoded ``Signed`` around ``message``."""
        return self.committee.sign(self.signer, message)

    def sign_for(self, kind: SlotVoteKind, slot: Slot, digest: bytes) -> Ballot:
        """This replica's one vote of ``kind`` in this view on ``slot``, signed once only."""
        committee = self.committee
        vote = kind(committee.cluster, committee.epoch, self.me, self.view, slot.number, digest)
        word = vote.kind
        kept = slot.own[word] = slot.own.get(word) or Ballot(digest, self.sign(vote))
        assert kept.digest == digest, f"asked to sign a second {word} for {slot.number}"
        return kept

    def cast(self, kind: type[Prepare] | type[Commit], slot: Slot, digest: bytes) -> None:
        """Vote: sign, write ahead, tell everyone, count it."""
        ballot = self.sign_for(kind, slot, digest)
        votes = slot.prepares if kind is Prepare else slot.commits
        votes[self.me] = ballot
        self.persist(Voted(ballot.frame))
        self.broadcast(Vote(ballot.frame))

    def accuse(self, first: bytes, second: bytes) -> None:
        """Report two frames if they are evidence; once by culprit and kind."""
        evidence = shortest_conflict(first, second, self.committee)
        if evidence is not None:
            self.report(evidence)

    def report(self, evidence: Evidence) -> None:
        """Have proof ordered; once by culprit and kind."""
        if self.quarantine.accuse(evidence):
            self.out.append(ReportEvidence(evidence))

    def oldest_work_ms(self) -> int | None:
        """When the oldest thing that should be executed by now came in; None when idle."""
        if self.is_at_end:
            return None  # Only CHECKPOINTs are missing, and they need no primary.
        started = [slot.opened_ms for slot in self.log.undecided(self.executed)]
        if self.log.last is not None:
            # The primary is to fill up to the boundary: it is late when nothing moves.
            started.append(max(self.progress_ms, self.view_ms))
        waiting = next(iter(self.pending.waiting.values()), None)
        if waiting is not None:
            started.append(waiting.since_ms)
        return min(started, default=None)

    def take_effects(self) -> Sequence[Effect]:
        """What is to be done now; forgotten here."""
        out, self.out = self.out, []
        return out
