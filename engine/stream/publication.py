"""What the engine has published, kept for a while, and the frames it becomes (pure).

A state gets a number when it is first sent. The newest ``RING`` of them are kept, rows shared, so
that whoever stands on one of them is brought forward by one merged delta; events are kept in one
ring for all, each client has its own cursor. Whatever two clients need alike is encoded once.
"""

from collections import deque
from collections.abc import Iterable, Sequence
from itertools import islice

import msgspec

from engine.stream.fold import diff
from engine.stream.frames import (
    delta_frame,
    events_frame,
    snapshot_frame,
    snapshot_payload,
    text_frame,
)
from engine.stream.state import ScreenState
from engine.stream.wire import Event, Events, EventsLost, Lane, Resume, Snapshot

RING = 256
"""States that a client may come back to: 12 s at 20 a second."""
EVENTS_RING = 65_536
EVENTS_A_FRAME = 512
"""So that a frame stays well below the send buffer of a few ticks."""
HEARTBEAT_S = 1.0
"""When only the time has changed, one update in this time is enough."""
NOWHERE = -1
"""Stands for the number of a state that a client does not have."""


class EventRing:
    """The newest events, numbered from 1."""

    def __init__(self, size: int = EVENTS_RING) -> None:
        self._events: deque[Event] = deque(maxlen=size)
        self.last = 0

    def extend(self, events: Iterable[Event]) -> None:
        """Append ``events``; the oldest leave."""
        for event in events:
            self._events.append(event)
            self.last += 1

    @property
    def first(self) -> int:
        """Number of the oldest one that is kept."""
        return self.last - len(self._events) + 1

    def after(self, number: int, limit: int) -> list[Event]:
        """Up to ``limit`` events that follow event ``number``, which must still be near."""
        skip = number + 1 - self.first
        return list(islice(self._events, skip, skip + limit))


class Cursor(msgspec.Struct, frozen=True):
    """What a client stands on; all that took the same frames share one."""

    seq: int = NOWHERE
    eseq: int = 0


class Publication:
    """Numbers states and events, and makes the frames that bring a cursor up to date."""

    def __init__(self, epoch: int) -> None:
        self.current = Snapshot(epoch, 0, ScreenState())
        self.events = EventRing()
        self._ring: dict[int, Snapshot] = {0: self.current}
        self._t_ns = 0
        self._next: ScreenState | None = None
        self._committed_s = float("-inf")
        self._ready: dict[tuple[str, Sequence[Lane], Cursor, int], tuple[bytes, Cursor]] = {}
        self._payloads: dict[str, bytes] = {}
        self.encoded = 0
        """Bundles that were made; all others were found ready."""

    def offer(self, state: ScreenState) -> None:
        """The newest state; what was offered before and not sent is forgotten."""
        self._next = state

    def happened(self, events: Iterable[Event]) -> None:
        """Append events to the lanes."""
        self.events.extend(events)
        self._ready.clear()

    @property
    def waiting(self) -> bool:
        """Whether a state was offered that has no number yet."""
        return self._next is not None

    def commit(self, now_s: float, t_ns: int) -> bool:
        """Give the offered state its number, unless it says nothing new yet."""
        if self._next is None:
            return False
        late = now_s - self._committed_s >= HEARTBEAT_S * 0.9
        if not late and diff(self.current.state, self._next).only_time:
            return False
        self._committed_s, self._t_ns = now_s, t_ns
        self.current = Snapshot(self.current.epoch, self.current.seq + 1, self._next)
        self._next = None
        self._ring[self.current.seq] = self.current
        self._ring.pop(self.current.seq - RING, None)
        self._ready.clear()
        self._payloads.clear()
        return True

    def cursor(self, resume: Resume | None) -> Cursor:
        """Where a client stands that says what it still has."""
        if resume is None:
            return Cursor(NOWHERE, self.events.last)
        if resume.epoch != self.current.epoch:
            return Cursor(NOWHERE, 0)
        seq = resume.seq if 0 < resume.seq <= self.current.seq else NOWHERE
        return Cursor(seq, max(0, min(resume.eseq, self.events.last)))

    def is_current(self, cursor: Cursor, lanes: Sequence[Lane]) -> bool:
        """Whether there is nothing to send to this client."""
        return cursor.seq == self.current.seq and (not lanes or cursor.eseq == self.events.last)

    def bundle(
        self, form: str, lanes: Sequence[Lane], cursor: Cursor, skipped: int = 0
    ) -> tuple[bytes, Cursor]:
        """The frames that bring ``cursor`` forward, in one piece, and where they lead.

        Args:
            form: of the protocol.
            lanes: those that the client wants.
            cursor: what it stands on.
            skipped: how many states it was too slow for: not a delta but a snapshot then.
        """
        key = (form, lanes, cursor, skipped)
        found = self._ready.get(key)
        if found is None:
            events, eseq = self._event_frames(form, lanes, cursor.eseq)
            frames = events + self._state_frame(form, cursor, skipped)
            found = frames, Cursor(self.current.seq, eseq)
            self.encoded += 1
            self._ready[key] = found
        return found

    def _state_frame(self, form: str, cursor: Cursor, skipped: int) -> bytes:
        current = self.current
        if cursor.seq == current.seq and not skipped:
            return b""
        old = None if skipped else self._ring.get(cursor.seq)
        if old is not None:
            delta = delta_frame(form, old, current, self._t_ns)
            # One step is what everybody gets; only a merged one may be longer than all of it.
            if old.seq + 1 == current.seq or len(delta) < len(self._snapshot(form, 0)):
                return delta
        return self._snapshot(form, skipped)

    def _snapshot(self, form: str, skipped: int) -> bytes:
        current = self.current
        if form not in self._payloads:
            self._payloads[form] = snapshot_payload(form, current.state)
        marked = Snapshot(current.epoch, current.seq, current.state, bool(skipped), skipped)
        return snapshot_frame(form, marked, self._payloads[form], self._t_ns)

    def _event_frames(self, form: str, lanes: Sequence[Lane], eseq: int) -> tuple[bytes, int]:
        ring = self.events
        if not lanes or eseq == ring.last:
            return b"", ring.last
        lost = b""
        if eseq + 1 < ring.first:
            lost = text_frame(EventsLost(eseq + 1, ring.first - 1))
            eseq = ring.first - 1
        found = ring.after(eseq, EVENTS_A_FRAME)
        upto = eseq + len(found)
        wanted = tuple(event for event in found if event.lane in lanes)
        message = Events(self.current.epoch, eseq, upto, wanted)
        return lost + events_frame(form, message, self._t_ns), upto
