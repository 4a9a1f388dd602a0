"""The normal case: pre-prepare, prepare, commit, execute (Castro and Liskov 1999, section 4.2)."""

from itertools import islice

from engine.consensus.committee import Refused
from engine.consensus.effects import Accepted, Certified
from engine.consensus.execution import Execution
from engine.consensus.log import Slot, certificate_of
from engine.consensus.messages import (
    Ballot,
    Batch,
    Batches,
    Commit,
    FetchBatches,
    Prepare,
    Prepared,
    PrePrepare,
    Proposal,
    Relay,
    Vote,
)
from engine.consensus.state import State
from engine.vocabulary import Entry

MOST_RESENT = 12
"""Batches, or submissions, that are sent again at a time, the oldest first; 12 of the longest
submissions still fit a frame."""


class Ordering:
    """Takes submissions in and brings batches through the three phases."""

    def __init__(self, state: State, execution: Execution) -> None:
        """Work on ``state``; committed batches go to ``execution``."""
        self._state = state
        self._execution = execution
        self._fetch_batches_ms = 0

    # --- submissions -------------------------------------------------------------------------

    def submit(self, frame: bytes) -> None:
        """Have a submission ordered.

        Raises:
            Refused: it is malformed, not signed by its author, or there is no room.
        """
        s = self._state
        if len(frame) > s.settings.submission_bytes:
            raise Refused(f"submission of {len(frame)} bytes is too long")
        key = s.committee.read_submission(frame)
        number = s.clients.number_of(key)
        if number is not None:
            self._execution.acknowledge(number, (key,))
            return
        if key in s.pending.waiting or s.clients.knows(key):
            return
        s.committee.open_submission(frame)
        if not s.pending.add(key, frame, s.now_ms):
            raise Refused("too many submissions wait")

    def relay(self) -> None:
        """Hand on what has waited too long: to the primary first, then to everyone."""
        s = self._state
        primary = s.committee.primary_of(s.view)
        first: list[bytes] = []
        again: list[bytes] = []
        room = s.settings.batch_bytes
        for item in islice(s.pending.waiting.values(), MOST_RESENT):
            pause = item.relay_pause_ms or s.settings.relay_ms
            if s.now_ms - max(item.since_ms, item.relayed_ms) >= pause:
                room -= len(item.frame)
                if room < 0:
                    break  # It is the first of the next tick: both packets stay within a frame.
                (again if item.relay_pause_ms else first).append(item.frame)
                item.relayed_ms = s.now_ms
                item.relay_pause_ms = min(2 * pause, s.settings.resend_most_ms)
        if first and primary != s.me:
            s.send(primary, Relay(tuple(first)))
        if again:
            s.broadcast(Relay(tuple(again)))

    # --- pre-prepare -------------------------------------------------------------------------

    def propose(self) -> None:
        """As primary: put what waits into batches, as far as the window allows."""
        s = self._state
        if not (s.entered and s.is_primary) or s.executed < s.plan_stable:
            return
        s.next_number = max(s.next_number, s.executed + 1, s.log.low + 1)
        while s.next_number <= min(s.log.high, s.executed + s.settings.in_flight):
            keys, batch = s.pending.cut(s.settings.batch_submissions, s.settings.batch_bytes)
            # Null batches fill an epoch up to its end. A re-proposed batch that is still being
            # fetched may hold the same submissions.
            if (not batch and s.log.last is None) or self._missing():
                return
            # Made only now: its age says how long the primary has had this work.
            slot = s.slot(s.next_number)
            assert slot is not None, "the next number lies between the watermarks"
            s.next_number += 1
            digest = s.digest_of(batch)
            slot.header = slot.first_header = s.sign_for(PrePrepare, slot, digest)
            s.log.batches[digest] = batch
            s.pending.mark(keys)
            self._vote_to_prepare(slot, slot.header, announce=True)

    def on_proposal(self, proposal: Proposal, header: PrePrepare) -> None:
        """As backup: take the primary's batch for its place, if there is nothing against it.

        Raises:
            Refused: there is.
        """
        s = self._state
        slot = s.slot(header.sequence_number)
        if slot is None:
            raise Refused("outside the window")
        if not self._first_header(slot, header, proposal.frame):
            return
        if slot.header is not None:
            self.on_batches(Batches((proposal.batch,)))
            return
        if header.sequence_number <= s.executed or slot.entry is not None:
            return
        if s.digest_of(proposal.batch) != header.digest:
            raise Refused("batch does not fit its digest")
        self._check_batch(header.sequence_number, proposal.batch)
        s.log.batches[header.digest] = proposal.batch
        # The first one, whose signature was checked: this frame's may be another, and wrong.
        assert slot.first_header is not None, "set by the check above"
        self.take_header(slot, slot.first_header)

    def on_header(self, header: PrePrepare, frame: bytes) -> None:
        """Compare a header that a peer shows with the one that the primary sent here.

        Raises:
            Refused: it is not the primary's.
        """
        slot = self._state.slot(header.sequence_number)
        if slot is not None and slot.first_header is not None:
            self._first_header(slot, header, frame)

    def _first_header(self, slot: Slot, header: PrePrepare, frame: bytes) -> bool:
        s = self._state
        if header.replica != s.committee.primary_of(header.view):
            raise Refused("pre-prepare of another than the primary")
        first = slot.first_header
        if first is not None and first.digest == header.digest:
            return True
        if not s.committee.signed(frame, header):
            raise Refused("signature does not fit")
        if first is not None:
            s.accuse(first.frame, frame)
            return False
        slot.first_header = Ballot(header.digest, frame)
        return True

    def _check_batch(self, number: int, batch: Batch) -> None:
        s = self._state
        if not batch and s.log.last is not None:
            return
        if not 0 < len(batch) <= s.settings.batch_submissions:
            raise Refused(f"batch of {len(batch)} submissions")
        if sum(map(len, batch)) > s.settings.batch_bytes:
            raise Refused("batch is too long")
        seen = s.log.keys_in_flight(s.executed, number)
        for frame in batch:
            key = s.committee.open_submission(frame)
            if key in seen or s.clients.knows(key):
                raise Refused("batch repeats a submission")
            seen.add(key)

    # --- prepare and commit ------------------------------------------------------------------

    def take_header(self, slot: Slot, header: Ballot) -> None:
        """Accept what the primary, or the beginning of the view, puts at a place."""
        s = self._state
        slot.header = header
        if slot.first_header is None:
            slot.first_header = header
        if slot.entry is not None:
            s.log.batches.setdefault(header.digest, slot.entry.batch)
        if header.digest in s.log.batches:
            self._vote_to_prepare(slot, header)

    def _vote_to_prepare(self, slot: Slot, header: Ballot, *, announce: bool = False) -> None:
        s = self._state
        batch = s.log.batches[header.digest]
        slot.keys = tuple(map(s.committee.read_submission, batch))
        s.pending.mark(slot.keys)
        slot.accept(header.digest, header.frame)
        for word, votes in (("prepare", slot.prepares), ("commit", slot.commits)):
            for replica, ballot in votes.items():
                if ballot.digest != header.digest:
                    self._tell_on(slot, word, replica, ballot.frame)
        s.persist(Accepted(header.frame, batch))
        if s.is_primary:
            slot.own.setdefault("pre-prepare", header)
        if announce:
            s.broadcast(Proposal(header.frame, batch))
        if not s.is_primary:
            s.cast(Prepare, slot, header.digest)
        self._prepare(slot)
        self._commit(slot)

    def vote_again(self) -> None:
        """After a restart: give the votes that a crash came before, on what this replica had taken.

        A batch is on disk before the PREPARE for it, and its proof before the COMMIT.
        """
        s = self._state
        if not s.entered or s.quarantine.is_violated:
            return
        for slot in list(s.log.undecided(s.executed)):
            header = slot.header
            assert header is not None, "only what has a header is undecided"
            if header.digest not in s.log.batches:
                continue
            if not s.is_primary and "prepare" not in slot.own:
                s.cast(Prepare, slot, header.digest)
            proved = (slot.proof_view, slot.proof_digest) == (s.view, header.digest)
            if proved and "commit" not in slot.own:
                s.cast(Commit, slot, header.digest)

    def on_vote(self, vote: Prepare | Commit, frame: bytes) -> None:
        """Count a PREPARE or COMMIT.

        Raises:
            Refused: it counts for nothing.
        """
        s = self._state
        slot = s.slot(vote.sequence_number)
        if slot is None:
            raise Refused("outside the window")
        word = vote.kind
        if word == "prepare" and vote.replica == s.committee.primary_of(vote.view):
            raise Refused("prepare of the primary")
        votes = slot.prepares if word == "prepare" else slot.commits
        kept = votes.get(vote.replica)
        if kept is not None and kept.digest == vote.digest:
            return
        late = slot.late.get((word, vote.replica))
        if late is not None and late.frame == frame:
            return
        # What agrees with what is proved already proves nothing new: its check is saved until
        # something contradicts it. Nobody signs one vote in two ways, so a second one is checked.
        if kept is None and late is None and slot.is_proved(word, vote.digest):
            slot.late[word, vote.replica] = Ballot(vote.digest, frame)
            return
        if not s.committee.signed(frame, vote):
            raise Refused("signature does not fit")
        if kept is not None:
            s.accuse(kept.frame, frame)
            return
        if late is not None and late.digest != vote.digest:
            s.accuse(late.frame, frame)
        votes[vote.replica] = Ballot(vote.digest, frame)
        first = slot.first_header
        if first is not None and first.digest != vote.digest:
            self._show_header(slot, first, vote, frame)
        if word == "prepare":
            self._prepare(slot)
        else:
            self._commit(slot)

    def _show_header(self, slot: Slot, first: Ballot, vote: Prepare | Commit, frame: bytes) -> None:
        # Whoever votes for another batch has another header: two of them prove who lied.
        if vote.replica not in slot.shown_to:
            slot.shown_to.add(vote.replica)
            self._state.send(vote.replica, Vote(first.frame))
        self._tell_on(slot, vote.kind, vote.replica, frame)

    def _tell_on(self, slot: Slot, word: str, replica: int, frame: bytes) -> None:
        # Others may hold another vote of that replica: the two prove that it lied.
        if (word, replica) not in slot.told_on:
            slot.told_on.add((word, replica))
            self._state.broadcast(Vote(frame))

    def on_shown_vote(self, vote: Prepare | Commit, frame: bytes) -> None:
        """Compare a vote that a peer shows with the one that its signer sent here; count nothing.

        Raises:
            Refused: it is outside the window.
        """
        slot = self._state.slot(vote.sequence_number)
        if slot is None:
            raise Refused("outside the window")
        kept = slot.first_of(vote.kind, vote.replica)
        if kept is not None and kept.digest != vote.digest:
            self._state.accuse(kept.frame, frame)

    def _prepare(self, slot: Slot) -> None:
        """Once a quorum took the batch: keep the proof, and vote to commit."""
        s = self._state
        header = slot.header
        wanted = s.committee.quorum - 1  # The header is the primary's own vote.
        if len(slot.prepares) < wanted or header is None or "commit" in slot.own:
            return
        prepares = certificate_of(slot.prepares, header.digest, wanted)
        if prepares and header.digest in s.log.batches:
            slot.proof = Prepared(header.frame, prepares)
            slot.proof_view, slot.proof_digest = s.view, header.digest
            s.persist(Certified(slot.proof))
            s.cast(Commit, slot, header.digest)
            self._commit(slot)

    def _commit(self, slot: Slot) -> None:
        """Once a quorum committed to a batch: it is decided."""
        s = self._state
        quorum = s.committee.quorum
        if len(slot.commits) < quorum or slot.entry is not None:
            return
        for digest in sorted({ballot.digest for ballot in slot.commits.values()}):
            commits = certificate_of(slot.commits, digest, quorum)
            if commits and digest in s.log.batches:
                slot.entry = Entry(slot.number, s.view, s.log.batches[digest], commits)
                self._execution.execute_ready()
                return

    # --- repair ------------------------------------------------------------------------------

    def _missing(self) -> list[bytes]:
        s = self._state
        return [
            slot.header.digest
            for slot in s.log.undecided(s.executed)
            if slot.header is not None and slot.header.digest not in s.log.batches
        ]

    def resend(self) -> None:
        """Say again what should have led to a decision by now; ask for batches not known."""
        s = self._state
        if not s.entered:
            return
        for slot in list(s.log.undecided(s.executed))[:MOST_RESENT]:
            if slot.resend_pause_ms and s.now_ms >= slot.resend_at_ms:
                self._resend_slot(slot)
            elif slot.resend_pause_ms:
                continue
            pause = 2 * slot.resend_pause_ms or s.settings.resend_ms
            slot.resend_pause_ms = min(pause, s.settings.resend_most_ms)
            slot.resend_at_ms = s.now_ms + slot.resend_pause_ms
        if s.now_ms >= self._fetch_batches_ms and (missing := self._missing()):
            self._fetch_batches_ms = s.now_ms + s.settings.fetch_ms
            s.broadcast(FetchBatches(tuple(missing[:MOST_RESENT])))

    def _resend_slot(self, slot: Slot) -> None:
        s = self._state
        header = slot.header
        if s.is_primary and header is not None and header.digest in s.log.batches:
            s.broadcast(Proposal(header.frame, s.log.batches[header.digest]))
        for word in ("prepare", "commit"):
            if word in slot.own:
                s.broadcast(Vote(slot.own[word].frame))

    def on_batches(self, packet: Batches) -> None:
        """Take batches that the beginning of the view named and this replica lacked."""
        s = self._state
        wanted = set(self._missing())
        for batch in packet.batches[:MOST_RESENT]:
            digest = s.digest_of(batch)
            if digest not in wanted:
                continue
            s.log.batches[digest] = batch
            for slot in list(s.log.undecided(s.executed)):
                if slot.header is not None and slot.header.digest == digest:
                    self._vote_to_prepare(slot, slot.header)
