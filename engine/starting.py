"""How a run is started: what the engine keeps running, the founding, and then the engine itself."""

import sys
from collections.abc import Collection, Sequence
from functools import partial
from typing import NamedTuple

from engine import founding
from engine.act.far_door import knock_far
from engine.alone import stay_alone
from engine.bus import server
from engine.bus.nats import reach_bus, show_bus_key
from engine.clock import SystemClock
from engine.diagnostics import log_to_stderr
from engine.genesis import Genesis
from engine.ledger.sqlite import open_ledger
from engine.paths import RunPaths
from engine.replacing import MAIN, agent_children
from engine.service import Engine
from engine.signing import Ed25519Verifier
from engine.stream.access import Listen
from engine.stream.deploying import Deployer
from engine.stream.drilling import Drills
from engine.supervisor import Child, ProcessState, Supervisor, write_states
from engine.topology import read_manifest
from engine.vocabulary import AgentId, AuthorId

__all__ = ["OPERATOR", "Abroad", "run_engine"]

OPERATOR = AuthorId("operator")
ENGINE = "engine"
"""Its user on the bus."""


class Abroad(NamedTuple):
    """What belongs to a swarm over several machines and is not on the engine's."""

    servers: tuple[str, ...]
    """Where the bus is."""
    actuator: tuple[str, int]
    """Where the actuator's door is."""


def swarm_children(
    paths: RunPaths, size: int, elsewhere: Collection[AgentId] = ()
) -> Sequence[Child]:
    """The agents of a swarm but those ``elsewhere``."""
    agents = [agent for agent, _ in founding.swarm_of(size)]
    return agent_children(paths, agents, _last_constitution(paths), elsewhere)


def actuator_child(paths: RunPaths) -> Child:
    """The actuator's process."""
    argv = [sys.executable, str(MAIN), "actuator", "--run-dir", str(paths.root)]
    return Child("actuator", argv, paths.actuator / "actuator.err")


def _last_constitution(paths: RunPaths) -> Genesis | None:
    """By which constitution the log went on when the engine was last here; None before the first."""
    if not paths.engine_ledger.exists():
        return None
    store = open_ledger(paths.engine_ledger)
    try:
        return store.epochs.constitution
    finally:
        store.close()


async def run_engine(
    paths: RunPaths,
    size: int,
    elsewhere: Collection[AgentId] = (),
    listen: Listen | None = None,
    deployer: Deployer | None = None,
    drills: Drills | None = None,
    abroad: Abroad | None = None,
) -> None:
    """Be the engine of the run at ``paths`` until cancelled.

    Agents ``elsewhere`` belong to the swarm, and somebody else keeps their processes running; bus and
    actuator too where they are ``abroad``.

    Raises:
        Malformed: a file of the run is wrong, or not what genesis pins.
    """
    log_to_stderr("engine")
    clock = SystemClock()

    def changed(states: list[ProcessState]) -> None:
        write_states(states, paths.processes)

    supervisor = Supervisor(clock, changed)
    if abroad is not None:
        await stay_alone(paths.engine, "engine", founding.wait_s(paths))
        show_bus_key(paths, ENGINE)
    try:
        if abroad is None:
            bus_server = server.prepare(paths, [agent for agent, _ in founding.swarm_of(size)])
            supervisor.add(Child("nats", list(bus_server.argv), paths.bus / "nats.err"))
            supervisor.add(actuator_child(paths))
        for child in swarm_children(paths, size, elsewhere):
            supervisor.add(child)
        if not paths.genesis.exists():
            manifest = read_manifest(paths.manifest)
            await founding.found(
                paths, manifest.name, size, [OPERATOR], with_probe=not paths.settings.exists()
            )
        constitution = await founding.constitution(paths)
        knock = None
        if abroad is not None:
            key, verifier = constitution[0].actuator, Ed25519Verifier()
            knock = partial(knock_far, abroad.actuator, public_key=key, verifier=verifier)
        bus = await reach_bus(paths, ENGINE, abroad.servers if abroad is not None else ())
        listen = listen or Listen()
        try:
            await Engine(
                paths, constitution, bus, supervisor, clock, listen, deployer, drills, knock
            ).run()
        finally:
            await bus.close()
    finally:
        await supervisor.stop()
