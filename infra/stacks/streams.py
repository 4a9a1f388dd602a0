"""Streams: what comes in (alarms) and what goes out (events, and words to people)."""

import json
from dataclasses import dataclass

import aws_cdk as cdk
from aws_cdk import aws_events as events
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kinesis as kinesis
from aws_cdk import aws_logs as logs
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sns_subscriptions as subscriptions
from aws_cdk import aws_sqs as sqs

from infra.stacks.part import Part, explain
from infra.stacks.security import Security

__all__ = ["Streams", "build_streams"]

EVENT_SOURCE = "incident-commander"
ENGINE = "engine"
"""What the engine is called among those that read alarms."""
TAKES_BEFORE_DEAD = 5
"""How often an alarm is handed out before it counts as one that nobody can take."""


@dataclass(frozen=True)
class Streams:
    """What other stacks need of it."""

    stack: cdk.Stack
    outgoing: kinesis.Stream
    bus: events.EventBus
    alarms: sns.Topic
    dead_letters: sqs.Queue
    people: sns.Topic


def build_streams(part: Part, security: Security) -> Streams:
    """The stream, the bus, and the way of an alarm: topic, queue, and where it ends if it must."""
    stack = part.stack("Streams", "alarms in, events out", security.stack)
    names = part.names
    stream = kinesis.Stream(
        stack,
        "Events",
        stream_name=names.event_stream,
        shard_count=part.environment.sizes.kinesis_shards,
        encryption=kinesis.StreamEncryption.KMS,
        encryption_key=security.key,
        retention_period=cdk.Duration.hours(168 if part.environment.protected else 24),
        removal_policy=part.removal,
    )
    explain(stream, "AwsSolutions-KDS3", "Our own key: who may use it can be audited and revoked")
    dead = _queue(part, stack, security, "DeadAlarms", names.alarm_dead_letters, None)
    alarms = _topic(stack, security, "Alarms", names.alarm_topic)
    queues = {
        process: _queue(
            part,
            stack,
            security,
            f"Alarms-{process}",
            names.alarm_queue(process),
            sqs.DeadLetterQueue(max_receive_count=TAKES_BEFORE_DEAD, queue=dead),
        )
        for process in (ENGINE, *part.environment.placement.zone_of)
    }
    for queue in queues.values():
        alarms.add_subscription(subscriptions.SqsSubscription(queue))
    people = _topic(stack, security, "People", names.people_topic)
    if part.environment.owner.alarm_address:
        people.add_subscription(
            subscriptions.EmailSubscription(part.environment.owner.alarm_address)
        )
    bus = _bus(part, stack, security)
    for name, value in (
        ("EventStream", stream.stream_name),
        ("EventBus", bus.event_bus_name),
        ("AlarmTopicArn", alarms.topic_arn),
        ("AlarmQueueUrl", queues[ENGINE].queue_url),
        ("PeopleTopicArn", people.topic_arn),
    ):
        cdk.CfnOutput(stack, name, value=value)
    return Streams(stack, stream, bus, alarms, dead, people)


def _queue(
    part: Part,
    stack: cdk.Stack,
    security: Security,
    identity: str,
    name: str,
    dead: sqs.DeadLetterQueue | None,
) -> sqs.Queue:
    return sqs.Queue(
        stack,
        identity,
        queue_name=name,
        encryption=sqs.QueueEncryption.KMS,
        encryption_master_key=security.key,
        data_key_reuse=cdk.Duration.hours(1),
        enforce_ssl=True,
        # Two weeks are the most that SQS keeps anything: an outage over a holiday loses no alarm.
        retention_period=cdk.Duration.days(14),
        visibility_timeout=cdk.Duration.seconds(60),
        receive_message_wait_time=cdk.Duration.seconds(20),
        dead_letter_queue=dead,
        removal_policy=part.removal,
    )


def _topic(stack: cdk.Stack, security: Security, identity: str, name: str) -> sns.Topic:
    topic = sns.Topic(stack, identity, topic_name=name, master_key=security.key, enforce_ssl=True)
    topic.add_to_resource_policy(
        iam.PolicyStatement(
            sid="AlarmsOfThisAccount",
            principals=[iam.ServicePrincipal("cloudwatch.amazonaws.com")],
            actions=["sns:Publish"],
            resources=[topic.topic_arn],
            conditions={"StringEquals": {"aws:SourceAccount": cdk.Stack.of(topic).account}},
        )
    )
    return topic


def _bus(part: Part, stack: cdk.Stack, security: Security) -> events.EventBus:
    """A bus of our own; everything on it is also written to a log, so that silence can be told."""
    name = part.names.log_group("bus")
    bus = events.EventBus(stack, "Bus", event_bus_name=part.names.event_bus)
    group = logs.LogGroup(
        stack,
        "BusLog",
        log_group_name=name,
        encryption_key=security.key,
        retention=retention(part.environment.sizes.log_days),
        removal_policy=part.removal,
    )
    # By hand, because the library would bring a Lambda along to write this one policy.
    policy = logs.CfnResourcePolicy(
        stack,
        "BusMayLog",
        policy_name=part.names.of("bus-may-log"),
        policy_document=json.dumps(
            {
                "Version": "2012-10-17",
                "Statement": [
                    {
                        "Effect": "Allow",
                        "Principal": {
                            "Service": ["events.amazonaws.com", "delivery.logs.amazonaws.com"]
                        },
                        "Action": ["logs:CreateLogStream", "logs:PutLogEvents"],
                        "Resource": part.names.arn("logs", f"log-group:{name}:*"),
                    }
                ],
            }
        ),
    )
    rule = events.CfnRule(
        stack,
        "LogEverything",
        name=part.names.of("log-everything"),
        event_bus_name=bus.event_bus_name,
        event_pattern={"source": [EVENT_SOURCE]},
        targets=[
            events.CfnRule.TargetProperty(id="log", arn=part.names.arn("logs", f"log-group:{name}"))
        ],
    )
    rule.add_resource_dependency(policy)
    rule.node.add_dependency(group)
    return bus


def retention(days: int) -> logs.RetentionDays:
    """The retention of a log group for a number of days that CloudWatch knows.

    Raises:
        KeyError: it knows none of this length.
    """
    return {
        7: logs.RetentionDays.ONE_WEEK,
        30: logs.RetentionDays.ONE_MONTH,
        365: logs.RetentionDays.ONE_YEAR,
    }[days]
