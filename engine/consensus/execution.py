"""What happens to committed batches: executed in sequence, acknowledged, checkpointed."""

from engine.consensus.clients import Key
from engine.consensus.committee import Refused
from engine.consensus.effects import Acknowledge, Compact, Execute, Voted
from engine.consensus.messages import Ballot, Checkpoint, Ordered, Vote
from engine.consensus.quarantine import Application
from engine.consensus.restore import snapshot
from engine.consensus.state import State
from engine.vocabulary import Entry


class Execution:
    """Executes entries, whether this replica saw them committed or fetched them."""

    def __init__(self, state: State, application: Application) -> None:
        """Work on ``state``; each entry goes to ``application``, which says who is convicted."""
        self._state = state
        self._application = application

    def execute_ready(self) -> None:
        """Execute everything committed that is next in sequence."""
        s = self._state
        while not s.quarantine.is_violated:
            slot = s.log.slots.get(s.executed + 1)
            if slot is None or slot.entry is None:
                return
            self.execute(slot.entry)

    def execute(self, entry: Entry) -> None:
        """Execute the next entry, whose certificate was checked."""
        s = self._state
        assert entry.sequence_number == s.executed + 1, "executed out of order"
        filled = s.log.last is not None
        s.epochs.take(entry)
        s.log.end_at(s.epochs.last_of(s.committee.epoch))
        s.progress_ms = s.now_ms
        if s.entered and entry.view == s.view and (entry.batch or filled):
            s.failed_views = 0
            s.pace.executed()
        s.out.append(Execute(entry, s.chain))
        s.quarantine.convict(self._application(entry))
        keys = s.clients.note(entry, s.committee.known_submission)
        for key in keys:
            s.pending.discard(key)
        for author in {author for author, _ in keys}:
            # A faulty author can overtake his own submission by so many that it is forgotten.
            s.pending.discard_up_to(author, s.clients.floor(author))
        if keys:
            self.acknowledge(s.executed, keys)
        if s.is_checkpoint_due:
            self.checkpoint()

    def acknowledge(self, number: int, keys: tuple[Key, ...]) -> None:
        """Tell authors where their submissions stand."""
        s = self._state
        notice = Ordered(s.committee.cluster, s.committee.epoch, s.me, number, keys)
        s.out.append(Acknowledge(s.sign(notice)))

    def checkpoint(self) -> None:
        """Sign the chain digest that this replica arrived at."""
        s = self._state
        vote = Checkpoint(s.committee.cluster, s.committee.epoch, s.me, s.executed, s.chain)
        ballot = Ballot(s.chain, s.sign(vote))
        s.checkpoints.reach(s.executed, s.chain)
        s.checkpoints.votes.setdefault(s.executed, {})[s.me] = ballot
        s.persist(Voted(ballot.frame))
        s.broadcast(Vote(ballot.frame))
        s.checkpoints.count(s.executed)
        self.settle()

    def on_checkpoint(self, vote: Checkpoint, frame: bytes) -> None:
        """Count a CHECKPOINT.

        Raises:
            Refused: it counts for nothing.
        """
        s = self._state
        number = vote.sequence_number
        if number % s.settings.checkpoint_period or not s.log.low < number <= s.log.high:
            raise Refused("outside the window")
        votes = s.checkpoints.votes.setdefault(number, {})
        kept = votes.get(vote.replica)
        if kept is not None and kept.digest == vote.chain:
            return
        if not s.committee.signed(frame, vote):
            raise Refused("signature does not fit")
        if kept is not None:
            s.accuse(kept.frame, frame)
            return
        votes[vote.replica] = Ballot(vote.chain, frame)
        s.checkpoints.count(number)
        self.settle()

    def settle(self) -> None:
        """Move the low watermark to the newest stable checkpoint, if it moved."""
        s = self._state
        if s.checkpoints.advance():
            s.log.collect(s.checkpoints.stable.sequence_number)
            s.out.append(Compact(snapshot(s)))
