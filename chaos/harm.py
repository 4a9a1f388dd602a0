"""Harm to the responders themselves, at the moment when they are needed, and how they get over it.

Whom to kill is drawn by the drill's seed. What came of it is seen as any screen sees it: from what
the agents say of themselves.
"""

import asyncio
import os
import random
import signal
from collections.abc import Mapping, Sequence

import msgspec

from chaos.watch import Screen
from engine.paths import RunPaths
from engine.stream.state import AgentRow, Health
from engine.supervisor import ProcessState, read_states

KILL_PRIMARY = "kill-primary"
KILL_SHARE = "kill-30-percent"
SHARE_PERCENT = 30
SIZE_FOR_SHARE = 15
"""Three of each role: 30 % of them are the four that consensus tolerates."""
WITHIN_S = 45.0
POLL_S = 0.05


class Harmed(msgspec.Struct):
    """Who was killed when, and how long it took to get over it; seconds count from the kill."""

    restarts: Mapping[str, int]
    """How often each victim had been started again before; the primary first."""
    at_ns: int
    view: int
    """The view in which they were killed."""
    noticed_s: float | None = None
    """Until f+1 agents were in a later view: the primary is given up. None where it was back before
    anybody waited for it."""
    back_s: float | None = None
    """Until every victim was well again, as a new process in the view of the others."""

    @property
    def victims(self) -> tuple[str, ...]:
        """Who was killed."""
        return tuple(self.restarts)


class NobodyToHarm(RuntimeError):
    """The victims are down already; the message says who."""


def victims_of(kind: str, agents: Sequence[str], primary: str, seed: int) -> tuple[str, ...]:
    """Whom ``kind`` kills of ``agents``: the primary first, the others as the seed draws them."""
    others = [agent for agent in agents if agent != primary]
    count = len(agents) * SHARE_PERCENT // 100 if kind == KILL_SHARE else 1
    drawn = random.Random(seed).sample(others, max(0, count - 1))
    return (primary, *sorted(drawn))


class Killing:
    """One kill, and what follows from it."""

    def __init__(self, paths: RunPaths, screen: Screen) -> None:
        """Look through ``screen``, which somebody else keeps up to date."""
        self._paths = paths
        self._screen = screen

    def strike(self, kind: str, seed: int) -> Harmed:
        """Kill them all at once.

        Raises:
            NobodyToHarm: one of them is down.
        """
        swarm = self._screen.state.swarm
        if swarm is None:
            raise NobodyToHarm("the swarm is not to be seen, so nobody can be killed")
        states = read_states(self._paths.processes)
        agents = self._screen.state.agents
        chosen = victims_of(kind, sorted(agents), swarm.primary, seed)
        restarts = {name: agents[name].restarts for name in chosen}
        pids = [_pid(states, name) for name in chosen]
        at_ns = int(asyncio.get_running_loop().time() * 1e9)
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        return Harmed(restarts, at_ns, swarm.view)

    async def follow(self, harmed: Harmed) -> None:
        """Note when it was noticed and when all were back; ends then, or when its time is over."""
        loop = asyncio.get_running_loop()
        while (passed_s := loop.time() - harmed.at_ns / 1e9) < WITHIN_S:
            state = self._screen.state
            view = state.swarm.view if state.swarm is not None else harmed.view
            if harmed.noticed_s is None and view > harmed.view:
                harmed.noticed_s = round(passed_s, 3)
            if all(
                victim in state.agents and is_back(state.agents[victim], restarts, view)
                for victim, restarts in harmed.restarts.items()
            ):
                harmed.back_s = round(passed_s, 3)
                return
            await asyncio.sleep(POLL_S)


def is_back(row: AgentRow, restarts: int, view: int) -> bool:
    """Whether an agent that had been started ``restarts`` times is well as a new process in ``view``."""
    return row.restarts > restarts and row.health is Health.OK and row.view >= view


def _pid(states: Mapping[str, ProcessState], name: str) -> int:
    state = states.get(name)
    if state is None or not state.pid:
        raise NobodyToHarm(f"{name} is down before it could be killed")
    return state.pid
