"""The whole application is deployed to the emulator with the real CDK, answers, and is removed."""

import asyncio
import json
import os
import subprocess
import time
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from infra.environments import LOCAL_ACCOUNT, Environment
from infra.functions import secret
from infra.localaws import LocalAws, Running
from infra.localaws.local import REGION
from infra.tools import cdk_command
from tests.aws.conftest import BUILD

pytestmark = [pytest.mark.fleet, pytest.mark.slow, pytest.mark.timeout(600)]
QUIET = ("--no-color", "--ci", "--no-notices")


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


async def test_it_is_deployed_answers_and_is_removed(
    local: Environment, local_assembly: Path, tmp_path: Path
) -> None:
    async with LocalAws(tmp_path / "aws") as aws:
        await cdk(aws, tmp_path, "bootstrap", f"aws://{LOCAL_ACCOUNT}/{REGION}")
        # Everything but the swarm, which has the deploy's own test.
        stacks = [
            f"Ic-local-{part}"
            for part in ("Security", "Storage", "Streams", "Monitoring", "Networking", "Documents")
        ] + ["Ic-local-Bedrock", "Ic-local-Api"]
        outputs = tmp_path / "outputs.json"
        at = ("--app", str(local_assembly), "--exclusively")
        await cdk(
            aws,
            tmp_path,
            *("deploy", *stacks, *at, "--require-approval", "never"),
            *("--outputs-file", str(outputs)),
        )
        api = json.loads(outputs.read_bytes())["Ic-local-Api"]

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

        sqs = aws.client("sqs")
        url = sqs.get_queue_url(QueueName="ic-local-alarms-engine")["QueueUrl"]
        [message] = sqs.receive_message(QueueUrl=url, WaitTimeSeconds=5)["Messages"]
        assert "checkout is slow" in message["Body"]

        await cdk(aws, tmp_path, "destroy", *stacks, *at, "--force")
        left = aws.client("cloudformation").list_stacks(
            StackStatusFilter=["CREATE_COMPLETE", "UPDATE_COMPLETE", "DELETE_FAILED"]
        )["StackSummaries"]
        assert {stack["StackName"] for stack in left} == {"CDKToolkit"}
    assert local.emulated
