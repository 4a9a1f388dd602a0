"""One replica: events in, effects out. No clock, no randomness, no network, no disk.

The caller carries effects out strictly in order, so that a vote is on disk before it is sent. The
same events in the same order give the same effects.
"""

from collections import deque
from collections.abc import Collection, Sequence

from engine.charter import Charter
from engine.codec import Malformed
from engine.consensus.catch_up import CatchUp
from engine.consensus.committee import Committee, OtherEpoch, Refused
from engine.consensus.effects import (
    Began,
    Compact,
    Effect,
    Event,
    Halted,
    Receive,
    Retired,
    Submit,
    Tick,
    Trace,
)
from engine.consensus.epochs import Epochs
from engine.consensus.execution import Execution
from engine.consensus.messages import (
    AnyMessage,
    Batches,
    Checkpoint,
    Commit,
    Entries,
    Fetch,
    FetchBatches,
    NewView,
    OnSlot,
    Ordered,
    Prepare,
    PrePrepare,
    Proposal,
    Relay,
    Request,
    StableCheckpoint,
    ViewChange,
    Vote,
)
from engine.consensus.ordering import Ordering
from engine.consensus.quarantine import Application, no_application
from engine.consensus.restore import restore, snapshot
from engine.consensus.resume import Resume, begun_by, first_with
from engine.consensus.settings import Settings
from engine.consensus.state import State
from engine.consensus.succession import Succession
from engine.genesis import Genesis
from engine.signing import Signer
from engine.vocabulary import AgentId, Entry


