"""Who mends the fleet when it is not the swarm: the baselines that drills compare it with.

Off unless a drill lets one of them work.
"""

import asyncio

from chaos.door import FleetResponder
from chaos.fleet.floor import Floor
from chaos.fleet.liveness import Liveness
from chaos.fleet.runbook import RunbookResponder
from engine.clock import Clock
from engine.paths import RunPaths
from engine.topology import Manifest


class Responders:
    """The liveness supervisor and the scripted runbook of one fleet."""

    def __init__(self, floor: Floor, paths: RunPaths, manifest: Manifest, clock: Clock) -> None:
        """Let nobody work on ``floor`` yet."""
        self._liveness = Liveness(floor)
        self._runbook = RunbookResponder(floor, paths, manifest, clock)

    def let(self, responder: FleetResponder) -> None:
        """Let ``responder`` work from now on; the runbook begins with what the supervisor does."""
        self._liveness.on = responder in ("restart", "runbook")
        self._runbook.follow(responder == "runbook")

    @property
    def interventions(self) -> int:
        """How often either of them has restarted or rolled back something."""
        return self._liveness.restarts + self._runbook.steps

    async def watch(self) -> None:
        """Watch the fleet, for ever."""
        await asyncio.gather(self._liveness.watch(), self._runbook.watch())
