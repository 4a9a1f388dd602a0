"""What a replay knows beside the fold: the sightings of the time, or what messages give away (pure)."""

from collections import deque
from collections.abc import Iterable

from msgspec.structs import replace

from engine.genesis import Genesis
from engine.projection.probe import SECONDS
from engine.stream.state import ScreenState
from engine.vocabulary import AgentId, Entry, TraceEvent, Vitals

_NOBODY = ScreenState()


class Remembered:
    """The newest sighting, laid beside what the fold says."""

    def __init__(self, genesis: Genesis) -> None:
        """Nothing is remembered yet."""
        self._agents = [member.id for member in genesis.agents]
        self._seen = _NOBODY
        self._slo: deque[int] = deque(maxlen=SECONDS)

    def see(self, seen: ScreenState) -> None:
        """Remember a sighting until the next one."""
        if seen.slo is not None:
            self._slo.extend(seen.slo.history)
        self._seen = seen

    def beside(self, folded: ScreenState, now_ms: int) -> ScreenState:
        """What screens show: the fold's word where it has one, else the sighting's."""
        seen = self._seen
        if seen is _NOBODY:
            return folded
        agents = {
            name: replace(row, vote=folded.agents[name].vote) if name in folded.agents else row
            for name, row in seen.agents.items()
        }
        swarm = seen.swarm
        if swarm is not None and folded.swarm is not None:
            swarm = replace(swarm, executed=folded.swarm.executed, frozen=folded.swarm.frozen)
        return replace(
            folded,
            at_ms=now_ms,
            swarm=swarm or folded.swarm,
            slo=seen.slo and replace(seen.slo, history=tuple(self._slo)),
            drill=seen.drill,
            services=seen.services or folded.services,
            links=seen.links or folded.links,
            agents=agents or folded.agents,
            notices=seen.notices,
        )

    def vitals(self, status: TraceEvent) -> Vitals:
        """What a status message says of its sender."""
        return _well(status.sender, status.view, status.sequence_number)

    def voters(self, entry: Entry) -> Iterable[Vitals]:
        """What an ordered batch says of the agents: that a quorum of them was in its view."""
        return [_well(agent, entry.view, entry.sequence_number) for agent in self._agents]


def _well(agent: AgentId, view: int, executed: int) -> Vitals:
    return Vitals(agent, view, executed, "idle", 0, 0, 0, ready=True)
