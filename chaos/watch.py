"""How a drill looks at what the responders do: through the engine's ledger copy and its stream.

Read only, from outside, like any auditor or screen. Nothing here reaches an agent.
"""

import asyncio
import random
import sqlite3
from collections.abc import Callable, Mapping

from chaos.fleet.judge import Second, read_probe_log
from chaos.story import Stamped
from engine.clock import SystemClock
from engine.codec import Malformed
from engine.council import Council
from engine.founding import check_constitution
from engine.ledger.replay import Replay
from engine.ledger.sqlite import read_received
from engine.paths import RunPaths
from engine.proof import convicts
from engine.signing import Ed25519Verifier
from engine.stream import runs
from engine.stream.connection import LinkEvent, Received
from engine.stream.link import Link
from engine.stream.state import ScreenState
from engine.vocabulary import AgentId, Convicted

POLL_S = 0.02


class LedgerWatch:
    """Folds the engine's copy of the ledger as it grows, with the stamps of receipt."""

    def __init__(self, paths: RunPaths) -> None:
        """Watch the run at ``paths``; nothing need be there yet."""
        self._paths = paths
        self._replay: Replay | None = None
        self._next = 1
        self.log: list[Stamped] = []

    @property
    def council(self) -> Council | None:
        """The fold so far; None before the cluster is founded."""
        return self._replay.council if self._replay else None

    @property
    def proofs(self) -> Mapping[AgentId, Convicted]:
        """For each agent that the log proves to have lied, the proof."""
        return self._replay.proofs if self._replay else {}

    def poll(self) -> list[Stamped]:
        """Fold what is new; returns what followed from it."""
        if self._replay is None:
            if not self._paths.genesis.exists():
                return []
            try:
                found = check_constitution(
                    self._paths.genesis, self._paths.policy, self._paths.manifest
                )
            except Malformed:
                return []
            verifier = Ed25519Verifier()
            # The engine's own fold, to the letter: convictions change what follows.
            self._replay = Replay(Council(*found, verifier, convicts(verifier)))
        try:
            rows = read_received(self._paths.engine_ledger, self._next)
        except (sqlite3.Error, OSError):
            return []
        new: list[Stamped] = []
        for entry, received_ns in rows:
            self._next = entry.sequence_number + 1
            new += [Stamped(received_ns, happening) for happening in self._replay.apply(entry)]
        self.log += new
        return new

    async def until(self, wanted: Callable[[Stamped], bool], within_s: float) -> Stamped | None:
        """The next thing to follow that is ``wanted``; None when none came in time."""
        deadline = asyncio.get_running_loop().time() + within_s
        while asyncio.get_running_loop().time() < deadline:
            for stamped in self.poll():
                if wanted(stamped):
                    return stamped
            await asyncio.sleep(POLL_S)
        return None

    @property
    def working(self) -> bool:
        """Whether the swarm has an incident in hand."""
        if self.council is None:
            return False
        return any(incident.status.is_automatic for incident in self.council.open_incidents)


class Screen:
    """The newest state that the engine shows, kept for whoever asks."""

    def __init__(self, paths: RunPaths) -> None:
        """Follow the run at ``paths`` once ``run`` is awaited."""
        self.state = ScreenState()
        self._link = Link(lambda: runs.target_of(paths), self._take, SystemClock(), random.Random())

    def _take(self, event: LinkEvent) -> None:
        if isinstance(event, Received):
            self.state = event.snapshot.state

    async def run(self) -> None:
        """Follow until cancelled."""
        await self._link.run()

    @property
    def ready(self) -> bool:
        """Whether the swarm says that it is ready, and the fleet is green."""
        swarm, slo = self.state.swarm, self.state.slo
        return swarm is not None and swarm.ready and slo is not None and slo.green

    @property
    def primary(self) -> str:
        """The agent that leads now; empty while nobody is known to."""
        return self.state.swarm.primary if self.state.swarm else ""


def probe_seconds(paths: RunPaths) -> list[Second]:
    """What the SLO probe has seen so far."""
    try:
        return read_probe_log(paths.probe_log.read_bytes())
    except OSError:
        return []
