"""What happened, on one axis of seconds: states, messages and marks, live and replayed alike (pure).

The axis is a monotonic clock in seconds: this machine's for a live engine, the engine's own for a
recording. Messages carry the stamps of the engine's machine; live, they are moved by the smallest
delay that any batch of them had, so that nothing is shown later than it had to be.

Everything is bounded; what is forgotten is counted. A window asks for what surrounds a moment and
draws it, so pausing, scrubbing and playing slowly cost nothing more than following.
"""

from bisect import bisect_left, bisect_right, insort
from collections.abc import Sequence
from operator import attrgetter

import msgspec

from engine.stream.fold import growth
from engine.stream.state import ScreenState, TimelineEntry
from engine.vocabulary import TraceEvent

MAX_MOMENTS = 24_000
"""Twenty minutes of a live engine at 20 a second; states share every row that did not change."""
MAX_MESSAGES = 250_000
"""More than the engine's trace keeps (200,000), so that a recording fits whole."""
MAX_MARKS = 4_096
LONGEST_FLIGHT_S = 10.0
"""A message that says it was under way for longer has a clock that cannot be believed."""
_SPARE = 64
"""The oldest leave in pieces of a 64th: moving a list at every message would cost more."""


class Moment(msgspec.Struct, frozen=True, gc=False):
    """A state, and when it came."""

    t_s: float
    state: ScreenState


class Sent(msgspec.Struct, frozen=True, gc=False):
    """One consensus message as its receiver saw it, on the timeline's axis."""

    received_s: float
    """When it arrived, or was refused."""
    number: int
    """Counts messages from 1 in the order in which they became known: a name for picking."""
    sent_s: float
    """When it left; equal to ``received_s`` where the sender said nothing that can be believed."""
    event: TraceEvent

    @property
    def refused(self) -> str:
        """Why the receiver did not take it; empty when it did."""
        return self.event.refused


class Mark(msgspec.Struct, frozen=True, gc=False):
    """One thing that happened in an incident, for the transport and the captions."""

    t_s: float
    entry: TimelineEntry
    incident: str


_received = attrgetter("received_s", "number")
_time = attrgetter("t_s")


