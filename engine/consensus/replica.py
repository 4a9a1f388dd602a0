"""One replica: events in, effects out. No clock, no randomness, no network, no disk.

The caller carries effects out strictly in order, so that a vote is on disk before it is sent. The
same events in the same order give the same effects.
"""

from collections import deque
from collections.abc import Collection, Iterable, Sequence

from engine.codec import Malformed
from engine.consensus.catch_up import CatchUp
from engine.consensus.clients import ClientTable
from engine.consensus.committee import Committee, Refused
from engine.consensus.effects import (
    AnyRecord,
    Effect,
    Event,
    Halted,
    Receive,
    Submit,
    Tick,
    Trace,
)
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
    Ordered,
    Packet,
    Prepare,
    PrePrepare,
    Proposal,
    Relay,
    Stable,
    Status,
    ViewChange,
    Vote,
    decode_packet,
    kind_of,
)
from engine.consensus.ordering import Ordering
from engine.consensus.quarantine import Application, no_application
from engine.consensus.restore import restore
from engine.consensus.settings import Settings
from engine.consensus.state import State
from engine.consensus.succession import Succession
from engine.signing import Signer
from engine.vocabulary import AgentId


class Resume:
    """Where a replica starts: an empty one, or what ledger and vote log held."""

    def __init__(
        self,
        head: tuple[int, bytes] | None = None,
        clients: ClientTable | None = None,
        records: Iterable[AnyRecord] = (),
        convicted: Collection[AgentId] = (),
    ) -> None:
        """Take what was kept: ``records`` is the vote log.

        ``clients`` has seen every entry up to ``head``, and these convict ``convicted``.
        """
        self.convicted = convicted
        self.head = head
        self.clients = clients
        self.records = tuple(records)


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
        """Start as ``agent``, one of the committee, from what ``resume`` holds.

        ``application`` has taken every entry up to the head that ``resume`` names.

        Raises:
            ValueError: ``agent`` is no member, or the settings do not fit the committee.
        """
        place = committee.place_of(agent)
        if place is None:
            raise ValueError(f"{agent} is no agent of this cluster: {', '.join(committee.ids)}")
        settings.checked_for(committee.n, committee.f)
        self._state = state = State(committee, place, signer, settings)
        if resume.head is not None:
            state.executed, state.chain = resume.head
        state.clients = resume.clients or state.clients
        restore(state, resume.records)
        state.quarantine.convict(resume.convicted)
        self._execution = Execution(state, application)
        self._ordering = Ordering(state, self._execution)
        self._catch_up = CatchUp(state, self._execution)
        self._succession = Succession(state, self._ordering, self._execution, self._catch_up.behind)
        self._succession.restored()
        self._future: dict[int, deque[bytes]] = {peer: deque() for peer in range(committee.n)}
        self._ticked_ms: int | None = None
        self._shunned: frozenset[int] = frozenset()
        self._halted = False
        self.dropped = 0
        """Frames not kept because a peer had too many waiting for a later view."""
        if (
            state.executed > state.log.low
            and state.executed % settings.checkpoint_period == 0
            and state.executed not in state.checkpoints.votes
        ):
            # The crash came between executing and signing the checkpoint.
            self._execution.checkpoint()

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
    def clients(self) -> ClientTable:
        """Whose submissions are ordered."""
        return self._state.clients

    @property
    def pending(self) -> int:
        """Submissions that are not ordered yet."""
        return len(self._state.pending.waiting)

    @property
    def busy(self) -> bool:
        """Whether anything waits to be ordered or a view change is under way."""
        return not self._state.entered or self._state.oldest_work_ms() is not None

    @property
    def ready(self) -> bool:
        """Whether it takes part: in a view, with a quorum heard lately, and not behind."""
        if self._state.quarantine.is_violated():
            return False
        return self._state.entered and self._catch_up.in_touch() and not self._catch_up.behind()

    @property
    def phase(self) -> str:
        """Idle, pre-prepared, prepared, committed of the oldest batch; or view-change, halted."""
        if self._state.quarantine.is_violated():
            return "halted"
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
        if self._state.quarantine.is_violated():
            self._step_halted(event)
            return self._state.take_effects()
        view = (self._state.view, self._state.entered)
        match event:
            case Receive():
                self._receive(event)
            case Submit():
                self._submit(event.submission)
            case Tick():
                self._tick(event.now_ms)
        self._shun()
        if view != (self._state.view, self._state.entered) and self._state.entered:
            self._replay_future()
            self._shun()
        if self._state.quarantine.is_violated():
            self._halt()
        else:
            self._ordering.propose()
        return self._state.take_effects()

    def _shun(self) -> None:
        """Let every part know of those who were convicted in this step."""
        places = self._state.quarantine.places
        if places != self._shunned and not self._state.quarantine.is_violated():
            self._shunned = places
            for place in places:
                self._future[place].clear()
            self._catch_up.shun()
            self._succession.shun()

    def _halt(self) -> None:
        if not self._halted:
            self._halted = True
            self._state.out.append(Halted(tuple(sorted(self._state.quarantine.proven))))

    def _step_halted(self, event: Event) -> None:
        """Only say where this replica is, and give others what they lack."""
        self._halt()
        match event:
            case Tick():
                self._pass_time(event.now_ms)
                self._catch_up.tick()
            case Receive():
                self._receive(event)
            case Submit():
                pass

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
            packet = decode_packet(event.frame)
            kind = kind_of(packet)
            if s.quarantine.is_violated() and not isinstance(packet, Fetch):
                raise Refused("this replica has halted")
            # What is settled may be read by anyone; nothing else of a convicted replica counts.
            if peer in s.quarantine.places and not isinstance(packet, Fetch):
                raise Refused("its sender is convicted")
            if isinstance(packet, (Vote, Proposal)):
                message = s.committee.read(packet.frame)
                kind, place = kind_of(message), _place(message)
                if message.replica != peer:
                    # Not its own word: a screen that took it for one would see honest ones lie.
                    kind = f"passed-on {kind}"
                if message.replica in s.quarantine.places:
                    raise Refused("its signer is convicted")
                self._hear(peer, packet, message, event.frame)
            else:
                self._serve(peer, packet)
        except (Malformed, Refused) as error:
            refused = str(error)
        s.out.append(Trace(event.peer, kind, *place, refused))

    def _serve(self, peer: int, packet: Packet) -> None:
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
            case Stable():
                self._catch_up.on_stable(packet)
            case Vote() | Proposal():
                raise AssertionError("votes and proposals are heard, not served")

    def _hear(self, peer: int, packet: Vote | Proposal, message: AnyMessage, frame: bytes) -> None:
        s = self._state
        told = self._is_told(peer, packet, message)
        if isinstance(message, (PrePrepare, Prepare, Commit)) and message.view < s.view:
            raise Refused("of an old view")
        match message:
            case PrePrepare() | Prepare() | Commit() if message.view > s.view or not s.entered:
                self._keep_for_later(peer, frame)
                raise Refused("kept until its view is entered")
            case PrePrepare():
                if isinstance(packet, Proposal):
                    self._ordering.on_proposal(packet, message)
                else:
                    self._ordering.on_header(message, packet.frame)
            case Prepare() | Commit() if told:
                self._ordering.on_shown_vote(message, packet.frame)
            case Prepare() | Commit():
                self._ordering.on_vote(message, packet.frame)
            case Checkpoint():
                self._execution.on_checkpoint(message, packet.frame)
            case ViewChange():
                self._succession.on_view_change(message, packet.frame)
            case NewView():
                self._succession.on_new_view(message, packet.frame)
            case Status():
                self._catch_up.on_status(message, packet.frame)
            case Ordered():
                raise Refused("not for replicas")

    def _is_told(self, peer: int, packet: Vote | Proposal, message: AnyMessage) -> bool:
        """Whether ``peer`` shows another's vote, which is compared but not counted.

        Raises:
            Refused: only its signer may send this.
        """
        if message.replica == peer:
            return False
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


def _place(message: AnyMessage) -> tuple[int, int, bytes]:
    match message:
        case PrePrepare() | Prepare() | Commit():
            return message.view, message.sequence_number, message.digest
        case Checkpoint():
            return 0, message.sequence_number, message.chain
        case Status():
            return message.view, message.executed, message.chain
        case ViewChange() | NewView():
            return message.view, 0, b""
        case Ordered():
            return 0, message.sequence_number, b""
