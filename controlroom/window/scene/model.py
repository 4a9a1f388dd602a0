"""The scene: states and messages in, everything that is to be seen at one moment out (pure).

``Scene`` remembers what came, bounded; ``frame`` is a function of render time alone, so that
pausing, scrubbing and playing slowly show exactly what was shown live.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from controlroom.window.scene import comets, incident, standing, traffic
from controlroom.window.scene.bands import Bands
from controlroom.window.scene.buffers import Floats, Lines, Points, Ribbons
from controlroom.window.scene.council import Seats, Turns, places, seats
from controlroom.window.scene.episode import Episode, convicted, episode
from controlroom.window.scene.eye import Eye
from controlroom.window.scene.fleet import Ground, ground
from controlroom.window.scene.messages import Messages, Rows
from controlroom.window.scene.votes import Tally, tally
from controlroom.window.timeline import Moment, Sent
from engine.stream.state import ScreenState

HELD_BACK = 0.14
"""How much is left to be seen of what is not in focus."""
MAX_AGENTS = 1_024
MAX_BANDS = 2_600


class Buffers(NamedTuple):
    """The memory that a renderer points at: allocated once, rewritten every frame."""

    agents: Points
    services: Points
    heads: Points
    splats: Points
    lines: Lines
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
    drilled: str
    """The service that a drill harms, as far as it is told."""
    turning: bool
    """Whether a view change is on screen."""
    reasons: Mapping[int, str]
    """Why messages were refused, by number."""
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
            Points(MAX_AGENTS), Points(128), Points(comets.MAX_HEADS + 2_048),
            Points(comets.MAX_SPLATS + traffic.TOTAL_BEADS + 2_048), Lines(256), Ribbons(MAX_BANDS),
        )  # fmt: skip
        self._late_s = late_s
        self._turns = Turns()
        self._seats = seats(())
        self._ground = ground((), (), Lines.POINTS)
        self._ground_of: tuple[object, ...] = ()
        self._cast: tuple[object, ...] = ()
        self._messages = Messages({}, ())
        self._waiting: list[Sent] = []
        self._bands = Bands()
        self._episode: tuple[object, Episode | None] = (None, None)

    @property
    def messages(self) -> Messages:
        """Every message that came, as rows."""
        return self._messages

    # --- what comes -----------------------------------------------------------------------------

    def show(self, t_s: float, state: ScreenState) -> None:
        """A state became known at ``t_s``: note who leads, who is convicted, who is there at all."""
        members = tuple((row.id, row.role) for row in state.agents.values())
        if members and members != self._cast:
            self._cast = members
            self._seats = seats(members[:MAX_AGENTS])
            number = {role: i for i, (role, _) in enumerate(self._seats.groups)}
            groups = [number[role] for role in self._seats.roles]
            self._messages = Messages(self._seats.row_of, groups, self._late_s)
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
            self._waiting = [*self._waiting, *records][-250_000:]

    # --- what is seen ---------------------------------------------------------------------------

    def frame(self, t_s: float, moment: Moment | None, eye: Eye) -> Frame:
        """Write what is to be seen at ``t_s`` into the buffers, and say what it is.

        Args:
            t_s: render time on the timeline's axis.
            moment: the newest state up to then; none where nothing is known yet.
            eye: whence it is seen.
        """
        state = moment.state if moment is not None else ScreenState()
        self._stand(state)
        it = self._incident(moment)
        plan, floor = self._seats, self._ground
        outside = np.array([self._turns.outside(a, t_s, still=self.still) for a in plan.ids])
        turn = self._turns.turn(plan, t_s, still=self.still)
        at = places(plan, turn, outside)
        counted = tally(self._messages, len(plan.ids), t_s) if plan.ids else None
        for buffer in self.buffers:
            buffer.begin()
        drilled = self._draw_standing(t_s, state, it, (at, outside, turn), counted)
        beads_left = self._draw_fleet(t_s, state)
        rows = self._messages.under_way(t_s)
        heads = self._draw_messages(rows, at, t_s)
        if it is not None:
            self._draw_incident(it, t_s, at)
        self._bands.draw(self.buffers.ribbons, eye.right, eye.up)
        for buffer in self.buffers:
            buffer.end()
        return Frame(
            t_s, state, plan, at, outside, floor, it, counted, rows, heads, drilled,
            self._turns.turning(t_s), self._messages.reasons,
            self._messages.contradictions, self._folded(rows, beads_left),
        )  # fmt: skip

    def _stand(self, state: ScreenState) -> None:
        calls = tuple((row.caller, row.callee) for row in state.links.values())
        wanted = (tuple(state.services), calls)
        if wanted != self._ground_of:
            self._ground_of = wanted
            self._ground = ground(state.services, calls, Lines.POINTS)

    def _incident(self, moment: Moment | None) -> Episode | None:
        if moment is None:
            return None
        if self._episode[0] is not moment.state:
            self._episode = (moment.state, episode(moment.t_s, moment.state))
        return self._episode[1]

    def _dim(self, name: str) -> float:
        return 1.0 if not self.focus or name in self.focus else HELD_BACK

    def _draw_standing(
        self, t_s: float, state: ScreenState, it: Episode | None,
        council: tuple[Floats, Floats, float], counted: Tally | None,
    ) -> str:  # fmt: skip
        buffers, bands, plan = self.buffers, self._bands, self._seats
        at, outside, turn = council
        swarm = state.swarm
        standing.table(plan, turn, outside, at, buffers.lines, bands)
        standing.agents(
            plan, at, state.agents, outside, buffers.agents, buffers.splats, buffers.heads, bands,
            self._dim,
        )  # fmt: skip
        quorum = swarm.quorum if swarm is not None else 0
        standing.gauges(plan, at, counted, quorum, outside, bands, self._dim)
        standing.actuator(
            it, t_s, swarm is not None and swarm.frozen, buffers.services, bands, buffers.splats
        )
        return standing.drill(self._ground, state, t_s, bands, still=self.still)

    def _draw_fleet(self, t_s: float, state: ScreenState) -> int:
        buffers, floor = self.buffers, self._ground
        callers = {caller for caller, _ in floor.links}
        standing.services(
            floor, state.services, callers, buffers.services, buffers.heads, self._bands, self._dim
        )
        dim = np.array([self._dim(f"link:{a}>{b}") for a, b in floor.links])
        return traffic.draw(
            floor, state.links, t_s, buffers.lines, buffers.splats, buffers.heads,
            still=self.still, dim=dim,
        )  # fmt: skip

    def _draw_messages(self, rows: Rows, at: Floats, t_s: float) -> Floats:
        dim = None
        if self.focus:
            shown = np.array([self._dim(f"agent:{agent}") for agent in self._seats.ids])
            dim = np.maximum(shown[rows.sender], shown[rows.receiver])
        scale = float(np.clip(self._seats.size / 0.5, 0.45, 1.0))
        return comets.draw(
            rows, at, t_s, self.buffers.splats, self.buffers.heads, still=self.still,
            scale=scale, dim=dim,
        )  # fmt: skip

    def _draw_incident(self, it: Episode, t_s: float, at: Floats) -> None:
        floor = self._ground
        tall = np.array((0.0, 0.0, standing.SERVICE_TALL * floor.size), np.float32)
        tops = {name: floor.places[i] + tall for i, name in enumerate(floor.names)}
        agents = {agent: at[i] for i, agent in enumerate(self._seats.ids)}
        brush = incident.Brush(self._bands, self.buffers.splats, self.buffers.heads, self.still)
        incident.draw(it, t_s, tops, agents, brush)

    def _folded(self, rows: Rows, beads_left: int) -> dict[str, int]:
        buffers = self.buffers
        counts = {
            "messages drawn together": int(rows.records.sum() - len(rows.records)),
            "messages as points": max(0, len(rows.records) - comets.MAX_HEADS),
            "beads": beads_left,
            "services": self._ground.folded_services,
            "links": self._ground.folded_links,
            "splats": buffers.splats.dropped,
            "heads": buffers.heads.dropped,
            "bands": buffers.ribbons.dropped,
            "records of strangers": self._messages.strangers,
            "records that left": self._messages.forgotten,
        }
        return {what: count for what, count in counts.items() if count}
