"""How a Lambda of ours is made: its code, its own log group and its own role, and nothing more."""

from collections.abc import Mapping

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs

from infra.stacks.part import Part, explain
from infra.stacks.streams import retention

__all__ = ["add_function"]


def add_function(
    part: Part,
    stack: cdk.Stack,
    name: str,
    module: str,
    key: kms.IKey,
    settings: Mapping[str, str],
    may: list[iam.PolicyStatement],
) -> lambda_.Function:
    """A function called ``name`` that runs ``infra.functions.MODULE``.

    Args:
        part: the environment.
        stack: where it belongs.
        name: its full name, which its role and its log group share.
        module: the module with its ``handler``.
        key: encrypts its log and its settings.
        settings: its environment, beside the environment's name and the build.
        may: all that it may do, beside writing its log.
    """
    group = logs.LogGroup(
        stack,
        f"{module.capitalize()}Log",
        log_group_name=part.names.log_group(module),
        encryption_key=key,
        retention=retention(part.environment.sizes.log_days),
        removal_policy=part.removal,
    )
    streams = part.names.arn("logs", f"log-group:{part.names.log_group(module)}:*")
    role = iam.Role(
        stack,
        f"{module.capitalize()}Role",
        role_name=name,
        assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"),
        inline_policies={
            "own-log": iam.PolicyDocument(
                statements=[
                    iam.PolicyStatement(
                        actions=["logs:CreateLogStream", "logs:PutLogEvents"],
                        resources=[streams],
                    )
                ]
            ),
            "own-key": iam.PolicyDocument(
                statements=[
                    iam.PolicyStatement(
                        actions=["kms:Decrypt", "kms:GenerateDataKey"], resources=[key.key_arn]
                    )
                ]
            ),
            "work": iam.PolicyDocument(statements=may),
        },
    )
    explain(
        role,
        f"AwsSolutions-IAM5[Resource::{streams}]",
        "The streams of its own log group: Lambda chooses their names",
    )
    return lambda_.Function(
        stack,
        module.capitalize(),
        function_name=name,
        description=f"infra/functions/{module}.py",
        runtime=lambda_.Runtime.PYTHON_3_14,
        architecture=lambda_.Architecture.ARM_64,
        handler=f"infra.functions.{module}.handler",
        code=lambda_.Code.from_asset(str(part.functions)),
        role=role,
        log_group=group,
        memory_size=256,
        timeout=cdk.Duration.seconds(10),
        # One environment's dashboards cannot use up what the whole account may run.
        reserved_concurrent_executions=20 if part.environment.protected else None,
        environment={"ENVIRONMENT": part.environment.name, "BUILD": part.build, **settings},
        environment_encryption=key,
    )
