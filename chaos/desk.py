"""The engine's drills: says that one runs, and starts those that an operator orders from a screen.

A drill that was ordered is a process of its own (``chaos.ordered``), tied to the engine by the kernel
and by a pipe: when the engine ends, however it ends, the drill ends and its fault is taken out.
"""

import asyncio
import os
from contextlib import suppress

import msgspec
import structlog

from chaos.announced import running
from chaos.experiments import CATALOGUE
from chaos.fleet.process import CODE, python
from engine.codec import Malformed
from engine.paths import RunPaths
from engine.stream.drilling import DrillOrder
from engine.stream.state import DrillRow
from engine.supervisor import dying_with
from engine.topology import read_manifest

__all__ = ["MAX_SEED", "Drills"]

WORDS = "against this fleet: a real fault is put in, and taken out again"
MAX_SEED = 1 << 32
MAX_SAID_BYTES = 4_096
CLOSE_S = 20.0
"""How long a drill may take to take its fault out, before it is killed; its watchdog then does it."""

log = structlog.get_logger()


class Drills:
    """Implements ``engine.stream.drilling.Drills`` for the run at ``paths``."""

    def __init__(self, paths: RunPaths) -> None:
        self._paths = paths
        self._process: asyncio.subprocess.Process | None = None
        self._listening: asyncio.Task[None] | None = None
        self._last = ""
        self._offers: tuple[str, ...] | None = None

    @property
    def row(self) -> DrillRow:
        """What screens show: that a drill runs, never what it breaks while it does."""
        runs = self._busy
        return DrillRow(runs, WORDS if runs else "", self._offered(), "" if runs else self._last)

    async def order(self, order: DrillOrder) -> str:
        """Begin what an operator ordered; why not, or empty."""
        if not self._offered():
            return "this fleet may not be drilled: its manifest does not say drillable = true"
        if order.experiment not in {known.name for known in CATALOGUE}:
            return f"no experiment {order.experiment!r}"
        if not 0 <= order.seed < MAX_SEED:
            return f"a seed is a number from 0 to {MAX_SEED - 1}"
        if self._busy:
            return "a drill runs already"
        try:
            await self._start(order)
        except OSError as error:
            return f"the drill did not start: {error}"
        log.info("drill_started", by=order.author)
        return ""

    async def close(self) -> None:
        """End the drill that was ordered, if it still runs: its fault is taken out first."""
        process, listening = self._process, self._listening
        if process is None or listening is None:
            return
        assert process.stdin is not None
        process.stdin.close()
        try:
            async with asyncio.timeout(CLOSE_S):
                await process.wait()
        except TimeoutError:
            process.kill()
        await listening

    @property
    def _busy(self) -> bool:
        ours = self._process is not None and self._process.returncode is None
        return ours or running(self._paths)

    def _offered(self) -> tuple[str, ...]:
        """The experiments, where the fleet may be drilled; the manifest is pinned, so asked once."""
        if self._offers is None:
            try:
                drillable = read_manifest(self._paths.manifest).drillable
            except (Malformed, OSError):
                return ()
            allowed = drillable and self._paths.chaos_token.exists()
            known = [f"{it.name} {it.summary}" for it in CATALOGUE] if allowed else []
            self._offers = tuple(known)
        return self._offers

    async def _start(self, order: DrillOrder) -> None:
        """Start the process; what it is to do goes in by its standard input, where nobody reads it."""
        with (self._paths.engine / "drill.err").open("wb") as errors:
            self._process = await asyncio.create_subprocess_exec(
                *python("chaos.ordered", "--run-dir", str(self._paths.root)),
                cwd=CODE,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=errors,
                limit=MAX_SAID_BYTES,
                preexec_fn=dying_with(os.getpid()),
            )
        self._listening = asyncio.create_task(self._listen(self._process))
        assert self._process.stdin is not None
        line = msgspec.json.encode({"experiment": order.experiment, "seed": order.seed})
        # A process that is gone already says so by its end.
        with suppress(ConnectionError):
            self._process.stdin.write(line + b"\n")
            await self._process.stdin.drain()

    async def _listen(self, process: asyncio.subprocess.Process) -> None:
        """Keep the last line that the drill says: what came of it."""
        assert process.stdout is not None
        said = ""
        with suppress(ValueError):  # a line that is too long is not one of ours
            while line := await process.stdout.readline():
                said = line.decode(errors="replace").strip()
        await process.wait()
        self._last = said or "the drill ended without a word"
        log.info("drill_over", code=process.returncode)
