"""What both screens show: the link's events folded together with what the viewer does (pure).

No widget and no clock: time comes in as monotonic nanoseconds. The store keeps the last minute of
states, which share every row that did not change, so that a viewer can pause and step back while
the live state goes on.
"""

from collections import deque
from enum import StrEnum

import msgspec

from controlroom.drills import news
from engine.stream.connection import Answered, Connected, Happened, LinkEvent, Received, Waiting
from engine.stream.state import ScreenState
from engine.stream.wire import Reply

HISTORY = 600
"""States kept for stepping back: a minute at ten a second."""
STALE_NS = 3_000_000_000
"""The engine speaks every second; after three it is late."""


_NOTHING = ScreenState()


class LinkStatus(StrEnum):
    """How the screen stands with the engine."""

    CONNECTING = "connecting"
    LIVE = "live"
    STALE = "stale"
    WAITING = "waiting"
    REPLAY = "replay"
    """What is shown has happened before; nothing can be ordered."""


class Moment(msgspec.Struct, frozen=True, gc=False):
    """A state and when it arrived."""

    number: int
    """Counts from 1, without gaps, whatever the link went through."""
    received_ns: int
    state: ScreenState


class Store:
    """The live state, a minute of history, and where the viewer is looking."""

    def __init__(self, *, replayed: bool = False) -> None:
        """Empty; ``replayed`` says that what comes is a recording and not an engine."""
        self._replayed = replayed
        self._moments: deque[Moment] = deque(maxlen=HISTORY)
        self._held: Moment | None = None
        self._connected = False
        self._waiting: Waiting | None = None
        self._replies: deque[Reply] = deque(maxlen=16)
        self._news: deque[str] = deque(maxlen=16)
        self.epoch = 0
        """Which start of the engine the live state comes from."""
        self.gaps = 0
        """Updates that the engine left out because this screen was too slow."""
        self.selected: dict[str, str] = {}
        """By panel, the id of what the viewer has chosen: an id stays what it is, a row moves."""

    # --- what happens ---------------------------------------------------------------------------

    def take(self, event: LinkEvent) -> None:
        """Let one event of the link happen."""
        match event:
            case Connected():
                self._connected, self._waiting = True, None
            case Waiting():
                self._connected, self._waiting = False, event
            case Received(snapshot, received_ns):
                number = self._moments[-1].number + 1 if self._moments else 1
                if self._moments and (said := news(self.live, snapshot.state)):
                    self._news.append(said)
                self._moments.append(Moment(number, received_ns, snapshot.state))
                self.epoch = snapshot.epoch
                self.gaps += snapshot.skipped
            case Answered(reply):
                self._replies.append(reply)
            case Happened():
                pass  # The state holds as much of the timeline and the ledger as this screen draws.

    def replies(self) -> list[Reply]:
        """The replies that have not been taken yet."""
        taken = list(self._replies)
        self._replies.clear()
        return taken

    def news(self) -> list[str]:
        """What a person who ordered a drill wants to be told, and has not been yet."""
        taken = list(self._news)
        self._news.clear()
        return taken

    # --- what is shown --------------------------------------------------------------------------

    @property
    def live(self) -> ScreenState:
        """The newest state; what commands are checked against."""
        return self._moments[-1].state if self._moments else _NOTHING

    @property
    def shown(self) -> ScreenState:
        """The state to draw: the newest one, or the one that is held."""
        return self._held.state if self._held is not None else self.live

    @property
    def is_empty(self) -> bool:
        """Whether nothing has ever arrived."""
        return not self._moments

    def status(self, now_ns: int) -> LinkStatus:
        """How the screen stands with the engine."""
        if self._replayed:
            return LinkStatus.REPLAY
        if self._waiting is not None:
            return LinkStatus.WAITING
        if not self._connected or self.is_empty:
            return LinkStatus.CONNECTING
        return LinkStatus.STALE if self.age_ns(now_ns) > STALE_NS else LinkStatus.LIVE

    def age_ns(self, now_ns: int) -> int:
        """How long ago the newest state arrived; 0 while there is none."""
        return max(0, now_ns - self._moments[-1].received_ns) if self._moments else 0

    @property
    def reason(self) -> str:
        """Why there is no connection; empty while there is one."""
        return self._waiting.reason if self._waiting is not None else ""

    def retry_in_ns(self, now_ns: int) -> int:
        """How long until the link tries again; 0 while it is connected or trying."""
        return max(0, self._waiting.retry_ns - now_ns) if self._waiting is not None else 0

    # --- pausing and stepping back --------------------------------------------------------------

    @property
    def paused(self) -> bool:
        """Whether a state is held while the live one goes on."""
        return self._held is not None

    def pause(self) -> None:
        """Hold what is shown now."""
        if self._held is None and self._moments:
            self._held = self._moments[-1]

    def resume(self) -> None:
        """Show the live state again."""
        self._held = None

    def step(self, by: int) -> None:
        """Hold the state ``by`` updates later (negative: earlier), as far as history reaches."""
        self.pause()
        if self._held is None:
            return
        wanted = self._held.number + by
        first, last = self._moments[0], self._moments[-1]
        if wanted <= first.number:
            # What has left the history while it was held is still what is held.
            self._held = first if self._held.number >= first.number or by > 0 else self._held
        else:
            self._held = self._moments[min(wanted, last.number) - first.number]

    @property
    def behind(self) -> int:
        """How many updates the held state is behind the live one."""
        return self._moments[-1].number - self._held.number if self._held is not None else 0

    @property
    def behind_ns(self) -> int:
        """How much older the held state is than the live one."""
        return (
            self._moments[-1].received_ns - self._held.received_ns if self._held is not None else 0
        )
