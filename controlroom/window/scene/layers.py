"""What seldom changes in the scene, kept until it does: the fleet, the agents, the gauges (pure).

A state changes some times a second and a frame is drawn sixty times; what follows from a state
alone is worked out once and put down again. The result is the same as if it were not kept.
"""

from typing import NamedTuple

import numpy as np

from controlroom.window.scene import standing, traffic
from controlroom.window.scene.bands import Bands, Table
from controlroom.window.scene.buffers import Floats, Lines, Points, Ribbons
from controlroom.window.scene.council import Seats
from controlroom.window.scene.eye import Eye
from controlroom.window.scene.fleet import Ground, ground
from controlroom.window.scene.votes import Tally
from engine.stream.state import ScreenState

HELD_BACK = 0.14
"""How much is left to be seen of what is not in focus."""
_NOBODY = ground((), (), Lines.POINTS)
_EAST, _NORTH = np.array((1.0, 0.0, 0.0)), np.array((0.0, 1.0, 0.0))


class Changed:
    """Says whether any of some things is another one than it was."""

    def __init__(self) -> None:
        self._things: tuple[object, ...] | None = None

    def by(self, *things: object) -> bool:
        """Whether ``things`` differ from those of the last call: by identity, numbers by value."""
        before, self._things = self._things, things
        if before is None or len(before) != len(things):
            return True
        return any(
            old is not new and not (isinstance(new, float | bool) and old == new)
            for old, new in zip(before, things, strict=True)
        )


def dim_of(focus: frozenset[str], name: str) -> float:
    """How much of a thing is shown while ``focus`` is looked at."""
    return 1.0 if not focus or name in focus else HELD_BACK


class FleetLayer:
    """The services and the calls between them."""

    def __init__(self, bodies: Points, links: Lines, floor: Ribbons) -> None:
        self._bodies, self._links, self._floor = bodies, links, floor
        self._crosses = Points(128)
        self._bands = Bands()
        self._changed, self._rebuilt = Changed(), Changed()
        self._names: tuple[object, ...] = ()
        self.plan: Ground = _NOBODY
        self.beads = traffic.beads(_NOBODY, {}, np.zeros(0))
        self.drilled = ""

    def follow(self, state: ScreenState, focus: frozenset[str]) -> None:
        """Draw the fleet of ``state`` anew if anything of it has changed."""
        if not self._changed.by(state.services, state.links, state.drill, focus):
            return
        self._stand(state)
        plan = self.plan
        dim = np.array([dim_of(focus, f"link:{a}>{b}") for a, b in plan.links])
        self.beads = traffic.beads(plan, state.links, dim)
        for buffer in (self._bodies, self._links, self._floor, self._crosses):
            buffer.begin()
        traffic.ways(plan, state.links, self._links, dim)
        callers = {caller for caller, _ in plan.links}
        standing.services(
            plan, state.services, callers, self._bodies, self._crosses, self._bands,
            lambda name: dim_of(focus, name),
        )  # fmt: skip
        self.drilled = standing.drill(plan, state, self._bands)
        self._bands.draw(self._floor, _EAST, _NORTH)
        for buffer in (self._bodies, self._links, self._floor):
            buffer.end()

    def _stand(self, state: ScreenState) -> None:
        calls = tuple((row.caller, row.callee) for row in state.links.values())
        names = (tuple(state.services), calls)
        if names != self._names:
            self._names = names
            self.plan = ground(state.services, calls, Lines.POINTS)

    def draw(self, t_s: float, splats: Points, heads: Points, *, still: bool) -> None:
        """Put down what moves, and what stands above the services."""
        some = slice(self._crosses.count)
        crosses = self._crosses
        heads.put(
            crosses.places[some], crosses.colours[some], crosses.sizes[some], crosses.shapes[some]
        )
        traffic.draw(self.plan, self.beads, t_s, splats, heads, still=still)


class Sitting(NamedTuple):
    """How the council sits at one moment."""

    plan: Seats
    at: Floats
    """Where every agent is."""
    outside: Floats
    turn: float


class CouncilLayer:
    """The agents, the ring they sit at, and what they have collected."""

    def __init__(self, bodies: Points, ring: Lines, gauges: Ribbons) -> None:
        self._bodies, self._ring, self._ribbons = bodies, ring, gauges
        self._bands = Bands()
        self._seated, self._counted, self._faced = Changed(), Changed(), Changed()
        self._kept: standing.Kept | None = None
        self._around: Table = self._bands.keep()
        self._gauges: Table = self._bands.keep()
        self._rings: Table = self._bands.keep()
        self._armed = Changed()

    def follow(self, sitting: Sitting, state: ScreenState, focus: frozenset[str]) -> None:
        """Draw the agents and the ring anew if anything of them has changed."""
        plan, at, outside, turn = sitting
        if not self._seated.by(plan, at, state.agents, focus):
            return
        self._bodies.begin()
        self._kept = standing.agents(
            plan, at, state.agents, outside, self._bodies, lambda name: dim_of(focus, name)
        )
        self._bodies.end()
        self._ring.begin()
        standing.table(plan, turn, outside, at, self._ring, self._bands)
        self._ring.end()
        self._around = self._bands.keep()

    def count(
        self, sitting: Sitting, tally: Tally | None, quorum: int, focus: frozenset[str]
    ) -> None:
        """Draw the gauges anew if anything of them has changed."""
        plan, at, outside, _ = sitting
        if self._counted.by(plan, at, tally, float(quorum), focus):
            standing.gauges(
                plan, at, tally, quorum, outside, self._bands, lambda name: dim_of(focus, name)
            )
            self._gauges = self._bands.keep()

    def arm(self, *, holding: bool, frozen: bool) -> None:
        """Draw the actuator's rings anew if it holds something else, or is frozen or thawed."""
        if self._armed.by(holding, frozen):
            standing.actuator_rings(holding, frozen, self._bands)
            self._rings = self._bands.keep()

    def face(self, eye: Eye) -> None:
        """Turn gauges and rings to the eye, if they are not."""
        looks = tuple(eye.right.tolist() + eye.up.tolist())
        if self._faced.by(self._kept, self._around, self._gauges, self._rings, *looks):
            self._ribbons.begin()
            if self._kept is not None:
                self._bands.add(self._kept.bands)
            self._bands.add(self._around)
            self._bands.add(self._gauges)
            self._bands.add(self._rings)
            self._bands.draw(self._ribbons, eye.right, eye.up)
            self._ribbons.end()

    def draw(self, splats: Points, heads: Points) -> None:
        """Put down the agents' halos and what they wear."""
        if self._kept is not None:
            splats.put(*self._kept.halos)
            heads.put(*self._kept.heads)
