"""Each line of the table is what a running emulator does: asked, and not believed."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from botocore.exceptions import ClientError

from infra.localaws import LocalAws, Running
from infra.localaws.coverage import COVERAGE, Depth

pytestmark = [pytest.mark.fleet, pytest.mark.timeout(180)]


def dynamodb(aws: Running) -> bool:
    client = aws.client("dynamodb")
    client.create_table(
        TableName="table",
        KeySchema=[{"AttributeName": "k", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "k", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    write = {"TableName": "table", "Item": {"k": {"S": "a"}}}
    client.put_item(**write, ConditionExpression="attribute_not_exists(k)")
    try:
        client.put_item(**write, ConditionExpression="attribute_not_exists(k)")
    except client.exceptions.ConditionalCheckFailedException:
        return True
    return False


def kinesis(aws: Running) -> bool:
    client = aws.client("kinesis")
    client.create_stream(StreamName="s", ShardCount=1)
    put = client.put_record(StreamName="s", Data=b"x", PartitionKey="p")
    start = client.get_shard_iterator(
        StreamName="s", ShardId=put["ShardId"], ShardIteratorType="TRIM_HORIZON"
    )["ShardIterator"]
    [record] = client.get_records(ShardIterator=start)["Records"]
    return bool(record["SequenceNumber"] == put["SequenceNumber"])


def sqs(aws: Running) -> bool:
    client = aws.client("sqs")
    url = client.create_queue(QueueName="q")["QueueUrl"]
    client.send_message(QueueUrl=url, MessageBody="hello")
    [message] = client.receive_message(QueueUrl=url)["Messages"]
    return bool(message["Body"] == "hello")


def cloudwatch(aws: Running) -> bool:
    client = aws.client("cloudwatch")
    client.put_metric_alarm(
        AlarmName="a",
        Namespace="n",
        MetricName="m",
        Statistic="Maximum",
        Period=60,
        EvaluationPeriods=1,
        Threshold=1.0,
        ComparisonOperator="GreaterThanThreshold",
    )
    client.put_metric_data(Namespace="n", MetricData=[{"MetricName": "m", "Value": 5.0}])
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        [alarm] = client.describe_alarms(AlarmNames=["a"])["MetricAlarms"]
        if alarm["StateValue"] == "ALARM":
            return True
        time.sleep(0.5)
    return False


def bedrock_agent(aws: Running) -> bool:
    """Two questions that no model answers alike get the same canned words."""
    control, data = aws.client("bedrock-agent"), aws.client("bedrock-agent-runtime")
    agent = control.create_agent(agentName="a", instruction="x" * 40)["agent"]["agentId"]
    control.prepare_agent(agentId=agent)
    alias = control.create_agent_alias(agentId=agent, agentAliasName="l")["agentAlias"]

    def said(question: str) -> str:
        answer = data.invoke_agent(
            agentId=agent, agentAliasId=alias["agentAliasId"], sessionId="s1", inputText=question
        )
        return "".join(event["chunk"]["bytes"].decode() for event in answer["completion"])

    return "mock" not in said("What is 2 + 2?").lower()


def opensearchserverless(aws: Running) -> bool:
    """Whether somebody answers at a collection's address."""
    client = aws.client("opensearchserverless")
    client.create_security_policy(
        name="runbooks",
        type="encryption",
        policy='{"Rules":[{"ResourceType":"collection","Resource":["collection/runbooks"]}],"AWSOwnedKey":true}',
    )
    made = client.create_collection(name="runbooks", type="VECTORSEARCH")["createCollectionDetail"]
    [found] = client.batch_get_collection(ids=[made["id"]])["collectionDetails"]
    host = urlsplit(str(found.get("collectionEndpoint", ""))).hostname or ""
    try:
        addresses = {str(entry[4][0]) for entry in socket.getaddrinfo(host, 443)}
    except OSError:
        return False
    return bool(host) and addresses == {"127.0.0.1"}


def autoscaling(aws: Running) -> bool:
    """Whether an instance of a group is one that EC2 knows."""
    client = aws.client("autoscaling")
    client.create_launch_configuration(
        LaunchConfigurationName="l", ImageId="ami-1", InstanceType="t3.micro"
    )
    client.create_auto_scaling_group(
        AutoScalingGroupName="g",
        LaunchConfigurationName="l",
        MinSize=1,
        MaxSize=1,
        DesiredCapacity=1,
        AvailabilityZones=["us-east-1a"],
    )
    [group] = client.describe_auto_scaling_groups(AutoScalingGroupNames=["g"])["AutoScalingGroups"]
    [instance] = group["Instances"]
    try:
        found = aws.client("ec2").describe_instances(InstanceIds=[instance["InstanceId"]])
    except ClientError:
        return False
    return bool(found["Reservations"])


def efs(aws: Running) -> bool:
    """Whether somebody serves files where a mount target says that it is."""
    client = aws.client("efs")
    system = client.create_file_system(CreationToken="t")["FileSystemId"]
    point = client.create_access_point(
        ClientToken="c", FileSystemId=system, RootDirectory={"Path": "/a"}
    )
    assert point["LifeCycleState"] in {"available", "creating"}
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", 2049)) == 0


def absent(service: str, operation: str, **arguments: object) -> Callable[[Running], bool]:
    def probe(aws: Running) -> bool:
        getattr(aws.client(service), operation)(**arguments)
        return True

    return probe


PROBES: dict[str, Callable[[Running], bool]] = {
    "dynamodb": dynamodb,
    "kinesis": kinesis,
    "sqs": sqs,
    "cloudwatch": cloudwatch,
    "bedrock-agent": bedrock_agent,
    "opensearchserverless": opensearchserverless,
    "autoscaling": autoscaling,
    "efs": efs,
    "service-quotas": absent("service-quotas", "list_services"),
    "application-autoscaling": absent(
        "application-autoscaling", "describe_scalable_targets", ServiceNamespace="ecs"
    ),
}
ELSEWHERE = {
    "ecs": "test_launcher_in_emulator",
    "ec2": "test_launcher_in_emulator",
    "ssm": "test_launcher_in_emulator",
    "lambda": "test_application_in_emulator",
}
"""Lines that have tests of their own, by the module."""


@pytest.fixture
async def aws(tmp_path: Path) -> AsyncIterator[Running]:
    async with LocalAws(tmp_path / "aws") as running:
        yield running


def test_every_line_has_its_probe() -> None:
    assert set(PROBES) | set(ELSEWHERE) == set(COVERAGE)
    for module in ELSEWHERE.values():
        assert Path(__file__).with_name(f"{module}.py").is_file()


async def test_every_line_is_true(aws: Running) -> None:
    def ask(service: str) -> tuple[str, Any]:
        probe = PROBES[service]
        try:
            return service, Depth.REAL if probe(aws) else Depth.CONTROL_PLANE_ONLY
        except ClientError as error:
            # The emulator has no words for a service that it does not know: a bare status.
            return service, Depth.ABSENT if error.response["Error"]["Code"] == "400" else error

    found = dict(await asyncio.gather(*(asyncio.to_thread(ask, name) for name in PROBES)))

    assert found == {service: COVERAGE[service].depth for service in PROBES}
