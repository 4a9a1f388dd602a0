"""Everything behind the window that needs no window: what came, where the viewer is, what he chose (pure).

The window hands in events and the time, and gets a frame to draw; a recording is loaded whole.
"""

from collections.abc import Sequence

import msgspec

from controlroom.store import Store
from controlroom.window.captions import COUNCIL, SERVICE
from controlroom.window.orbit import Orbit
from controlroom.window.scene.council import HEIGHT as COUNCIL_HIGH
from controlroom.window.scene.eye import Eye
from controlroom.window.scene.model import Frame, Scene
from controlroom.window.scene.picking import Picked, related, search
from controlroom.window.timeline import Moment, Sent, Timeline
from controlroom.window.transport import Transport
from engine.stream.connection import Connected, Happened, LinkEvent, Received
from engine.stream.recording import Recording
from engine.stream.state import ScreenState

PRESENTED = 17.0
"""Distance from which a presentation shows a part: near enough to see, far enough to know where."""
LATE_S = 0.3
"""Live, messages are drawn so much later: the trace reaches the engine some tenths of a second after
what it tells, and what comes late would begin in the middle of its way."""


class Choice(msgspec.Struct, frozen=True):
    """What the viewer has picked; ids are those of ``scene.picking``."""

    thing: str = ""
    found: tuple[str, ...] = ()
    """What a search found."""


class Session:
    """One window's view of one engine, or of one recording.

    Args:
        recording: what is replayed; none for a live engine.
        still: reduced motion.
    """

    def __init__(self, recording: Recording | None = None, *, still: bool = False) -> None:
        live = recording is None
        self.live = live
        self.timeline = Timeline()
        self.store = Store(replayed=not live)
        self.scene = Scene(late_s=LATE_S if live else 0.0, still=still)
        self.transport = Transport(self.timeline, live=live)
        self.orbit = Orbit(still=still)
        self.choice = Choice()
        self._epoch: int | None = None
        self._frame: Frame | None = None
        if recording is not None:
            self._load(recording)

    # --- what comes ---------------------------------------------------------------------------------

    def take(self, states: Sequence[Received], others: Sequence[LinkEvent], now_s: float) -> None:
        """Let what a feed gave happen."""
        for event in others:
            self.store.take(event)
            if isinstance(event, Happened):
                self._hear(event, now_s)
        for event in states:
            self._begin_anew_if_other(event)
            self.store.take(event)
            self._show(event.received_ns / 1e9, event.snapshot.state)

    def _begin_anew_if_other(self, event: Received) -> None:
        if self._epoch is not None and event.snapshot.epoch != self._epoch:
            self.timeline.begin_anew()
        self._epoch = event.snapshot.epoch

    def _hear(self, event: Happened, now_s: float) -> None:
        self.timeline.lose(event.lost)
        events = [it.trace for it in event.events if it.trace is not None]
        self.scene.hear(self.timeline.hear(events, now_s))

    def _show(self, t_s: float, state: ScreenState) -> None:
        self.timeline.show(t_s, state)
        self.scene.show(t_s, state)

    def _load(self, recording: Recording) -> None:
        for frame in recording.frames:
            self._show(frame.at_ns / 1e9, frame.state)
        self.scene.hear(self.timeline.hear(recording.messages))
        self.store.take(Connected(recording.source))

    # --- what is shown ------------------------------------------------------------------------------

    def frame(self, now_s: float, width: int, height: int) -> tuple[Frame, Eye]:
        """What is to be seen now, by which eye."""
        t_s = self.transport.position(now_s)
        known = [moment for moment in self.timeline.states_around(t_s) if moment.t_s <= t_s]
        moment = known[-1] if known else self._first()
        self._keep_up(now_s, width, height)
        eye = self.orbit.eye(width, height, now_s)
        self._frame = self.scene.frame(t_s, moment, eye)
        return self._frame, eye

    def _first(self) -> Moment | None:
        """The first state stands for the time before it, where there is one."""
        around = self.timeline.states_around(self.timeline.first_s)
        return around[0] if around else None

    def _keep_up(self, now_s: float, width: int, height: int) -> None:
        frame = self._frame
        if frame is None:
            return
        reach = float(abs(frame.agents[:, :2]).max()) if len(frame.agents) else 5.2
        self.orbit.fit(width, height, now_s, max(5.2, reach))
        follows = self.orbit.view.follows
        place = self.place_of(follows) if follows else None
        if place is not None:
            self.orbit.keep_up(place, now_s)

    @property
    def shown(self) -> ScreenState:
        """The state that is on screen."""
        return self._frame.state if self._frame is not None else ScreenState()

    @property
    def last_frame(self) -> Frame | None:
        """What was drawn last."""
        return self._frame

    # --- choosing -----------------------------------------------------------------------------------

    def choose(self, thing: str) -> None:
        """Pick ``thing`` (empty: nothing any more): what has nothing to do with it is dimmed."""
        self.choice = Choice(thing)
        focus = frozenset[str]()
        if thing and self._frame is not None:
            focus = related(self._frame, thing)
        self.scene.focus = focus

    def find(self, words: str) -> tuple[str, ...]:
        """Dim everything but the things whose names hold ``words``; they come back in order."""
        found = tuple(search(self._frame, words)) if self._frame is not None else ()
        self.choice = Choice(found=found)
        self.scene.focus = frozenset(found)
        return found

    def visit(self, picked: Picked, now_s: float) -> None:
        """Choose a thing, fly to it and stay with it."""
        self.choose(picked.id)
        self.orbit.go_to(picked.id, picked.place, now_s)

    def look_at(self, what: str, now_s: float, width: int, height: int) -> None:
        """Turn the presentation's camera to a part of the picture, without coming too near."""
        it = self._frame.episode if self._frame is not None else None
        place = self.place_of(f"service:{it.service}") if it is not None else None
        if what == SERVICE and it is not None and place is not None:
            self.orbit.go_to("", (place[0], place[1], 0.9), now_s, PRESENTED)
        elif what == COUNCIL:
            self.orbit.go_to("", (0.0, 0.0, COUNCIL_HIGH - 0.8), now_s, PRESENTED)
        else:
            self.orbit.home(width, height, now_s)

    def next_agent(self, by: int) -> str:
        """The agent after the chosen one; the first where none is chosen."""
        ids = self._frame.seats.ids if self._frame is not None else ()
        if not ids:
            return ""
        kind, _, name = self.choice.thing.partition(":")
        place = ids.index(name) + by if kind == "agent" and name in ids else 0
        return f"agent:{ids[place % len(ids)]}"

    def place_of(self, thing: str) -> tuple[float, float, float] | None:
        """Where a thing is now; none for one that is nowhere."""
        frame = self._frame
        kind, _, name = thing.partition(":")
        if frame is None:
            return None
        if kind == "agent" and name in frame.seats.row_of:
            x, y, z = frame.agents[frame.seats.row_of[name]].tolist()
            return x, y, z
        if kind == "service" and name in frame.ground.row_of:
            x, y, z = frame.ground.places[frame.ground.row_of[name]].tolist()
            return x, y, z
        return None

    def message(self, number: int) -> Sent | None:
        """A message by its number, as far as it is still kept."""
        t_s = self._frame.t_s if self._frame is not None else 0.0
        near = self.timeline.messages(t_s - 60.0, t_s + 60.0)
        return next((sent for sent in near if sent.number == number), None)
