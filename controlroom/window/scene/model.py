"""The scene: states and messages in, everything that is to be seen at one moment out (pure).

``Scene`` remembers what came, bounded; ``frame`` is a function of render time alone, so that
pausing, scrubbing and playing slowly show exactly what was shown live.
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from controlroom.window.scene import comets, incident, standing, traffic
from controlroom.window.scene.bands import Bands
from controlroom.window.scene.buffers import Floats, Lines, Points, Ribbons, lifted
from controlroom.window.scene.council import Seats, Turns, places, seats
from controlroom.window.scene.episode import Episode, convicted, episode
from controlroom.window.scene.eye import Eye
from controlroom.window.scene.fleet import MAX_LINKS, Ground
from controlroom.window.scene.layers import (
    Changed,
    CouncilLayer,
    FleetLayer,
    Sitting,
    dim_of,
)
from controlroom.window.scene.messages import Messages, Rows
from controlroom.window.scene.missing import Lack
from controlroom.window.scene.votes import Tally, same, tally
from controlroom.window.timeline import Moment, Sent
from engine.stream.state import Health, ScreenState

MAX_AGENTS = 1_024
MAX_WAITING = 250_000
COUNTS_PER_S = 20


class Buffers(NamedTuple):
    """The memory that a renderer points at: allocated once, rewritten every frame."""

    agents: Points
    services: Points
    heads: Points
    splats: Points
    links: Lines
    lines: Lines
    floor: Ribbons
    gauges: Ribbons
    ribbons: Ribbons


class Frame(NamedTuple):
    """What is to be seen at one moment, besides what the buffers hold."""

    t_s: float
    state: ScreenState
    seats: Seats
    agents: Floats
    """Where every agent is, in the order of ``seats.ids``."""
    outside: Floats
    """How far each has been cast out, 0 to 1."""
    ground: Ground
    episode: Episode | None
    tally: Tally | None
    messages: Rows
    """The messages on screen."""
    heads: Floats
    """Where they are."""
    well: Mapping[str, int]
    """By role, how many agents are well."""
    drilled: str
    """The service that a drill harms, as far as it is told."""
    turning: bool
    """Whether a view change is on screen."""
    reasons: Mapping[int, str]
    """Why messages were refused, by number."""
    lacks: Mapping[int, Lack]
    """What is missing, by number."""
    contradictions: Mapping[tuple[int, int, int, int], tuple[int, int]]
    """By sender, kind, view and sequence number: two digests that one agent sent."""
    folded: dict[str, int]
    """What is not drawn on its own, by what it is: the screen says so."""


class Scene:
    """The model behind the window.

    Args:
        late_s: how much later messages are drawn than they happened; live, the trace needs some
            tenths of a second to arrive.
        still: reduced motion.
    """

    def __init__(self, *, late_s: float = 0.0, still: bool = False) -> None:
        self.still = still
        self.focus: frozenset[str] = frozenset()
        """Ids that are shown whole while the rest is held back; empty shows all."""
        self.buffers = Buffers(
            agents=Points(MAX_AGENTS),
            services=Points(128),
            heads=Points(comets.MAX_HEADS + 1_024),
            splats=Points(comets.MAX_SPLATS + traffic.TOTAL_BEADS + 2_048),
            links=Lines(MAX_LINKS),
            lines=Lines(64),
            floor=Ribbons(1_024),
            gauges=Ribbons(1_024),
            ribbons=Ribbons(1_024),
        )
        self._late_s = late_s
        self._turns = Turns()
        self._seats = seats(())
        self._cast: tuple[object, ...] = ()
        self._messages = Messages({}, ())
        self._waiting: list[Sent] = []
        self._bands = Bands()
        self._fleet = FleetLayer(self.buffers.services, self.buffers.links, self.buffers.floor)
        self._council = CouncilLayer(self.buffers.agents, self.buffers.lines, self.buffers.gauges)
        self._moved = Changed()
        self._at: Floats = np.zeros((0, 3), np.float32)
        self._episode: tuple[object, Episode | None] = (None, None)
        self._tally: tuple[object, Tally | None] = (None, None)
        self._well: tuple[object, Mapping[str, int]] = (None, {})

    @property
    def messages(self) -> Messages:
        """Every message that came, as rows."""
        return self._messages

    @property
    def seats(self) -> Seats:
        """Where the agents sit."""
        return self._seats

    # --- what comes -----------------------------------------------------------------------------

    def show(self, t_s: float, state: ScreenState) -> None:
        """A state became known at ``t_s``: note who leads, who is convicted, who is there at all."""
        members = tuple((row.id, row.role) for row in state.agents.values())
        if members and members != self._cast:
            self._cast = members
            self._seats = seats(members[:MAX_AGENTS])
            number = {role: i for i, (role, _) in enumerate(self._seats.groups)}
            groups = [number[role] for role in self._seats.roles]
            self._messages = Messages(
                self._seats.row_of, groups, self._late_s, complete=self._seats.one_by_one
            )
        if self._waiting and self._cast:
            self._messages.take(self._waiting)
            self._waiting.clear()
        if state.swarm is not None and state.swarm.primary:
            self._turns.note(t_s, state.swarm.primary, convicted(state))

    def hear(self, records: Sequence[Sent]) -> None:
        """Messages became known; before the first state they wait."""
        if self._cast:
            self._messages.take(records)
        else:
            self._waiting = [*self._waiting, *records][-MAX_WAITING:]

    # --- what is seen ---------------------------------------------------------------------------

    def frame(self, t_s: float, moment: Moment | None, eye: Eye) -> Frame:
        """Write what is to be seen at ``t_s`` into the buffers, and say what it is.

        Args:
            t_s: render time on the timeline's axis.
            moment: the newest state up to then; none where nothing is known yet.
            eye: whence it is seen.
        """
        state = moment.state if moment is not None else ScreenState()
        it = self._incident(moment)
        plan, buffers = self._seats, self.buffers
        at, outside, turn = self._sit(t_s)
        counted = self._count(t_s)
        quorum = state.swarm.quorum if state.swarm is not None else 0
        self._fleet.follow(state, self.focus)
        sitting = Sitting(plan, at, outside, turn)
        self._council.follow(sitting, state, self.focus)
        self._council.count(sitting, counted, quorum, self.focus)
        holding = standing.holds(it, t_s)
        frozen = state.swarm is not None and state.swarm.frozen
        self._council.arm(holding=holding, frozen=frozen)
        self._council.face(eye)
        moving = (buffers.heads, buffers.splats, buffers.ribbons)
        for buffer in moving:
            buffer.begin()
        self._council.draw(buffers.splats, buffers.heads)
        self._fleet.draw(t_s, buffers.splats, buffers.heads, still=self.still)
        standing.actuator(holding, buffers.heads, buffers.splats)
        rows = self._messages.under_way(t_s)
        heads = self._draw_messages(rows, at, t_s)
        if it is not None:
            brush = incident.Brush(self._bands, buffers.splats, buffers.heads, self.still)
            incident.draw(it, t_s, self._top_of, self._place_of, brush)
        self._bands.draw(buffers.ribbons, eye.right, eye.up)
        for buffer in moving:
            buffer.end()
        return Frame(
            t_s, state, plan, at, outside, self._fleet.plan, it, counted, rows, heads,
            self._wells(state), self._fleet.drilled, self._turns.turning(t_s), self._messages.reasons,
            self._messages.lacks, self._messages.contradictions, self._folded(rows),
        )  # fmt: skip

    def _sit(self, t_s: float) -> tuple[Floats, Floats, float]:
        """Where the agents are, how far outside each is, and the ring's turn."""
        plan = self._seats
        outside = self._turns.outside(plan, t_s, still=self.still)
        turn = self._turns.turn(plan, t_s, still=self.still)
        if self._moved.by(plan, turn, float(outside.sum())):
            self._at = places(plan, turn, outside)
        return self._at, outside, turn

    def _count(self, t_s: float) -> Tally | None:
        """The votes, counted anew twenty times a second of render time."""
        if not self._seats.ids:
            return None
        key = (math.floor(t_s * COUNTS_PER_S), self._messages.taken, self._seats)
        if self._tally[0] != key:
            self._tally = (key, self._same_or_new(tally(self._messages, len(self._seats.ids), t_s)))
        return self._tally[1]

    def _same_or_new(self, now: Tally | None) -> Tally | None:
        """The tally there was, where it says the same: its gauges stay."""
        old = self._tally[1]
        if old is not None and now is not None and same(old, now):
            return old
        return now

    def _incident(self, moment: Moment | None) -> Episode | None:
        if moment is None:
            return None
        if self._episode[0] is not moment.state:
            self._episode = (moment.state, episode(moment.t_s, moment.state))
        return self._episode[1]

    def _wells(self, state: ScreenState) -> Mapping[str, int]:
        """How many agents are well, counted once a state."""
        if self._well[0] is not state:
            counts = Counter(row.role for row in state.agents.values() if row.health is Health.OK)
            self._well = (state, counts)
        return self._well[1]

    def _draw_messages(self, rows: Rows, at: Floats, t_s: float) -> Floats:
        dim = None
        if self.focus:
            shown = np.array([dim_of(self.focus, f"agent:{agent}") for agent in self._seats.ids])
            dim = np.maximum(shown[rows.sender], shown[rows.receiver])
        scale = min(1.0, max(0.45, self._seats.size / 0.5))
        return comets.draw(
            rows, at, t_s, self.buffers.splats, self.buffers.heads, still=self.still,
            scale=scale, dim=dim,
        )  # fmt: skip

    def _top_of(self, service: str) -> Floats | None:
        floor = self._fleet.plan
        row = floor.row_of.get(service)
        if row is None:
            return None
        top: Floats = lifted(floor.places[row], standing.SERVICE_TALL * floor.size)[0]
        return top

    def _place_of(self, agent: str) -> Floats | None:
        row = self._seats.row_of.get(agent)
        if row is None:
            return None
        place: Floats = self._at[row]
        return place

    def _folded(self, rows: Rows) -> dict[str, int]:
        buffers, floor = self.buffers, self._fleet.plan
        counts = {
            "messages drawn together": int(np.maximum(rows.records - 1, 0).sum()),
            "messages without a body": len(rows.records)
            if len(rows.records) > comets.MAX_HEADS
            else 0,
            "beads": self._fleet.beads.left,
            "services": floor.folded_services,
            "links": floor.folded_links,
            "splats": buffers.splats.dropped,
            "heads": buffers.heads.dropped,
            "bands": sum(it.dropped for it in (buffers.ribbons, buffers.gauges, buffers.floor)),
            "records of strangers": self._messages.strangers,
            "records that left": self._messages.forgotten,
        }
        return {what: count for what, count in counts.items() if count}
