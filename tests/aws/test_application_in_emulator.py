"""The whole application on the emulator, deployed once with the real CDK: it answers, and its swarm mends.

Every part of the swarm is a task of its own. What is killed here is killed as a machine would be lost, and
replaced by ECS alone.
"""

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
import pytest_asyncio

from chaos.watch import LedgerWatch
from engine.council import Council, IncidentStatus
from engine.ledger.sqlite import open_ledger
from engine.paths import RunPaths
from engine.vocabulary import OutcomeKind
from infra.deploy.health.swarm import run_in, swarm_in_tasks
from infra.environments import LOCAL_ACCOUNT
from infra.functions import secret
from infra.localaws import LocalAws, Running
from infra.localaws.local import REGION
from infra.localaws.task_processes import task_pids
from infra.tools import cdk_command
from tests.aws.conftest import BUILD
from tests.until import until

pytestmark = [
    pytest.mark.fleet,
    pytest.mark.slow,
    pytest.mark.timeout(600),
    pytest.mark.asyncio(loop_scope="module"),
]
QUIET = ("--no-color", "--ci", "--no-notices")
ACTUATOR = "main.py\0actuator"
WATCHED = "infra.localaws.watched_service"
REPOSITORY = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Deployed:
    """An application that is up."""

    aws: Running
    outputs: dict[str, dict[str, str]]
    watch: LedgerWatch

    @property
    def paths(self) -> RunPaths:
        """The run as its engine sees it."""
        return run_in(self.aws.folder, BUILD).paths

    @property
    def council(self) -> Council:
        """What the engine's verified copy of the ledger says by now."""
        self.watch.poll()
        assert self.watch.council is not None
        return self.watch.council

    def pid(self, words: str) -> int:
        """The task whose command has ``words`` in it; 0 while it is down."""
        for pid in task_pids(self.aws):
            with contextlib.suppress(OSError):
                if words.encode() in Path(f"/proc/{pid}/cmdline").read_bytes():
                    return pid
        return 0

    async def replaced(self, words: str) -> None:
        """Kill a task and wait until ECS has started another."""
        gone = self.pid(words)
        os.kill(gone, signal.SIGKILL)
        await until(lambda: self.pid(words) not in {0, gone}, 30)

    def log_of(self, words: str) -> str:
        """What a task wrote so far."""
        return Path(f"/proc/{self.pid(words)}/cwd/log").read_text(errors="replace")

    def executed(self, agent: str) -> int:
        """How far an agent's own ledger goes."""
        [folder] = self.aws.folder.glob(f"volumes/*/own/{agent}")
        ledger = open_ledger(RunPaths(folder, folder).agents / agent / "ledger.sqlite")
        try:
            return max((entry.sequence_number for entry, _ in ledger.read_stamped()), default=0)
        finally:
            ledger.close()

    def fall_ill(self) -> int:
        """Make the watched service fail its requests; returns its process."""
        sick = self.pid(WATCHED)
        os.kill(sick, signal.SIGUSR1)
        return sick

    async def recovered(self, sick: int, closed: int) -> None:
        """The council has closed one incident more than ``closed``, by replacing the task ``sick``."""
        await until(lambda: self.council.closed > closed, 90)
        incident = list(self.council.incidents.values())[-1]
        assert incident.status is IncidentStatus.RECOVERED
        assert '"outcome": "done"' in self.log_of(ACTUATOR)
        assert self.pid(WATCHED) not in {0, sick}

    def operator(self, word: str) -> subprocess.CompletedProcess[str]:
        """Freeze or thaw at the actuator's own door, as an operator does without an engine."""
        command = Path(f"/proc/{self.pid(ACTUATOR)}/cmdline").read_bytes().split(b"\0")
        door = command[command.index(b"--door") + 1].decode()
        return subprocess.run(
            [sys.executable, str(REPOSITORY / "main.py"), word, "--run-dir", str(self.paths.root),
             "--actuator", door, "--key", str(self.paths.operator_key)],
            capture_output=True, text=True, check=False,
        )  # fmt: skip


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def deployed(
    local_assembly: Path, tmp_path_factory: pytest.TempPathFactory
) -> AsyncGenerator[Deployed]:
    folder = tmp_path_factory.mktemp("application")
    async with LocalAws(folder / "aws") as aws:
        await cdk(aws, folder, "bootstrap", f"aws://{LOCAL_ACCOUNT}/{REGION}")
        outputs = folder / "outputs.json"
        await cdk(
            aws,
            folder,
            *("deploy", "--all", "--app", str(local_assembly), "--require-approval", "never"),
            *("--concurrency", "4", "--outputs-file", str(outputs)),
        )
        # The health check of a deployment: all agents are well, and a quorum is ready.
        await asyncio.to_thread(swarm_in_tasks, aws.folder, BUILD)
        watch = LedgerWatch(run_in(aws.folder, BUILD).paths)
        yield Deployed(aws, json.loads(outputs.read_bytes()), watch)


