"""When a primary is given up, and how this replica takes part in the change of view."""

from collections.abc import Callable

from engine.consensus.checkpoint import Diverged
from engine.consensus.committee import Refused
from engine.consensus.effects import Entered, Voted
from engine.consensus.evidence import BAD_NEW_VIEW, Evidence
from engine.consensus.execution import Execution
from engine.consensus.messages import (
    Ballot,
    NewView,
    PrePrepare,
    ViewChange,
    Vote,
)
from engine.consensus.ordering import Ordering
from engine.consensus.state import State
from engine.consensus.view_change import Plan, check_view_change, plan_of, select
from engine.quorum import NEW_VIEW_BYTES, view_change_bytes_of


class Succession:
    """Takes part in view changes; ``behind`` says whether others provably got further."""

    def __init__(
        self,
        state: State,
        ordering: Ordering,
        execution: Execution,
        behind: Callable[[], bool],
    ) -> None:
        """Work on ``state``; what a view begins with goes to ``ordering``."""
        self._state = state
        self._ordering = ordering
        self._execution = execution
        self._behind = behind
        self._newest: dict[int, tuple[ViewChange, bytes]] = {}
        self._deadline_ms: int | None = None
        self._resend_ms = 0
        self._paced_ms = state.now_ms

    def restored(self) -> None:
        """Count this replica's own VIEW-CHANGE that the vote log held."""
        frame = self._state.view_change_frame
        if frame:
            message = self._state.committee.read(frame)
            assert isinstance(message, ViewChange), "the vote log holds what was written"
            self._newest[self._state.me] = (message, frame)

    # --- giving up a view --------------------------------------------------------------------

    def tick(self) -> None:
        """Give the primary up if its time is over; say again what may have been lost."""
        s = self._state
        if s.entered:
            self._judge()
        elif self._deadline_ms is not None and s.now_ms >= self._deadline_ms:
            self.start(s.view + 1)
        elif s.now_ms >= self._resend_ms:
            self._resend_ms = s.now_ms + 2 * s.settings.status_ms
            s.broadcast(Vote(s.view_change_frame))

    def _judge(self) -> None:
        """See whether the primary of the view that this replica is in does its work."""
        s = self._state
        judged_ms, self._paced_ms = self._paced_ms, s.now_ms
        oldest = s.oldest_work_ms()
        # What others executed already is fetched; it says nothing against the primary.
        if oldest is None or self._behind():
            return
        if self._overdue(oldest):
            self.start(s.view + 1)
            return
        s.pace.waited(s.now_ms - max(oldest, judged_ms, s.view_ms))
        if s.pace.is_missed:
            s.pace.give_up()
            self.start(s.view + 1)

    def _overdue(self, oldest: int) -> bool:
        s = self._state
        timeout = s.timeout_ms(s.settings.request_timeout_ms)
        since = max(oldest, s.view_ms)
        stalled = s.now_ms - max(since, s.progress_ms) >= timeout
        return stalled or s.now_ms - since >= timeout * s.settings.starvation_factor

    def shun(self) -> None:
        """Count no view change of the convicted, and end the view that one of them leads."""
        s = self._state
        for place in s.quarantine.places & self._newest.keys() - {s.me}:
            del self._newest[place]
        if s.committee.primary_of(s.view) in s.quarantine.places:
            self.start(s.view + 1)

    def start(self, view: int) -> None:
        """Leave all views below ``view`` for ever and ask for it.

        A view whose primary is convicted is passed over.
        """
        s = self._state
        assert view > s.view, "views only rise"
        while s.committee.primary_of(view) in s.quarantine.places:
            view += 1
        committee, log = s.committee, s.log
        proofs = tuple(
            slot.proof
            for number, slot in sorted(log.slots.items())
            if slot.proof is not None and number > s.checkpoints.stable.sequence_number
        )
        s.view, s.entered, s.new_view_frame = view, False, b""
        s.failed_views += 1
        log.enter_view(s.now_ms)
        message = ViewChange(
            committee.cluster, committee.epoch, s.me, view, s.checkpoints.stable, proofs
        )
        s.view_change_frame = s.sign(message)
        s.persist(Voted(s.view_change_frame))
        s.broadcast(Vote(s.view_change_frame))
        self._resend_ms = s.now_ms + 2 * s.settings.status_ms
        self._deadline_ms = None
        self._newest[s.me] = (message, s.view_change_frame)
        self._gather()

    def on_view_change(self, message: ViewChange, frame: bytes) -> None:
        """Count a VIEW-CHANGE.

        Raises:
            Refused: it is too long or not signed, or claims what it does not prove.
        """
        s = self._state
        if len(frame) > view_change_bytes_of(s.committee.n, s.committee.f):
            raise Refused("longer than a view-change can be")
        kept = self._newest.get(message.replica)
        if kept is not None and message.view <= kept[0].view:
            if message.view == kept[0].view and message != kept[0]:
                s.accuse(kept[1], frame)
            return
        if message.view < s.view:
            return
        if not s.committee.signed(frame, message):
            raise Refused("signature does not fit")
        check_view_change(message, s.committee, s.settings.window)
        self._newest[message.replica] = (message, frame)
        self._join()
        self._gather()

    def _join(self) -> None:
        # f + 1 replicas that want higher views include an honest one (section 4.5.2).
        s = self._state
        higher = [vote.view for vote, _ in self._newest.values() if vote.view > s.view]
        if len(higher) >= s.committee.weak_quorum:
            self.start(min(higher))

    def _gather(self) -> None:
        s = self._state
        if s.entered:
            return
        votes = [pair for _, pair in sorted(self._newest.items()) if pair[0].view == s.view]
        if s.is_primary and len(votes) >= s.committee.quorum:
            self._begin(votes[: s.committee.quorum])
            return
        # Who is further has left this view as well, and says only the newest thing again: were it
        # not counted, replicas in two views could wait for each other for ever.
        leaving = sum(vote.view >= s.view for vote, _ in self._newest.values())
        if leaving >= s.committee.quorum and self._deadline_ms is None:
            base = s.settings.view_change_timeout_ms
            # ``start`` counted this view as failed already: the first one has ``base``.
            self._deadline_ms = s.now_ms + s.timeout_ms(base) // 2

    # --- beginning a view --------------------------------------------------------------------

    def _begin(self, votes: list[tuple[ViewChange, bytes]]) -> None:
        s = self._state
        committee = s.committee
        plan = select([vote for vote, _ in votes], committee)
        headers = tuple(
            s.sign(PrePrepare(committee.cluster, committee.epoch, s.me, s.view, number, digest))
            for number, digest in plan.slots
        )
        frames = tuple(frame for _, frame in votes)
        message = NewView(committee.cluster, committee.epoch, s.me, s.view, frames, headers)
        frame = s.sign(message)
        self._enter(message, frame, plan)
        s.broadcast(Vote(frame))

    def on_new_view(self, message: NewView, frame: bytes) -> None:
        """Enter the view, if what it begins with follows from its own contents.

        Raises:
            Refused: it is too long or not signed, or it does not follow; that is evidence.
        """
        s = self._state
        if len(frame) > NEW_VIEW_BYTES:
            raise Refused("longer than a new-view can be")
        if message.view < s.view or (message.view == s.view and s.entered):
            if frame != s.new_view_frame and message.view == s.view and s.new_view_frame:
                s.accuse(s.new_view_frame, frame)
            return
        if message.replica != s.committee.primary_of(message.view):
            raise Refused("new-view of the wrong primary")
        if not s.committee.signed(frame, message):
            raise Refused("signature does not fit")
        try:
            plan = plan_of(message, s.committee, s.settings.window)
        except Refused:
            culprit = s.committee.ids[message.replica]
            s.report(Evidence(culprit, BAD_NEW_VIEW, frame, b""))
            raise
        self._enter(message, frame, plan)

    def _enter(self, message: NewView, frame: bytes, plan: Plan) -> None:
        s = self._state
        s.view, s.entered = message.view, True
        s.new_view_frame, s.view_change_frame = frame, b""
        s.persist(Entered(frame))
        s.view_ms = s.progress_ms = self._paced_ms = s.now_ms
        s.pace.begin()
        s.log.enter_view(s.now_ms)
        s.pending.enter_view()
        self._deadline_ms = None
        s.plan_stable = plan.stable.sequence_number
        s.checkpoints.offer(plan.stable)
        self._execution.settle()
        s.next_number = s.plan_stable + len(plan.slots) + 1
        for (number, digest), header in zip(plan.slots, message.pre_prepares, strict=True):
            slot = s.slot(number)
            if slot is None:
                continue
            if slot.entry is not None and s.digest_of(slot.entry.batch) != digest:
                raise Diverged(
                    f"view {s.view} begins with another batch at {number} than was committed here; "
                    "stop this replica and compare the ledgers"
                )
            self._ordering.take_header(slot, Ballot(digest, header))
