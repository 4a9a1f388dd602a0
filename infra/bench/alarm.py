"""How long an alarm of CloudWatch is under way until it is an incident.

A service runs as an ECS task of the emulator and tells CloudWatch its errors. It falls ill; the
emulator evaluates the alarm, SNS brings it to a queue for each agent, and an agent claims an
incident. What is measured is what we add: from the alarm's change of state to the claim in the engine's
ledger.
"""

import asyncio
import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from engine.bench.figure import Figure
from engine.codec import Malformed, decode
from engine.founding import swarm_of
from engine.ledger.sqlite import open_ledger
from engine.paths import RunPaths
from engine.telemetry.doors.cloudwatch import alarm_in
from engine.telemetry.tape import reach
from engine.vocabulary import Opened, Signed, Submission
from infra.bench.broken import BenchBroken
from infra.bench.ledger_table import make_ledger_table
from infra.deploy.source import REPOSITORY
from infra.localaws import LocalAws, Running
from infra.localaws.task_processes import task_pids

__all__ = [
    "alarm_figures",
    "delay_s",
    "make_alarm",
    "prepare_engine",
    "start_service",
    "watched_s",
]

AIM_S = 2.0
WARM_S = 15.0
"""Nobody is judged in his first seconds."""
WITHIN_S = 180.0
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


def alarm_figures(told: Callable[[str], None]) -> list[Figure]:
    """The delay of one alarm.

    Raises:
        BenchBroken: no incident came of it.
    """
    with tempfile.TemporaryDirectory(prefix="alarm-bench-") as name:
        took_s = asyncio.run(_measure(Path(name)))
    told(f"an incident {took_s:.2f} s after its alarm")
    return [
        Figure(
            "engine's delay from alarm to incident",
            round(took_s, 2),
            "s",
            AIM_S,
            "lower",
            took_s <= AIM_S,
            {"alarms": 1, "load": round(os.getloadavg()[0], 1)},
        )
    ]


async def _measure(root: Path) -> float:
    async with LocalAws(root / "aws") as aws:
        queue, config = prepare_engine(aws, root)
        paths = RunPaths(root / "run")
        log = (root / "engine.log").open("wb")
        engine = await asyncio.create_subprocess_exec(
            *(sys.executable, "main.py", "engine", "--config", str(config)),
            *("--run-dir", str(paths.root)),
            cwd=REPOSITORY,
            env={**os.environ, **aws.environment()},
            stdin=asyncio.subprocess.PIPE,
            stdout=log,
            stderr=log,
        )
        assert engine.stdin is not None
        try:
            await _until(lambda: len(task_pids(aws)) == 1 and watched_s(paths) > WARM_S)
            [task] = task_pids(aws)
            os.kill(task, signal.SIGUSR1)
            await _until(lambda: claimed_ms(paths) > 0)
            return delay_s(aws, queue, paths)
        finally:
            engine.stdin.close()
            await engine.wait()
            log.close()


async def _until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WITHIN_S
    while not holds():
        if time.monotonic() > deadline:
            raise BenchBroken(f"the alarm: no incident within {WITHIN_S:.0f} s")
        await asyncio.sleep(0.1)


def prepare_engine(aws: Running, root: Path) -> tuple[str, Path]:
    """Everything that an engine needs which watches one service of the emulator.

    Returns:
        The prefix of the queues' addresses, and the engine's settings file in ``root``.
    """
    start_service(aws)
    queue = make_alarm(aws)
    make_ledger_table(aws.client("dynamodb"), "ledger")
    aws.client("kinesis").create_stream(StreamName="events", ShardCount=1)
    aws.client("events").create_event_bus(Name="events")
    (root / "fleet.toml").write_text(FLEET)
    config = root / "aws.toml"
    config.write_text(SETTINGS.format(queue=queue))
    return queue, config


def start_service(aws: Running) -> None:
    """A service of one task that reports its errors."""
    ecs = aws.client("ecs")
    ecs.create_cluster(clusterName="shop")
    defined = ecs.register_task_definition(
        family="orders",
        requiresCompatibilities=["FARGATE"],
        networkMode="awsvpc",
        cpu="256",
        memory="512",
        containerDefinitions=[
            {
                "name": "orders",
                "image": "watched-service",
                "command": ["orders"],
                "environment": [{"name": k, "value": v} for k, v in aws.environment().items()],
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


def make_alarm(aws: Running) -> str:
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


def watched_s(paths: RunPaths) -> float:
    """For how long the engine has seen the fleet."""
    try:
        first, last = reach(paths.tape)
    except Malformed:
        return 0.0
    return last - first


def claimed_ms(paths: RunPaths) -> int:
    """When the first claim of an incident was in the engine's ledger, Unix ms; 0: not yet."""
    if not paths.engine_ledger.exists():
        return 0
    ledger = open_ledger(paths.engine_ledger)
    try:
        for entry, received_ms in ledger.read_stamped():
            for signed in entry.batch:
                said = decode(decode(signed, Signed).payload, Submission).operations
                if any(isinstance(operation, Opened) for operation in said):
                    return received_ms
    finally:
        ledger.close()
    return 0


def delay_s(aws: Running, queue: str, paths: RunPaths) -> float:
    """Seconds from the alarm's change of state to the incident's claim in the engine's ledger."""
    sqs = aws.client("sqs")
    told = sqs.receive_message(QueueUrl=f"{queue}-witness", MaxNumberOfMessages=10)["Messages"]
    alarms = [alarm_in(message["Body"], {}, "ServiceName") for message in told]
    [fired] = [alarm for alarm in alarms if alarm is not None and alarm.firing]
    return claimed_ms(paths) / 1_000 - fired.t
