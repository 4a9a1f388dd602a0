"""Asks the swarm that an ECS task of the emulator runs, over its own stream.

The emulator's launcher runs the task as a process of this machine, so its engine can be connected to
as a screen would: what is asked is whether every agent is well and a quorum orders.
"""

import asyncio
import contextlib
from pathlib import Path

from engine.stream.connection import LinkEvent, Received
from engine.stream.runs import Place
from engine.stream.state import Health, ScreenState
from infra.deploy.health.suite import Unwell

__all__ = ["swarm_in_task"]

WELL_WITHIN_S = 120.0
"""A swarm founds itself in ten seconds on an idle machine."""


def registry_of(emulator: Path) -> Path:
    """Where runs that were started by the emulator's tasks register: tasks live in their own home."""
    return emulator / "tasks" / ".local" / "state" / "incident-commander" / "runs"


def swarm_in_task(emulator: Path) -> str:
    """What the swarm of the newest task says of itself, once all its agents are well.

    Raises:
        Unwell: they are not, or nobody answers, for ``WELL_WITHIN_S``.
    """
    return asyncio.run(_ask(Place(registry=registry_of(emulator))))


async def _ask(place: Place) -> str:
    well: asyncio.Future[ScreenState] = asyncio.get_running_loop().create_future()
    last = "no engine answered"

    def seen(event: LinkEvent) -> None:
        nonlocal last
        if isinstance(event, Received):
            last = why_not_well(event.snapshot.state)
            if not last and not well.done():
                well.set_result(event.snapshot.state)

    link = asyncio.create_task(place.link(seen).run())
    try:
        async with asyncio.timeout(WELL_WITHIN_S):
            state = await well
    except TimeoutError:
        raise Unwell(f"the swarm in the task: {last}") from None
    finally:
        link.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await link
    swarm = state.swarm
    assert swarm is not None, "a state that is well has a swarm"
    return f"{len(state.agents)} agents are well in view {swarm.view}, {swarm.executed} batches ordered"


def why_not_well(state: ScreenState) -> str:
    """Why a swarm is not well; empty when it is (pure)."""
    swarm = state.swarm
    if swarm is None:
        return "it has not founded itself"
    ailing = [
        f"{row.id} {row.health.value}"
        for row in state.agents.values()
        if row.health is not Health.OK
    ]
    if len(state.agents) < swarm.n:
        return f"{len(state.agents)} of {swarm.n} agents were heard of"
    if ailing:
        return ", ".join(ailing)
    return "" if swarm.ready else "no quorum is ready"