async def cdk(aws: Running, folder: Path, *words: str) -> None:
    environment = {**os.environ, **aws.environment(), "HOME": str(folder)}
    ended = await asyncio.to_thread(
        subprocess.run,
        [*cdk_command(), *words, *QUIET],
        env=environment,
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout[-3000:] + ended.stderr[-3000:]


def ask(aws: Running, api: str, path: str, **more: Any) -> tuple[int, dict[str, Any]]:  # noqa: ANN401
    headers = {"Host": f"{api}.execute-api.localhost:{aws.port}", **more.pop("headers", {})}
    request = Request(f"{aws.endpoint}{path}", headers=headers, **more)
    try:
        with urlopen(request, timeout=30) as answer:
            return answer.status, json.loads(answer.read())
    except HTTPError as error:
        return error.code, json.loads(error.read())


async def test_it_answers(deployed: Deployed) -> None:
    aws, api = deployed.aws, deployed.outputs["Ic-local-Api"]

    status, health = ask(aws, api["HttpApiId"], "/v1/health")
    assert (status, health["status"], health["build"]) == (200, "ok", BUILD)

    shown = aws.client("secretsmanager").get_secret_value(SecretId=api["WebhookSecretName"])
    body = b'{"alarm": "checkout is slow"}'
    now = int(time.time())
    signed = secret.signature(shown["SecretString"].encode(), now, body)
    status, answer = ask(
        aws,
        api["HttpApiId"],
        "/v1/alarms",
        data=body,
        headers={"x-sent-at": str(now), "x-signature": signed},
    )
    assert status == 202, answer
    status, _ = ask(aws, api["HttpApiId"], "/v1/alarms", data=body)
    assert status == 401


async def test_its_swarm_mends_and_goes_on_when_agent_bus_and_actuator_were_killed(
    deployed: Deployed,
) -> None:
    await deployed.recovered(deployed.fall_ill(), closed=0)
    [incident] = deployed.council.incidents.values()
    assert incident.attempt.certificate is not None
    assert incident.attempt.outcomes == {0: OutcomeKind.DONE}

    # An agent, a server of the bus and the actuator are lost; with one more agent stopped, the quorum of
    # four needs the votes of the one that came back, and these must agree with its own log.
    before = deployed.executed("diagnosis-1")
    await asyncio.gather(*map(deployed.replaced, ("--id\0diagnosis-1", "bus-2.conf", ACTUATOR)))
    stopped = deployed.pid("--id\0prediction-1")
    os.kill(stopped, signal.SIGSTOP)
    # The actuator that ECS started obeys an operator whom no engine speaks for, and no certificate.
    await until(lambda: deployed.operator("freeze").stdout.startswith("frozen"), 30)
    sick = deployed.fall_ill()
    await until(lambda: "order_not_now" in deployed.log_of(ACTUATOR), 90)
    assert deployed.pid(WATCHED) == sick
    assert deployed.executed("diagnosis-1") > before

    # Where the freeze lasted, the council may have gone on to another attempt: what counts is that it acted.
    assert deployed.operator("thaw").stdout.startswith("thawed")
    await deployed.recovered(sick, closed=1)
    os.kill(stopped, signal.SIGCONT)
