"""A fleet and, beside it, the swarm that looks after it: started together, ended together.

Everything that runs is a child of this process, tied to it by the kernel and by a pipe: when it
ends, however it ends, they end too, and the orchestrator undoes what is still broken first.
"""

import asyncio
import os
import secrets
import shutil
import signal
import sys
import tempfile
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

import structlog

from engine.clock import SystemClock
from engine.codec import Malformed
from engine.diagnostics import logging_to
from engine.founding import publish_key
from engine.genesis import PROBE
from engine.paths import RunPaths
from engine.policy import Rules, write_rules
from engine.signing import Ed25519Signer
from engine.stream import runs
from engine.supervisor import Child, Supervisor, end
from engine.topology import read_manifest
from engine.vocabulary import AgentId, AuthorId

PROJECT = Path(__file__).resolve().parent.parent
FLEETS = PROJECT / "assets" / "fleets"
PYTHONPATH = MappingProxyType({"PYTHONPATH": str(PROJECT)})
"""For a child that is a module of ours, wherever this was started from."""
OPERATOR = AuthorId("operator")
SIZE = 5
"""Agents of a swarm, unless somebody asks for more."""
START_S = 40.0
"""A fleet that is not up by then will not come up: on a loaded two-core machine it takes 8."""

log = structlog.get_logger()


class Traitor(NamedTuple):
    """An agent that a drill turns, and how it lies; see ``chaos.byzantine``."""

    agent: AgentId
    kind: str


class BrokenWorld(RuntimeError):
    """The fleet or the swarm did not come up; the message says where to look."""


def manifest_path(fleet: str) -> Path:
    """The manifest that ``fleet`` names: a file, or one of ours by name.

    Raises:
        Malformed: there is none of that name.
    """
    path = Path(fleet)
    if path.suffix == ".toml" and path.exists():
        return path
    ours = FLEETS / f"{fleet}.toml"
    if not ours.exists():
        names = ", ".join(sorted(found.stem for found in FLEETS.glob("*.toml")))
        raise Malformed(f"no fleet {fleet!r}: name a TOML file, or one of: {names}")
    return ours


def prepare(manifest: Path, rules: Rules) -> RunPaths:
    """A new run's folder with its manifest, policy, tokens and the operator's and probe's keys."""
    read_manifest(manifest)
    paths = RunPaths(Path(tempfile.mkdtemp(prefix="incident-commander-"))).make()
    shutil.copyfile(manifest, paths.manifest)
    write_rules(rules, paths.policy)
    for token in (paths.repair_token, paths.chaos_token):
        descriptor = os.open(token, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_urlsafe(32) + "\n")
    publish_key(paths, OPERATOR, Ed25519Signer.load_or_create(paths.operator_key))
    publish_key(paths, PROBE, Ed25519Signer.load_or_create(paths.probe_key))
    return paths


class World:
    """A running fleet, and the swarm where there is one."""

    def __init__(
        self,
        paths: RunPaths,
        *,
        with_swarm: bool,
        traitor: Traitor | None = None,
        size: int = SIZE,
    ) -> None:
        """Nothing is started yet; see ``running``."""
        self.paths = paths
        self.size = size
        self.traitor = traitor
        self.with_swarm = with_swarm
        self.fleet: asyncio.subprocess.Process | None = None
        self.supervisor = Supervisor(SystemClock(), lambda _: None)

    @property
    def engine_pid(self) -> int:
        """The engine's process, 0 while it is down."""
        return next((state.pid for state in self.supervisor.states if state.name == "engine"), 0)

    def begin_treason(self) -> None:
        """Have the traitor begin.

        Raises:
            ProcessLookupError: there is none, or it is down.
        """
        pid = next((it.pid for it in self.supervisor.states if it.name == "traitor"), 0)
        if not pid:
            raise ProcessLookupError("the traitor is down before it could begin")
        os.kill(pid, signal.SIGUSR1)

    async def end_traitor(self) -> None:
        """End the traitor's process: another key has taken its place."""
        await self.supervisor.retire("traitor")

    async def fleet_ended(self) -> int:
        """Wait until the orchestrator ends, which it should not; its exit code."""
        assert self.fleet is not None
        return await self.fleet.wait()

    async def start(self) -> None:
        """Start fleet and swarm side by side, and wait until the fleet has said where it is.

        Raises:
            BrokenWorld: the fleet ended, or took too long.
        """
        with (self.paths.root / "fleet.err").open("ab") as output:
            self.fleet = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "chaos.fleet", "--run-dir", str(self.paths.root)),
                cwd=PROJECT,
                stdin=asyncio.subprocess.PIPE,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        if self.with_swarm:
            argv = [sys.executable, str(PROJECT / "main.py"), "engine"]
            argv += ["--run-dir", str(self.paths.root), "--agents", str(self.size)]
            if self.traitor is not None:
                argv += ["--elsewhere", self.traitor.agent]
                lying = [sys.executable, "-m", "chaos.byzantine", "--kind", self.traitor.kind]
                lying += ["--run-dir", str(self.paths.root), "--id", self.traitor.agent]
                log_file = self.paths.agents / f"{self.traitor.agent}.err"
                self.supervisor.add(Child("traitor", lying, log_file, {**os.environ, **PYTHONPATH}))
            self.supervisor.add(Child("engine", argv, self.paths.engine / "engine.err"))
        deadline = asyncio.get_running_loop().time() + START_S
        while not self.paths.endpoints.exists():
            await asyncio.sleep(0.05)
            if self.fleet.returncode is not None:
                raise BrokenWorld(f"the fleet did not start: {_last_line(self.paths)}")
            if asyncio.get_running_loop().time() > deadline:
                raise BrokenWorld(f"the fleet took over {START_S:.0f} s: {_last_line(self.paths)}")

    async def stop(self) -> None:
        """End the swarm, then the fleet; returns when no process is left."""
        await self.supervisor.stop()
        if self.fleet is not None and self.fleet.stdin is not None:
            self.fleet.stdin.close()
            try:
                await asyncio.wait_for(self.fleet.wait(), 15)
            except TimeoutError:
                await end(self.fleet)


@asynccontextmanager
async def running(
    paths: RunPaths,
    *,
    with_swarm: bool,
    traitor: Traitor | None = None,
    size: int = SIZE,
) -> AsyncGenerator[World]:
    """A world that lives as long as the context, and its folder too.

    A ``traitor`` is one of the swarm's ``size`` agents, honest until ``World.begin_treason``.
    """
    try:
        with logging_to(paths.root / "launcher.err", "launcher"):
            world = World(paths, with_swarm=with_swarm, traitor=traitor, size=size)
            registration = runs.register(paths, os.getpid())
            try:
                await world.start()
                yield world
            finally:
                await asyncio.shield(world.stop())
                registration.unlink(missing_ok=True)
    finally:
        shutil.rmtree(paths.root, ignore_errors=True)


def _last_line(paths: RunPaths) -> str:
    try:
        lines = (paths.root / "fleet.err").read_text(errors="replace").strip().splitlines()
    except OSError:
        lines = []
    return lines[-1] if lines else "it said nothing"
