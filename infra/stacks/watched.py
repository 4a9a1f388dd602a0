"""What the swarm of the emulator watches: a service that is a task, its metric and its alarm.

Only where an environment is emulated: an account has a fleet of its own. How it is watched stands in
``assets/watched/local``.
"""

import aws_cdk as cdk
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_ecs as ecs
from aws_cdk import aws_logs as logs

from infra.stacks.networking import Networking
from infra.stacks.part import Part, explain
from infra.stacks.security import Security
from infra.stacks.streams import Streams, retention

__all__ = ["SERVICE", "build_watched"]

SERVICE = "orders"
IMAGE = "watched-service:local"
"""What the launcher knows as ``infra.localaws.watched_service``."""


def build_watched(
    part: Part, security: Security, networking: Networking, streams: Streams
) -> cdk.Stack:
    """One service that tells CloudWatch its errors, and an alarm on them."""
    stack = part.stack(
        "Watched", "what a rehearsal watches", security.stack, networking.stack, streams.stack
    )
    cluster = ecs.Cluster(
        stack,
        "Fleet",
        cluster_name=part.names.of("watched"),
        vpc=networking.vpc,
        container_insights_v2=ecs.ContainerInsights.ENABLED,
    )
    log = logs.LogGroup(
        stack,
        "FleetLog",
        log_group_name=part.names.log_group("watched"),
        encryption_key=security.key,
        retention=retention(part.environment.sizes.log_days),
        removal_policy=part.removal,
    )
    task = ecs.FargateTaskDefinition(
        stack, "Task", family=part.names.of(SERVICE), cpu=256, memory_limit_mib=512
    )
    explain(task, "AwsSolutions-ECS2", "The region is no secret")
    explain(task, "AwsSolutions-IAM5", "Its log's streams: the CDK's own grant")
    task.add_container(
        SERVICE,
        image=ecs.ContainerImage.from_registry(IMAGE),
        container_name=SERVICE,
        command=[SERVICE],
        environment={"AWS_DEFAULT_REGION": part.environment.region},
        readonly_root_filesystem=True,
        logging=ecs.LogDriver.aws_logs(log_group=log, stream_prefix=SERVICE),
    )
    ecs.FargateService(
        stack,
        "Service",
        service_name=SERVICE,
        cluster=cluster,
        task_definition=task,
        desired_count=1,
        min_healthy_percent=0,
        max_healthy_percent=100,
        assign_public_ip=False,
        security_groups=[networking.swarm],
        vpc_subnets=networking.private_subnet(part.environment.zones[0]),
    )
    alarm = cloudwatch.Alarm(
        stack,
        "Errors",
        alarm_name=part.names.of(f"{SERVICE}-errors"),
        alarm_description="The watched service fails its requests",
        metric=cloudwatch.Metric(
            namespace="Shop",
            metric_name="Errors",
            dimensions_map={"ServiceName": SERVICE},
            statistic="Maximum",
            period=cdk.Duration.seconds(10),
        ),
        threshold=0.5,
        evaluation_periods=1,
        comparison_operator=cloudwatch.ComparisonOperator.GREATER_THAN_THRESHOLD,
    )
    told = actions.SnsAction(streams.alarms)
    alarm.add_alarm_action(told)
    alarm.add_ok_action(told)
    return stack
