"""The engine on AWS, whole: an alarm opens an incident, the swarm decides, a task is replaced.

Everything is real but the cloud: the emulator evaluates the alarm over what the task reports, SNS
brings it to the queues of five agents, the council orders the repair, ECS replaces the process, the
alarm clears, and the copy of the ledger in DynamoDB verifies.
"""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
import pytest_asyncio

from chaos.watch import LedgerWatch
from engine.codec import Malformed
from engine.council import IncidentStatus
from engine.founding import swarm_of
from engine.ledger.sqlite import open_ledger
from engine.paths import RunPaths
from engine.telemetry.doors.cloudwatch import alarm_in
from engine.telemetry.tape import reach
from engine.vocabulary import OutcomeKind
from infra.localaws import LocalAws, Running
from tests.aws.task_processes import task_pids
from tests.aws.test_mirror import table_for_ledger
from tests.until import until

pytestmark = [pytest.mark.fleet, pytest.mark.timeout(180)]

REPOSITORY = Path(__file__).resolve().parents[2]
FLEET = """
name = "tiny"

[objective]
subject = "orders"
availability_permille = 990
latency_ms = 1000
hold_ms = 5000

[[service]]
name = "orders"
kind = "http"
release = "orders:1"
"""
SETTINGS = """
fleet = "fleet.toml"

[resources.orders]
type = "ecs"
cluster = "shop"
service = "orders"

[cloudwatch]
alarm_queue = "{queue}-{{process}}"

[mirror]
table = "ledger"

[events]
stream = "events"
bus = "events"
"""


@pytest_asyncio.fixture
async def aws(tmp_path: Path) -> AsyncGenerator[Running]:
    async with LocalAws(tmp_path / "aws") as running:
        yield running


def _start_service(aws: Running) -> None:
    """A service of one task that reports its errors."""
    ecs = aws.client("ecs")
    ecs.create_cluster(clusterName="shop")
    environment = {**aws.environment(), "PYTHONPATH": str(REPOSITORY)}
    defined = ecs.register_task_definition(
        family="orders",
        requiresCompatibilities=["FARGATE"],
        networkMode="awsvpc",
        cpu="256",
        memory="512",
        containerDefinitions=[
            {
                "name": "orders",
                "image": "shell",
                "command": [
                    sys.executable,
                    str(Path(__file__).with_name("sick_service.py")),
                    "orders",
                ],
                "environment": [{"name": k, "value": v} for k, v in environment.items()],
            }
        ],
    )
    ecs.create_service(
        cluster="shop",
        serviceName="orders",
        taskDefinition=defined["taskDefinition"]["taskDefinitionArn"],
        desiredCount=1,
        launchType="FARGATE",
    )


def _alarm(aws: Running) -> str:
    """An alarm on its errors that tells a queue for each reader; returns the queues' prefix."""
    sns, sqs = aws.client("sns"), aws.client("sqs")
    topic = sns.create_topic(Name="alarms")["TopicArn"]
    url = ""
    for process in (*(agent for agent, _ in swarm_of(5)), "witness", "engine"):
        url = sqs.create_queue(QueueName=f"alarms-{process}")["QueueUrl"]
        found = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
        arn = found["Attributes"]["QueueArn"]
        sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    aws.client("cloudwatch").put_metric_alarm(
        AlarmName="orders-errors",
        Namespace="Shop",
        MetricName="Errors",
        Dimensions=[{"Name": "ServiceName", "Value": "orders"}],
        Statistic="Maximum",
        Period=10,
        EvaluationPeriods=1,
        Threshold=0.5,
        ComparisonOperator="GreaterThanThreshold",
        AlarmActions=[topic],
        OKActions=[topic],
    )
    return url.removesuffix("-engine")


async def test_an_alarm_is_mended_on_aws_and_the_copy_verifies(
    aws: Running, tmp_path: Path
) -> None:
    _start_service(aws)
    queue = _alarm(aws)
    table_for_ledger(aws, "ledger")
    aws.client("kinesis").create_stream(StreamName="events", ShardCount=1)
    aws.client("events").create_event_bus(Name="events")
    (tmp_path / "fleet.toml").write_text(FLEET)
    config = tmp_path / "aws.toml"
    config.write_text(SETTINGS.format(queue=queue))
    paths = RunPaths(tmp_path / "run")
    engine = await asyncio.create_subprocess_exec(
        sys.executable, "main.py", "--traceback", "engine", "--config", str(config), "--run-dir", str(paths.root),
        cwd=REPOSITORY, env={**os.environ, **aws.environment()}, stdin=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        watch = LedgerWatch(paths)
        await until(lambda: len(task_pids(aws)) == 1, 30)
        [sick] = task_pids(aws)
        await until(lambda: _watched_s(paths) > 15, 60)  # Nobody is judged in his first seconds.
        os.kill(sick, signal.SIGUSR1)

        def mended() -> bool:
            watch.poll()
            return watch.council is not None and watch.council.closed > 0

        await until(mended, 90)
        assert watch.council is not None
        [incident] = watch.council.incidents.values()
        assert incident.status is IncidentStatus.RECOVERED
        assert incident.attempt.outcomes == {0: OutcomeKind.DONE}
        [well] = task_pids(aws)
        assert well != sick
        assert _delay_s(aws, queue, paths) < 5.0  # The aim is 2 s; this machine is shared.
        await _copy_verifies(aws, paths)
        told = aws.client("kinesis")
        shard = told.describe_stream(StreamName="events")["StreamDescription"]["Shards"][0]
        at = told.get_shard_iterator(
            StreamName="events", ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON"
        )["ShardIterator"]
        records = told.get_records(ShardIterator=at)["Records"]
        assert any(b'"what":"acted"' in record["Data"] for record in records)
    finally:
        assert engine.stdin is not None
        engine.stdin.close()
        await asyncio.wait_for(engine.wait(), 30)


def _watched_s(paths: RunPaths) -> float:
    """For how long the engine has seen the fleet."""
    try:
        first, last = reach(paths.tape)
    except Malformed:
        return 0.0
    return last - first


def _delay_s(aws: Running, queue: str, paths: RunPaths) -> float:
    """Seconds from the alarm's change of state to the incident's claim in the engine's ledger."""
    sqs = aws.client("sqs")
    told = sqs.receive_message(QueueUrl=f"{queue}-witness", MaxNumberOfMessages=10)["Messages"]
    alarms = [alarm_in(message["Body"], {}, "ServiceName") for message in told]
    [fired] = [alarm for alarm in alarms if alarm is not None and alarm.firing]
    ledger = open_ledger(paths.engine_ledger)
    _, claimed_ms = next(iter(ledger.read_stamped()))
    ledger.close()
    return claimed_ms / 1_000 - fired.t


async def _copy_verifies(aws: Running, paths: RunPaths) -> None:
    """The command accepts the copy once its end is sealed."""
    environment = {**os.environ, **aws.environment()}
    answer = b""

    async def verified() -> bool:
        nonlocal answer
        process = await asyncio.create_subprocess_exec(
            sys.executable, str(REPOSITORY / "main.py"), "verify", "--trust", str(paths.genesis),
            "dynamodb:ledger", cwd=paths.root, env=environment, stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        answer, _ = await process.communicate()
        return process.returncode == 0

    for _ in range(10):
        if await verified():
            break
    assert b"a quorum sealed its end" in answer
    assert b"1 incidents, 1 certificates" in answer
