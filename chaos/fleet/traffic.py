"""The fleet's customers as seen by its orchestrator: the load generator and the SLO probe."""

import os

from chaos.fleet.outputs import open_output
from chaos.fleet.process import Launch, Run, python
from engine.clock import Clock
from engine.paths import RunPaths

READY_WITHIN_S = 10.0
STOP_GRACE_S = 1.0


class Customers:
    """Two processes of their own that use the shop and nothing else of it."""

    def __init__(self, paths: RunPaths, clock: Clock) -> None:
        """Nobody has come yet."""
        self._paths = paths
        self._clock = clock
        self._runs: list[Run] = []

    def start(self, rate: float, seed: int) -> None:
        """Let them get ready; they come when told to."""
        run_dir = ("--run-dir", str(self._paths.root))
        load = python("chaos.fleet.load", *run_dir, "--rate", str(rate), "--seed", str(seed))
        probe = python("chaos.fleet.probe", *run_dir, "--seed", str(seed + 1))
        for command in (load, probe):
            path = self._paths.fleet_logs / f"{command[2].rsplit('.', 1)[-1]}.out"
            output = open_output(path)
            launch = Launch(command, announces=True, directed=True)
            try:
                self._runs.append(Run(launch, "", self._clock.unix_ms(), output))
            finally:
                os.close(output)

    async def ready(self) -> bool:
        """Whether both are ready to come."""
        answers = [await run.ready(READY_WITHIN_S) for run in self._runs]
        return all(answers)

    def come(self, on: bool) -> None:
        """Let them come, or stay away; what they have asked for they settle all the same."""
        for run in self._runs:
            run.tell("come" if on else "stay")

    @property
    def runs(self) -> tuple[Run, ...]:
        """Both processes."""
        return tuple(self._runs)

    async def stop(self) -> None:
        """End both."""
        for run in self._runs:
            await run.stop(STOP_GRACE_S)
