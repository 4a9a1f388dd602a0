"""Tasks, services and SSM commands of the emulator really run as processes of this machine."""

import json
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from infra.localaws import LocalAws, Running
from infra.localaws.task_processes import task_pids
from infra.target import AwsClient
from tests.until import until

pytestmark = pytest.mark.fleet

RESTART = {
    "schemaVersion": "2.2",
    "parameters": {"word": {"type": "String", "allowedPattern": "[a-z]{1,16}"}},
    "mainSteps": [
        {
            "name": "write",
            "action": "aws:runShellScript",
            "inputs": {"runCommand": ["echo told {{ word }}", "echo {{ word }} > told"]},
        }
    ],
}


@pytest.fixture
async def aws(tmp_path: Path) -> AsyncIterator[Running]:
    async with LocalAws(tmp_path / "aws") as running:
        yield running


def define(aws: Running, command: list[str], image: str = "shell", **more: object) -> str:
    answer = aws.client("ecs").register_task_definition(
        family="work",
        requiresCompatibilities=["FARGATE"],
        networkMode="awsvpc",
        cpu="256",
        memory="512",
        containerDefinitions=[{"name": "work", "image": image, "command": command, **more}],
        volumes=[
            {
                "name": "log",
                "efsVolumeConfiguration": {
                    "fileSystemId": "fs-1",
                    "authorizationConfig": {"accessPointId": "fsap-1", "iam": "ENABLED"},
                    "transitEncryption": "ENABLED",
                },
            }
        ],
    )
    return str(answer["taskDefinition"]["taskDefinitionArn"])


def service_of_one(aws: Running) -> AwsClient:
    """A service ``s`` in the cluster ``c`` that keeps one sleeping task running; returns the client."""
    ecs = aws.client("ecs")
    ecs.create_cluster(clusterName="c")
    ecs.create_service(
        cluster="c",
        serviceName="s",
        taskDefinition=define(aws, ["sleep", "600"]),
        desiredCount=1,
        launchType="FARGATE",
        networkConfiguration={"awsvpcConfiguration": {"subnets": ["subnet-1"]}},
    )
    return ecs


async def test_a_service_keeps_its_process_running_and_ends_it(aws: Running) -> None:
    ecs = service_of_one(aws)
    await until(lambda: len(task_pids(aws)) == 1)
    [first] = task_pids(aws)

    os.kill(first, signal.SIGKILL)

    await until(lambda: len(task_pids(aws)) == 1 and task_pids(aws) != [first], 20)

    ecs.update_service(cluster="c", service="s", desiredCount=0)
    await until(lambda: not task_pids(aws), 20)


async def test_a_stopped_task_is_replaced_by_its_service(aws: Running) -> None:
    ecs = service_of_one(aws)
    await until(lambda: len(task_pids(aws)) == 1)
    [first] = task_pids(aws)
    [task] = ecs.list_tasks(cluster="c", serviceName="s")["taskArns"]

    ecs.stop_task(cluster="c", task=task, reason="a repair")

    await until(lambda: first not in task_pids(aws) and len(task_pids(aws)) == 1, 20)
    assert ecs.list_tasks(cluster="c", serviceName="s")["taskArns"] != [task]


async def test_a_stopped_task_of_a_steady_service_is_replaced_too(aws: Running) -> None:
    ecs = service_of_one(aws)

    def rollout() -> str:
        [service] = ecs.describe_services(cluster="c", services=["s"])["services"]
        return str(service["deployments"][0]["rolloutState"])

    await until(lambda: rollout() == "COMPLETED", 30)
    [task] = ecs.list_tasks(cluster="c", serviceName="s")["taskArns"]

    ecs.stop_task(cluster="c", task=task, reason="a repair")

    await until(lambda: ecs.list_tasks(cluster="c", serviceName="s")["taskArns"] != [task], 20)
    await until(lambda: len(task_pids(aws)) == 1, 20)


async def test_a_task_runs_our_program_with_its_volume_and_leaves_its_exit_code(
    aws: Running, tmp_path: Path
) -> None:
    ecs = aws.client("ecs")
    ecs.create_cluster(clusterName="c")
    missing = "/var/lib/log/none.sqlite"
    definition = define(
        aws,
        ["verify", missing],
        image="incident-commander:local",
        mountPoints=[{"sourceVolume": "log", "containerPath": "/var/lib/log"}],
    )
    [task] = ecs.run_task(cluster="c", taskDefinition=definition, launchType="FARGATE")["tasks"]

    def ended() -> dict[str, Any]:
        [found] = ecs.describe_tasks(cluster="c", tasks=[task["taskArn"]])["tasks"]
        return found if found["lastStatus"] == "STOPPED" else {}

    await until(ended, 30)

    folder = aws.folder / "volumes" / "fs-1" / "fsap-1"
    [log] = (aws.folder / "tasks").glob("*/log")
    assert ended()["containers"][0]["exitCode"] not in {0, None}
    assert folder.is_dir()
    assert f"{folder}/none.sqlite" in log.read_text()


async def test_an_image_that_is_none_of_ours_does_not_run(aws: Running) -> None:
    ecs = aws.client("ecs")
    ecs.create_cluster(clusterName="c")
    definition = define(aws, ["x"], image="docker.example/other:1")
    [task] = ecs.run_task(cluster="c", taskDefinition=definition)["tasks"]

    def reason() -> str:
        [found] = ecs.describe_tasks(cluster="c", tasks=[task["taskArn"]])["tasks"]
        return str(found.get("stoppedReason", ""))

    await until(reason, 20)

    assert "here there are only incident-commander, watched-service, shell" in reason()


async def test_a_document_of_ours_runs_in_an_instance(aws: Running) -> None:
    ec2, ssm = aws.client("ec2"), aws.client("ssm")
    image = ec2.register_image(Name="host", ImageLocation="shell")["ImageId"]
    [instance] = ec2.run_instances(ImageId=image, MinCount=1, MaxCount=1)["Instances"]
    identity = instance["InstanceId"]
    ssm.create_document(Name="tell", Content=json.dumps(RESTART), DocumentType="Command")

    command = ssm.send_command(
        DocumentName="tell", InstanceIds=[identity], Parameters={"word": ["hello"]}
    )["Command"]["CommandId"]

    def done() -> dict[str, Any]:
        found: dict[str, Any] = ssm.get_command_invocation(CommandId=command, InstanceId=identity)
        return found if found["Status"] == "Success" else {}

    await until(done, 20)

    [told] = (aws.folder / "tasks").glob("*/told")
    assert done()["StandardOutputContent"] == "told hello\n"
    assert told.read_text() == "hello\n"


async def test_a_parameter_that_would_reach_the_shell_is_refused(aws: Running) -> None:
    ssm = aws.client("ssm")
    ssm.create_document(Name="tell", Content=json.dumps(RESTART), DocumentType="Command")

    with pytest.raises(ssm.exceptions.InvalidParameters, match="does not fit its pattern"):
        ssm.send_command(
            DocumentName="tell", InstanceIds=["i-1"], Parameters={"word": ["x; rm -rf /"]}
        )


async def test_tasks_die_with_the_emulator(tmp_path: Path) -> None:
    async with LocalAws(tmp_path / "aws") as aws:
        aws.client("ecs").create_cluster(clusterName="c")
        aws.client("ecs").run_task(
            cluster="c", taskDefinition=define(aws, ["sleep", "600"]), launchType="FARGATE"
        )
        await until(lambda: len(task_pids(aws)) == 1)
        os.kill(aws.pid, signal.SIGKILL)
        await until(lambda: not task_pids(aws))