class Timeline:
    """The store that the window draws from.

    Args:
        max_moments: states kept.
        max_messages: messages kept.
    """

    def __init__(self, max_moments: int = MAX_MOMENTS, max_messages: int = MAX_MESSAGES) -> None:
        self._max_moments = max_moments
        self._max_messages = max_messages
        self._moments: list[Moment] = []
        self._messages: list[Sent] = []
        self._marks: list[Mark] = []
        self._marked: set[tuple[str, TimelineEntry]] = set()
        self._delay_s: float | None = None
        self._numbered = 0
        self.moments_forgotten = 0
        self.messages_forgotten = 0
        self.messages_lost = 0
        """Messages that the engine did not keep for us: the stream says how many."""

    # --- what happens -----------------------------------------------------------------------------

    def show(self, t_s: float, state: ScreenState) -> None:
        """Keep ``state``, which became known at ``t_s``; one before the newest is not taken."""
        if self._moments and t_s < self._moments[-1].t_s:
            return
        self._mark(t_s, state)
        self._moments.append(Moment(t_s, state))
        if len(self._moments) > self._max_moments:
            spare = max(1, self._max_moments // _SPARE)
            del self._moments[:spare]
            self.moments_forgotten += spare

    def hear(self, events: Sequence[TraceEvent], now_s: float | None = None) -> Sequence[Sent]:
        """Keep messages; they come back as they were kept, in the order of ``events``.

        Args:
            events: as the trace has them.
            now_s: when this batch of them arrived, live; none where their stamps are the axis.
        """
        if not events:
            return ()
        if now_s is None:
            self._delay_s = 0.0
        else:
            delay_s = now_s - max(event.received_ns for event in events) / 1e9
            known = self._delay_s
            self._delay_s = delay_s if known is None else min(known, delay_s)
        kept = [self._keep(event, self._delay_s) for event in events]
        excess = len(self._messages) - self._max_messages
        if excess > 0:
            excess = max(excess, self._max_messages // _SPARE)
            del self._messages[:excess]
            self.messages_forgotten += excess
        return kept

    def lose(self, count: int) -> None:
        """Count messages that will never come."""
        self.messages_lost += count

    def begin_anew(self) -> None:
        """Another engine speaks from now on: its clock may be another one."""
        self._delay_s = None

    def _keep(self, event: TraceEvent, delay_s: float) -> Sent:
        self._numbered += 1
        received_s = event.received_ns / 1e9 + delay_s
        believed = 0 <= event.received_ns - event.sent_ns <= LONGEST_FLIGHT_S * 1e9
        sent_s = event.sent_ns / 1e9 + delay_s if event.sent_ns and believed else received_s
        sent = Sent(received_s, self._numbered, sent_s, event)
        messages = self._messages
        if not messages or _received(messages[-1]) <= _received(sent):
            messages.append(sent)
        else:
            insort(messages, sent, key=_received)
        return sent

    def _mark(self, t_s: float, state: ScreenState) -> None:
        old = self._moments[-1].state.timeline if self._moments else ()
        _, entries = growth(old, state.timeline)
        key = state.incident.key if state.incident is not None else ""
        for entry in entries:
            if (key, entry) in self._marked:
                continue
            happened_s = t_s - max(0, state.at_ms - entry.at_ms) / 1000
            mark = Mark(happened_s, entry, key)
            insort(self._marks, mark, key=_time)
            self._marked.add((key, entry))
        while len(self._marks) > MAX_MARKS:
            oldest = self._marks.pop(0)
            self._marked.discard((oldest.incident, oldest.entry))

    # --- what is asked ----------------------------------------------------------------------------

    @property
    def first_s(self) -> float:
        """The earliest moment that can be shown; 0 while there is none."""
        return self._moments[0].t_s if self._moments else 0.0

    @property
    def last_s(self) -> float:
        """The newest moment; 0 while there is none."""
        return self._moments[-1].t_s if self._moments else 0.0

    @property
    def is_empty(self) -> bool:
        """Whether nothing can be shown yet."""
        return not self._moments

    @property
    def counted(self) -> int:
        """Messages that have ever been kept."""
        return self._numbered

    def states_around(self, t_s: float) -> tuple[Moment, ...]:
        """What was known about ``t_s``: the two newest moments up to it, then the first after it.

        In order of time; the first moment of all stands for the time before it. Empty while
        nothing is known.
        """
        after = bisect_right(self._moments, t_s, key=_time)
        return tuple(self._moments[max(0, after - 2) : after + 1])

    def state_at(self, t_s: float) -> ScreenState:
        """The state that was known at ``t_s``; the first one before that, an empty one before all."""
        after = bisect_right(self._moments, t_s, key=_time)
        if not self._moments:
            return ScreenState()
        return self._moments[max(0, after - 1)].state

    def messages(self, from_s: float, to_s: float) -> Sequence[Sent]:
        """The messages that were under way at any time in the span, in the order of arrival.

        A message is under way from ``sent_s`` to ``received_s``, both included.
        """
        messages = self._messages
        first = bisect_left(messages, (from_s, 0), key=_received)
        beyond = bisect_right(messages, (to_s + LONGEST_FLIGHT_S, self._numbered), key=_received)
        return [sent for sent in messages[first:beyond] if sent.sent_s <= to_s]

    def marks(self, from_s: float = float("-inf"), to_s: float = float("inf")) -> Sequence[Mark]:
        """What happened in incidents within the span, both ends included, in order of time."""
        first = bisect_left(self._marks, from_s, key=_time)
        return self._marks[first : bisect_right(self._marks, to_s, key=_time)]
