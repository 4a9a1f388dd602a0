"""Asks the swarm that ECS tasks of the emulator run, over its engine's own stream.

The emulator's launcher runs each task as a process of this machine, so the engine can be connected to
as a screen would: what is asked is whether every agent is well and a quorum orders.
"""

import asyncio
import contextlib
import random
from pathlib import Path

from engine.clock import SystemClock
from engine.stream.connection import LinkEvent, Received
from engine.stream.link import Link, NotFound
from engine.stream.runs import Run, live_runs, target_of
from engine.stream.state import Health, ScreenState
from infra.deploy.health.suite import Unwell

__all__ = ["run_in", "swarm_in_tasks"]

WELL_WITHIN_S = 120.0
"""A swarm founds itself in ten seconds on an idle machine."""
BUILD = "IC_BUILD"
"""The variable in which the stack Compute tells a task which build it is."""


def registries_of(emulator: Path) -> list[Path]:
    """Where the engine's task registers its run: the home of a task is its own folder on EFS."""
    place = Path(".local", "state", "incident-commander", "runs")
    return [home / place for home in (emulator / "volumes").glob("*/own/engine")]


def swarm_in_tasks(emulator: Path, build: str) -> str:
    """What the swarm of ``build`` says of itself, once all its agents are well.

    Raises:
        Unwell: they are not, or nobody answers, for ``WELL_WITHIN_S``.
    """
    return asyncio.run(_ask(emulator, build))


def run_in(emulator: Path, build: str) -> Run:
    """The engine of ``build``; the one that it replaces may still be ending.

    Raises:
        NotFound: it is not up.
    """
    for registry in registries_of(emulator):
        for run in live_runs(registry):
            if _build_of(run.pid) == build:
                return run
    raise NotFound(f"no engine of build {build} is up")


def _build_of(pid: int) -> str:
    """The build that a task was given to be, from the process itself; empty when it has ended."""
    try:
        variables = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return ""
    named = BUILD.encode() + b"="
    found = (it.removeprefix(named) for it in variables if it.startswith(named))
    return next(found, b"").decode(errors="replace")


async def _ask(emulator: Path, build: str) -> str:
    well: asyncio.Future[ScreenState] = asyncio.get_running_loop().create_future()
    last = f"no engine of build {build} answered"

    def seen(event: LinkEvent) -> None:
        nonlocal last
        if isinstance(event, Received):
            last = why_not_well(event.snapshot.state)
            if not last and not well.done():
                well.set_result(event.snapshot.state)

    place = Link(
        lambda: target_of(run_in(emulator, build).paths), seen, SystemClock(), random.Random()
    )
    link = asyncio.create_task(place.run())
    try:
        async with asyncio.timeout(WELL_WITHIN_S):
            state = await well
    except TimeoutError:
        raise Unwell(f"the swarm in its tasks: {last}") from None
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
