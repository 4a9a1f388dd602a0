"""Which agent runs in which availability zone, and what the loss of a zone then costs: pure.

A lost zone stops agents; it does not make liars of them. So no loss can make two replicas disagree,
and the one question is whether those that are left are still a quorum (PBFT §4.2: safety never
depends on who answers, liveness does).
"""

from dataclasses import dataclass

from engine.founding import swarm_of
from engine.quorum import quorum_of
from engine.vocabulary import AgentId

__all__ = ["Placement", "place", "zones_to_survive"]


@dataclass(frozen=True)
class Placement:
    """Every agent's zone, and what follows from it."""

    zone_of: dict[AgentId, str]
    """The zone that each agent is pinned to."""
    quorum: int
    """Votes that a decision needs."""
    spare_after_zone_loss: int
    """Agents beyond the quorum that are left when the fullest zone is gone; negative: none decide."""

    @property
    def survives_zone_loss(self) -> bool:
        """Whether the swarm goes on deciding when any one zone is gone."""
        return self.spare_after_zone_loss >= 0

    def agents_in(self, zone: str) -> list[AgentId]:
        """The agents that are lost with ``zone``."""
        return [agent for agent, place in self.zone_of.items() if place == zone]


def place(agents: int, traitors: int, zones: tuple[str, ...]) -> Placement:
    """Deal ``agents`` out to ``zones`` in turn, so that no zone holds more than it must.

    The five roles come in turn too, so agents of one role lie in different zones as long as the
    number of zones does not divide five.

    Raises:
        ValueError: no swarm has this size, no quorum is safe and live for it, or there is no zone.
    """
    if not zones or len(set(zones)) != len(zones):
        raise ValueError(f"zones {', '.join(zones) or '(none)'}: name each zone once")
    quorum = quorum_of(agents, traitors)
    zone_of = {
        agent: zones[number % len(zones)] for number, (agent, _) in enumerate(swarm_of(agents))
    }
    fullest = -(-agents // len(zones))
    return Placement(zone_of, quorum, agents - fullest - quorum)


def zones_to_survive(agents: int, traitors: int) -> int:
    """The fewest zones over which the swarm outlives the loss of one.

    Raises:
        ValueError: no quorum is safe and live for these numbers, or not one agent is to spare.
    """
    spare = agents - quorum_of(agents, traitors)
    if spare < 1:
        raise ValueError(f"n = {agents}, f = {traitors}: every agent is needed for a quorum")
    return -(-agents // spare)
