"""The roles of what runs: each may do what it does, on what is ours, and nothing else.

Roles name what they touch by its name (``infra.names``), so they stand here together, where one reads
in one sitting who may do what, and nothing has to be exported from one stack to the next.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms

from infra.models import MODELS
from infra.names import Names
from infra.stacks.part import Part, explain

__all__ = ["MANAGED_TAG", "ROLES", "RoleOf", "build_roles"]

MANAGED_TAG = "incident-commander:managed"
"""Only what its owner has tagged so, with the environment's name, can be acted on."""


@dataclass(frozen=True)
class RoleOf:
    """What one part of the swarm may do."""

    part: str
    service: str
    """Who takes the role."""
    may: tuple[iam.PolicyStatement, ...]
    accepted: dict[str, str] = field(default_factory=dict)
    """Findings of the rule pack that are accepted, each with its reason."""


def _allow(
    *actions: str, on: list[str], when: Mapping[str, object] | None = None
) -> iam.PolicyStatement:
    return iam.PolicyStatement(
        actions=list(actions), resources=on, conditions=dict(when) if when else None
    )


def _execution(names: Names) -> RoleOf:
    logs = names.arn("logs", f"log-group:{names.log_group('swarm')}:*")
    return RoleOf(
        "execution",
        "ecs-tasks",
        (
            _allow("ecr:GetAuthorizationToken", on=["*"]),
            _allow(
                "ecr:BatchCheckLayerAvailability",
                "ecr:BatchGetImage",
                "ecr:GetDownloadUrlForLayer",
                on=[
                    names.arn(
                        "ecr",
                        f"repository/cdk-hnb659fds-container-assets-{names.environment.account}"
                        f"-{names.environment.region}",
                    )
                ],
            ),
            _allow("logs:CreateLogStream", "logs:PutLogEvents", on=[logs]),
        ),
        {
            "Resource::*": "ecr:GetAuthorizationToken knows no resource (ECR authorization reference)",
            f"Resource::{logs}": "The streams of the swarm's log group: ECS names them by task",
        },
    )


def _agent(names: Names) -> RoleOf:
    fleet_logs = names.arn("logs", "log-group:*")
    return RoleOf(
        "agent",
        "ecs-tasks",
        (
            *_reads(names, fleet_logs),
            _allow(
                "sqs:ReceiveMessage",
                "sqs:DeleteMessage",
                "sqs:GetQueueAttributes",
                "sqs:GetQueueUrl",
                on=[names.arn("sqs", names.alarm_queue("*"))],
            ),
            _allow("bedrock:InvokeModel", on=list(MODELS.arns(names.environment))),
            _allow(
                "bedrock:InvokeAgent",
                on=[names.arn("bedrock", "agent-alias/*")],
                when={
                    "StringEquals": {
                        "aws:ResourceTag/incident-commander:environment": names.environment.name
                    }
                },
            ),
            _allow("bedrock:ApplyGuardrail", on=[names.arn("bedrock", "guardrail/*")]),
        ),
        _reading_accepted(fleet_logs)
        | {
            f"Resource::{names.arn('sqs', names.alarm_queue('*'))}": (
                "Each agent has a queue of its own, named after it"
            ),
            f"Resource::{names.arn('bedrock', 'agent-alias/*')}": (
                "Bedrock gives aliases their ids; the tag's condition keeps it to ours"
            ),
            f"Resource::{names.arn('bedrock', 'guardrail/*')}": (
                "Applying a guardrail only ever takes something away"
            ),
            **{
                f"Resource::{arn}": "Its profile may answer from any region of its geography"
                for arn in MODELS.arns(names.environment)
                if ":*:" in arn
            },
        },
    )


def _engine(names: Names) -> RoleOf:
    fleet_logs = names.arn("logs", "log-group:*")
    archive = f"arn:aws:s3:::{names.archive_bucket}/*"
    return RoleOf(
        "engine",
        "ecs-tasks",
        (
            *_reads(names, fleet_logs),
            # The head moves, entries are put where nothing is, and nothing is ever deleted.
            _allow(
                "dynamodb:UpdateItem",
                "dynamodb:PutItem",
                "dynamodb:GetItem",
                "dynamodb:Query",
                "dynamodb:ConditionCheckItem",
                "dynamodb:DescribeTable",
                on=[names.arn("dynamodb", f"table/{names.ledger_table}")],
            ),
            _allow(
                "dynamodb:PutItem",
                "dynamodb:GetItem",
                "dynamodb:DeleteItem",
                on=[names.arn("dynamodb", f"table/{names.state_table}")],
            ),
            _allow(
                "kinesis:PutRecord",
                "kinesis:PutRecords",
                "kinesis:DescribeStreamSummary",
                on=[names.arn("kinesis", f"stream/{names.event_stream}")],
            ),
            _allow("events:PutEvents", on=[names.arn("events", f"event-bus/{names.event_bus}")]),
            _allow(
                "sqs:ReceiveMessage",
                "sqs:DeleteMessage",
                "sqs:ChangeMessageVisibility",
                "sqs:GetQueueAttributes",
                "sqs:GetQueueUrl",
                on=[names.arn("sqs", names.alarm_queue("engine"))],
            ),
            _allow("sns:Publish", on=[names.arn("sns", names.people_topic)]),
            _allow(
                "cloudwatch:PutMetricData",
                on=["*"],
                when={"StringEquals": {"cloudwatch:namespace": "IncidentCommander"}},
            ),
            _allow("s3:PutObject", on=[archive]),
        ),
        _reading_accepted(fleet_logs)
        | {f"Resource::{archive}": "Exports are named by their cluster and day"},
    )


