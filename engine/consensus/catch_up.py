"""How a replica that missed something gets it: status, and entries that prove themselves.

The bus may drop anything, so replicas say where they are, and give a peer what it lacks: the
beginning of the view, the stable checkpoint, or entries with their commit certificates. Ledgers
keep everything, so entries are the whole state transfer.
"""

from engine.consensus.certificate import Unproven, check_entry
from engine.consensus.committee import Refused
from engine.consensus.effects import Broadcast, Serve
from engine.consensus.execution import Execution
from engine.consensus.messages import (
    Batches,
    Entries,
    Fetch,
    FetchBatches,
    Stable,
    StableCheckpoint,
    Status,
    Vote,
)
from engine.consensus.state import State
from engine.consensus.view_change import check_stable


class CatchUp:
    """Says where this replica is, and closes gaps on both sides."""

    def __init__(self, state: State, execution: Execution) -> None:
        """Work on ``state``; fetched entries go to ``execution``."""
        self._state = state
        self._execution = execution
        self._peers: dict[int, tuple[Status, bytes]] = {}
        self._proved: dict[int, int] = {}
        """Up to where each peer has shown a stable checkpoint."""
        self._further: set[int] = set()
        """Peers that spoke of a newer epoch, whose signatures cannot be checked yet."""
        self._said: tuple[object, ...] = ()
        self._said_ms: int | None = None
        self._gap_ms: int | None = None
        self._fetch_ms = 0
        self._asked = 0
        self._heard_ms: dict[int, int] = {}
        self._helped_ms: dict[int, int] = {}
        self._answered: dict[int, int] = {}

    def behind(self) -> bool:
        """Whether f + 1 peers, so one that is honest, executed more than this replica."""
        return len(self._ahead()) >= self._state.committee.weak_quorum

    def shun(self) -> None:
        """Believe the convicted nothing about where they are."""
        for place in self._state.quarantine.places:
            self._peers.pop(place, None)
            self._heard_ms.pop(place, None)

    def in_touch(self) -> bool:
        """Whether a quorum, this replica included, was heard within two idle pauses."""
        s = self._state
        since = s.now_ms - 2 * s.settings.idle_status_ms
        heard = sum(heard_ms >= since for heard_ms in self._heard_ms.values())
        return heard + 1 >= s.committee.quorum

    def _ahead(self) -> list[int]:
        executed = self._state.executed
        ahead = {peer for peer, (it, _) in self._peers.items() if it.executed > executed}
        # Who shows a stable checkpoint beyond this replica can give it the entries too.
        ahead.update(peer for peer, number in self._proved.items() if number > executed)
        # So can, most likely, who speaks of an epoch that has not begun here.
        ahead |= self._further
        return sorted(ahead - self._state.quarantine.places) if ahead else []

    # --- saying ------------------------------------------------------------------------------

    def tick(self) -> None:
        """Say where this replica is when it is time; ask for what it lacks."""
        self._answered.clear()
        self._say()
        s = self._state
        ahead = [] if s.quarantine.is_violated else self._ahead()
        if not ahead:
            self._gap_ms = None
            return
        if self._gap_ms is None:
            self._gap_ms = s.now_ms
        patience = max(self._gap_ms, s.progress_ms) + s.settings.fetch_ms
        if s.now_ms >= max(patience, self._fetch_ms):
            self._asked += 1
            self._fetch(ahead[self._asked % len(ahead)])

    def _say(self) -> None:
        s = self._state
        silent = None if self._said_ms is None else s.now_ms - self._said_ms
        if silent is not None and silent < min(s.settings.status_ms, s.settings.idle_status_ms):
            return
        stable = s.checkpoints.stable.sequence_number
        news = (s.view, s.entered, s.executed, stable)
        waits = s.is_at_end or s.oldest_work_ms() is not None
        busy = news != self._said or not s.entered or waits
        pause = s.settings.status_ms if busy else s.settings.idle_status_ms
        if silent is not None and silent < pause:
            return
        self._said, self._said_ms = news, s.now_ms
        committee = s.committee
        message = Status(
            committee.cluster,
            committee.epoch,
            s.me,
            s.view,
            s.entered,
            s.executed,
            s.chain,
            stable,
        )
        s.out.append(Broadcast(s.sign(message), status=True))
        for votes in s.checkpoints.votes.values():
            if s.me in votes:
                s.broadcast(Vote(votes[s.me].frame))

    def _fetch(self, peer: int) -> None:
        s = self._state
        self._fetch_ms = s.now_ms + s.settings.fetch_ms
        s.send(peer, Fetch(s.executed + 1, s.settings.fetch_entries))

    # --- hearing -----------------------------------------------------------------------------

    def on_status(self, status: Status, frame: bytes) -> None:
        """Note where a peer is, and give it what it lacks.

        Raises:
            Refused: it is not signed.
        """
        s = self._state
        if not s.committee.signed(frame, status):
            raise Refused("signature does not fit")
        kept = self._peers.get(status.replica)
        if kept is not None and (
            kept[0].executed == status.executed and kept[0].chain != status.chain
        ):
            s.accuse(kept[1], frame)
        self._peers[status.replica] = (status, frame)
        self._heard_ms[status.replica] = s.now_ms
        if s.now_ms < self._helped_ms.get(status.replica, 0):
            return
        older_view = status.view < s.view or (status.view == s.view and not status.entered)
        if older_view and s.entered and s.new_view_frame:
            self._help(status.replica, Vote(s.new_view_frame))
        elif status.stable < s.checkpoints.stable.sequence_number:
            self._help(status.replica, Stable(s.checkpoints.stable))

    def _help(self, peer: int, packet: Vote | Stable) -> None:
        s = self._state
        self._helped_ms[peer] = s.now_ms + s.settings.status_ms
        s.send(peer, packet)

    def on_stable(self, peer: int, packet: Stable) -> None:
        """Take a peer's newer stable checkpoint; it counts once this replica has reached it.

        Raises:
            Refused: it is not proved.
        """
        s = self._state
        if packet.checkpoint.sequence_number <= s.checkpoints.stable.sequence_number:
            return
        check_stable(packet.checkpoint, s.committee)
        s.checkpoints.offer(packet.checkpoint)
        self._proved[peer] = packet.checkpoint.sequence_number
        self._execution.settle()

    def on_other_epoch(self, peer: int, epoch: int, handover: StableCheckpoint | None) -> None:
        """Show a peer in an older epoch how that one ended; tell one in a newer one of this one."""
        s = self._state
        if epoch > s.committee.epoch:
            self._further.add(peer)
            self._said = ()
        elif handover is not None and s.now_ms >= self._helped_ms.get(peer, 0):
            self._help(peer, Stable(handover))

    def on_fetch(self, peer: int, packet: Fetch) -> None:
        """Have entries read from the ledger for a peer."""
        s = self._state
        if packet.first > s.executed or self._answers_enough(peer):
            return
        limit = min(packet.limit, s.settings.fetch_entries)
        if packet.first >= 1 and limit >= 1:
            s.out.append(Serve(s.committee.ids[peer], packet.first, limit))

    def on_entries(self, peer: int, packet: Entries) -> None:
        """Execute fetched entries that are next and proved.

        Raises:
            Refused: one of them is not proved.
        """
        s = self._state
        before = s.executed
        for entry in packet.entries[: s.settings.fetch_entries]:
            if s.quarantine.is_violated:
                return
            if entry.sequence_number != s.executed + 1:
                continue
            try:
                check_entry(entry, s.epochs.committee)
            except Unproven as error:
                raise Refused(str(error)) from None
            if s.is_at_end:
                # A quorum of the next epoch committed it, so this epoch is over.
                s.superseded = True
                return
            slot = s.slot(entry.sequence_number)
            if slot is not None:
                slot.entry = entry
            self._execution.execute(entry)
        self._execution.execute_ready()
        kept = self._peers.get(peer)
        if s.executed > before and kept is not None and kept[0].executed > s.executed:
            self._fetch(peer)

    def on_fetch_batches(self, peer: int, packet: FetchBatches) -> None:
        """Give a peer batches that it lacks and are known here: as much as one batch may hold."""
        s = self._state
        if self._answers_enough(peer):
            return
        found, size = [], 0
        for digest in packet.digests[: s.settings.fetch_entries]:
            batch = s.log.batches.get(digest)
            if batch is None or size + sum(map(len, batch)) > s.settings.batch_bytes:
                continue
            size += sum(map(len, batch))
            found.append(batch)
        if found:
            s.send(peer, Batches(tuple(found)))

    def _answers_enough(self, peer: int) -> bool:
        count = self._answered[peer] = self._answered.get(peer, 0) + 1
        return count > self._state.settings.answers_per_tick