class Replica:
    """The consensus core of one agent."""

    def __init__(
        self,
        committee: Committee,
        agent: AgentId,
        signer: Signer,
        settings: Settings,
        resume: Resume,
        application: Application = no_application,
    ) -> None:
        """Start as ``agent``, one of the founding committee, from what ``resume`` holds.

        ``application`` has taken every entry up to the head that ``resume`` names.

        Raises:
            ValueError: ``agent`` is no member, or the settings do not fit the committee.
        """
        place = committee.place_of(agent)
        if place is None:
            raise ValueError(f"{agent} is no agent of this cluster: {', '.join(committee.ids)}")
        settings.checked_for(committee.n, committee.f)
        epochs = resume.epochs or Epochs(committee, settings, resume.head)
        self._application = application
        self._handovers: dict[int, StableCheckpoint] = {}
        """How earlier epochs ended, by epoch, as far as this replica has the proof."""
        began = [record for record in resume.records if isinstance(record, Began)]
        voting = begun_by(epochs, began) or first_with(signer.public_key, agent, epochs)
        self._state = state = State(voting, place, signer, settings, epochs)
        self._keep_beginning(began[-1] if began else None)
        state.clients = resume.clients or state.clients
        restore(state, resume.records)
        self._convicted = resume.convicted
        state.quarantine.convict(resume.convicted)
        self._set_to_work(state)
        self._ticked_ms: int | None = None
        self._halted = self._retired = False
        self.dropped = 0
        """Frames not kept because a peer had too many waiting for a later view."""
        if state.is_checkpoint_due and state.executed not in state.checkpoints.votes:
            # The crash came between executing and signing the checkpoint.
            self._execution.checkpoint()
        self._ordering.vote_again()

    def _set_to_work(self, state: State) -> None:
        """Give every part of the machine ``state``."""
        self._execution = Execution(state, self._apply)
        self._ordering = Ordering(state, self._execution)
        self._catch_up = CatchUp(state, self._execution)
        self._succession = Succession(state, self._ordering, self._execution, self._catch_up.behind)
        self._succession.restored()
        self._future: dict[int, deque[bytes]] = {peer: deque() for peer in range(state.committee.n)}
        self._shunned: frozenset[int] = frozenset()

    def _apply(self, entry: Entry) -> Collection[AgentId]:
        self._convicted = self._application(entry)
        return self._convicted

    # --- what shells may ask ------------------------------------------------------------------

    @property
    def view(self) -> int:
        """The view this replica is in, or changes to."""
        return self._state.view

    @property
    def entered(self) -> bool:
        """False while a view change is under way."""
        return self._state.entered

    @property
    def primary(self) -> AgentId:
        """Who leads the current view."""
        committee = self._state.committee
        return committee.ids[committee.primary_of(self._state.view)]

    @property
    def executed(self) -> int:
        """Sequence number up to which it has executed."""
        return self._state.executed

    @property
    def chain(self) -> bytes:
        """Chain digest at ``executed``."""
        return self._state.chain

    @property
    def epoch(self) -> int:
        """The epoch that this replica votes in."""
        return self._state.committee.epoch

    @property
    def constitution(self) -> Genesis:
        """The genesis or the charter of that epoch."""
        return self._state.committee.genesis

    @property
    def retired(self) -> bool:
        """Whether another key has taken its place."""
        return self._retired

    @property
    def handover(self) -> Began | None:
        """The charter of this replica's epoch with its proof; None where there is no proof."""
        began = self._state.began
        return began if began is not None and began.proof else None

    @property
    def pending(self) -> int:
        """Submissions that are not ordered yet."""
        return len(self._state.pending.waiting)

    @property
    def busy(self) -> bool:
        """Whether anything waits to be ordered or a view change is under way."""
        s = self._state
        return not s.entered or s.is_at_end or s.oldest_work_ms() is not None

    @property
    def ready(self) -> bool:
        """Whether it takes part: in a view, with a quorum heard lately, and not behind."""
        if self._state.quarantine.is_violated or self._retired:
            return False
        return self._state.entered and self._catch_up.in_touch() and not self._catch_up.behind()

    @property
    def phase(self) -> str:
        """Idle, pre-prepared, prepared, committed of the oldest batch; or view-change, halted."""
        if self._state.quarantine.is_violated:
            return "halted"
        if self._retired:
            return "retired"
        if not self._state.entered:
            return "view-change"
        for slot in self._state.log.undecided(self._state.executed):
            return "prepared" if "commit" in slot.own else "pre-prepared"
        following = self._state.log.slots.get(self._state.executed + 1)
        return "committed" if following is not None and following.entry is not None else "idle"

    @property
    def holdings(self) -> dict[str, int]:
        """How much it keeps of everything that a peer or an author could make grow."""
        s = self._state
        return {
            "slots": len(s.log.slots),
            "batches": len(s.log.batches),
            "checkpoints": sum(votes.keys() != {s.me} for votes in s.checkpoints.votes.values()),
            "pending": len(s.pending.waiting),
            "future frames": max(map(len, self._future.values())),
        }

    # --- the machine --------------------------------------------------------------------------

    def step(self, event: Event) -> Sequence[Effect]:
        """Take one event; what is to be done for it, in order.

        Raises:
            engine.consensus.checkpoint.Diverged: more than f replicas lie, or own state is damaged.
        """
        s = self._state
        if self._takes_no_part():
            self._step_halted(event)
            return s.take_effects()
        view, entered = s.view, s.entered
        match event:
            case Receive():
                self._receive(event)
            case Submit():
                self._submit(event.submission)
            case tick:
                self._tick(tick.now_ms)
        if s.quarantine.places != self._shunned:
            self._shun()
        if s.entered and (view != s.view or not entered):
            self._replay_future()
            self._shun()
        if s.quarantine.is_violated:
            self._halt()
        elif s.log.last is not None and s.is_over:
            self._begin_epoch()
        elif (s.pending.unproposed or s.log.last is not None) and s.is_primary:
            self._ordering.propose()
        return self._state.take_effects()

    def _takes_no_part(self) -> bool:
        return self._state.quarantine.is_violated or self._retired

    def _shun(self) -> None:
        """Let every part know of those who were convicted in this step."""
        places = self._state.quarantine.places
        if places != self._shunned and not self._state.quarantine.is_violated:
            self._shunned = places
            for place in places:
                self._future[place].clear()
            self._catch_up.shun()
            self._succession.shun()

    # --- from one epoch to the next -------------------------------------------------------------

    def _begin_epoch(self) -> None:
        """Leave the epoch that is over for ever; in the next one nothing has been voted on yet."""
        old = self._state
        following = old.epochs.committees[old.committee.epoch + 1]
        charter, stable = following.genesis, old.checkpoints.stable
        assert isinstance(charter, Charter), "every epoch but the first has a charter"
        me = old.committee.ids[old.me]
        if charter.agent_keys()[me] != old.signer.public_key:
            self._retired = True
            old.out.append(Retired(charter.epoch))
            return
        proof = stable.proof if stable.sequence_number == charter.after else ()
        state = State(following, old.me, old.signer, old.settings, old.epochs)
        state.clients, state.now_ms, state.out = old.clients, old.now_ms, old.out
        state.view_ms = state.progress_ms = old.now_ms
        self._state = state
        self._keep_beginning(Began(charter, proof))
        state.quarantine.convict(self._convicted)
        self._set_to_work(state)
        state.out.append(Compact(snapshot(state)))
        self._shun()

    def _keep_beginning(self, began: Began | None) -> None:
        self._state.began = began
        if began is not None and began.proof:
            ended = began.charter.epoch - 1
            self._handovers[ended] = StableCheckpoint(*began.charter.base, began.proof)

    def _halt(self) -> None:
        if not self._state.quarantine.is_violated:
            return
        if not self._halted:
            self._halted = True
            self._state.out.append(Halted(tuple(sorted(self._state.quarantine.proven))))

    def _step_halted(self, event: Event) -> None:
        """Only say where this replica is, and give others what they lack."""
        self._halt()
        if isinstance(event, Tick):
            self._pass_time(event.now_ms)
            self._catch_up.tick()
        elif isinstance(event, Receive):
            self._receive(event)

    def _pass_time(self, now_ms: int) -> None:
        s = self._state
        if self._ticked_ms is None:
            self._ticked_ms = now_ms
        passed = max(0, now_ms - self._ticked_ms)
        self._ticked_ms = now_ms
        s.now_ms += min(passed, s.settings.longest_tick_ms)

    def _tick(self, now_ms: int) -> None:
        self._pass_time(now_ms)
        self._ordering.relay()
        self._ordering.resend()
        self._succession.tick()
        self._catch_up.tick()

    def _submit(self, submission: bytes) -> None:
        try:
            self._ordering.submit(submission)
        except Refused as error:
            me = self._state.committee.ids[self._state.me]
            self._state.out.append(Trace(me, "submission", 0, 0, b"", str(error)))

    def _receive(self, event: Receive) -> None:
        s = self._state
        peer = s.committee.place_of(event.peer)
        kind, place = "unknown", (0, 0, b"")
        refused = ""
        try:
            if peer is None or peer == s.me:
                raise Refused("from no peer")
            packet = s.committee.unpack(event.frame)
            kind = packet.kind
            if isinstance(packet, (Vote, Proposal)):
                self._check_counts(peer)
                message = s.committee.read(packet.frame)
                kind, place = message.kind, message.place
                if message.replica != peer:
                    # Not its own word: a screen that took it for one would see honest ones lie.
                    kind = f"passed-on {kind}"
                    if message.replica in s.quarantine.places:
                        raise Refused("its signer is convicted")
                self._hear(peer, packet, message, event.frame)
            else:
                # What is settled may be read by anyone.
                if not isinstance(packet, Fetch):
                    self._check_counts(peer)
                self._serve(peer, packet)
        except OtherEpoch as error:
            refused = str(error)
            assert peer is not None, "strangers were refused before anything of theirs was read"
            self._catch_up.on_other_epoch(peer, error.epoch, self._handovers.get(error.epoch))
        except (Malformed, Refused) as error:
            refused = str(error)
        s.out.append(Trace(event.peer, kind, *place, refused))

    def _check_counts(self, peer: int) -> None:
        if self._takes_no_part():
            raise Refused("this replica has halted")
        if peer in self._state.quarantine.places:
            raise Refused("its sender is convicted")

    def _serve(self, peer: int, packet: Request) -> None:
        match packet:
            case Relay():
                for submission in packet.submissions[: self._state.settings.batch_submissions]:
                    self._ordering.submit(submission)
            case Fetch():
                self._catch_up.on_fetch(peer, packet)
            case Entries():
                self._catch_up.on_entries(peer, packet)
            case FetchBatches():
                self._catch_up.on_fetch_batches(peer, packet)
            case Batches():
                self._ordering.on_batches(packet)
            case stable:
                self._catch_up.on_stable(peer, stable)

    def _hear(self, peer: int, packet: Vote | Proposal, message: AnyMessage, frame: bytes) -> None:
        told = message.replica != peer and self._is_told(packet, message)
        match message:  # What comes most often stands first.
            case Commit() | Prepare():
                self._check_view(peer, message, frame)
                if told:
                    self._ordering.on_shown_vote(message, packet.frame)
                else:
                    self._ordering.on_vote(message, packet.frame)
            case PrePrepare():
                self._check_view(peer, message, frame)
                if isinstance(packet, Proposal):
                    self._ordering.on_proposal(packet, message)
                else:
                    self._ordering.on_header(message, packet.frame)
            case Checkpoint():
                self._execution.on_checkpoint(message, packet.frame)
            case ViewChange():
                self._succession.on_view_change(message, packet.frame)
            case NewView():
                self._succession.on_new_view(message, packet.frame)
            case Ordered():
                raise Refused("not for replicas")
            case status:
                self._catch_up.on_status(status, packet.frame)

    def _check_view(self, peer: int, message: OnSlot, frame: bytes) -> None:
        s = self._state
        if message.view < s.view:
            raise Refused("of an old view")
        if message.view > s.view or not s.entered:
            self._keep_for_later(peer, frame)
            raise Refused("kept until its view is entered")

    def _is_told(self, packet: Vote | Proposal, message: AnyMessage) -> bool:
        """Whether a peer shows another's vote, which is compared but not counted.

        Raises:
            Refused: only its signer may send this.
        """
        # What proves itself may come from anyone; votes count over their sender's own channel only.
        told = isinstance(message, (Prepare, Commit)) and message.replica != self._state.me
        shown = isinstance(message, PrePrepare) and isinstance(packet, Vote)
        if not (told or shown or isinstance(message, NewView)):
            raise Refused("sent by another than its signer")
        return told

    # --- messages for views not entered yet ----------------------------------------------------

    def _keep_for_later(self, peer: int, frame: bytes) -> None:
        kept, settings = self._future[peer], self._state.settings
        kept.append(frame)
        while len(kept) > settings.future_frames or sum(map(len, kept)) > settings.future_bytes:
            kept.popleft()
            self.dropped += 1

    def _replay_future(self) -> None:
        ids = self._state.committee.ids
        for peer, kept in self._future.items():
            frames = list(kept)
            kept.clear()
            for frame in frames:
                self._receive(Receive(ids[peer], frame))