def _actuator(names: Names) -> RoleOf:
    ours = {"StringEquals": {f"aws:ResourceTag/{MANAGED_TAG}": names.environment.name}}
    instances = names.arn("ec2", "instance/*")
    services, tasks = names.arn("ecs", "service/*"), names.arn("ecs", "task/*")
    functions = names.arn("lambda", "function:*")
    groups = names.arn("autoscaling", "autoScalingGroup:*:autoScalingGroupName/*")
    reason = "What its owner tagged as managed, by the condition; its name is the fleet's business"
    return RoleOf(
        "actuator",
        "ecs-tasks",
        (
            _allow("ecs:DescribeServices", "ecs:UpdateService", on=[services], when=ours),
            _allow("ecs:DescribeTasks", "ecs:StopTask", on=[tasks], when=ours),
            _allow("ecs:ListTasks", "ecs:DescribeTaskDefinition", on=["*"]),
            _allow(
                "lambda:GetAlias",
                "lambda:GetFunctionConfiguration",
                "lambda:UpdateAlias",
                "lambda:PutFunctionConcurrency",
                "lambda:DeleteFunctionConcurrency",
                on=[functions],
                when=ours,
            ),
            _allow("autoscaling:DescribeAutoScalingGroups", on=["*"]),
            _allow(
                "autoscaling:SetDesiredCapacity",
                "autoscaling:TerminateInstanceInAutoScalingGroup",
                on=[groups],
                when=ours,
            ),
            _allow("ssm:SendCommand", on=[names.arn("ssm", f"document/{names.of('*')}")]),
            _allow("ssm:SendCommand", on=[instances], when=ours),
            _allow("ssm:GetCommandInvocation", "ssm:ListCommandInvocations", on=["*"]),
        ),
        {
            "Resource::*": "These reads know no resource (service authorization reference)",
            f"Resource::{names.arn('ssm', 'document/' + names.of('*'))}": "Documents of this environment: their names begin with its prefix",
            **{
                f"Resource::{resource}": reason
                for resource in (services, tasks, functions, groups, instances)
            },
        },
    )


def _reads(names: Names, fleet_logs: str) -> tuple[iam.PolicyStatement, ...]:
    """What whoever looks at the fleet may read."""
    return (
        _allow(
            "cloudwatch:GetMetricData",
            "cloudwatch:ListMetrics",
            "cloudwatch:DescribeAlarms",
            "cloudwatch:DescribeAlarmHistory",
            on=["*"],
        ),
        _allow("logs:FilterLogEvents", "logs:StartQuery", on=[fleet_logs]),
        _allow("logs:GetQueryResults", "logs:StopQuery", on=["*"]),
    )


def _reading_accepted(fleet_logs: str) -> dict[str, str]:
    return {
        "Resource::*": "CloudWatch's metrics and running queries know no resource",
        f"Resource::{fleet_logs}": "It reads the logs of whatever fleet it looks after",
    }


def _bus(_names: Names) -> RoleOf:
    """The bus speaks with the swarm and with its files, and with AWS not at all."""
    return RoleOf("bus", "ecs-tasks", ())


ROLES = (_execution, _engine, _actuator, _agent, _bus)


def build_roles(part: Part, stack: cdk.Stack, key: kms.IKey) -> None:
    """Make all of them, each with the use of our key."""
    for described in ROLES:
        role_of = described(part.names)
        role = iam.Role(
            stack,
            f"{role_of.part.capitalize()}Role",
            role_name=part.names.service(role_of.part),
            description=f"Incident Commander {part.environment.name}: {role_of.part}",
            assumed_by=iam.ServicePrincipal(
                f"{role_of.service}.amazonaws.com",
                # Nobody else's service can be made to take it on their behalf.
                conditions={"StringEquals": {"aws:SourceAccount": part.environment.account}},
            ),
            inline_policies={
                **(
                    {"work": iam.PolicyDocument(statements=list(role_of.may))}
                    if role_of.may
                    else {}
                ),
                "key": iam.PolicyDocument(
                    statements=[_allow("kms:Decrypt", "kms:GenerateDataKey", on=[key.key_arn])]
                ),
            },
        )
        for finding, why in role_of.accepted.items():
            explain(role, f"AwsSolutions-IAM5[{finding}]", why)
