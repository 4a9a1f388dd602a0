"""Security: the key of all data at rest, who may do what, and the door for a GitHub workflow."""

from dataclasses import dataclass

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms

from infra.stacks.deploy_role import build_deploy_role
from infra.stacks.part import Part
from infra.stacks.roles import build_roles

__all__ = ["Security", "build_security"]

SERVICES_WITH_OUR_KEY = ("logs", "sns", "events", "cloudwatch", "sqs")
"""AWS services that encrypt on our behalf, without a role of ours."""


@dataclass(frozen=True)
class Security:
    """What other stacks need of it."""

    stack: cdk.Stack
    key: kms.IKey


def build_security(part: Part) -> Security:
    """The key, the roles and, where a repository may deploy, the role of its workflow."""
    stack = part.stack("Security", "the data key and the deploy role")
    key = kms.Key(
        stack,
        "DataKey",
        alias=f"alias/{part.names.of('data')}",
        description=f"Incident Commander {part.environment.name}: everything at rest",
        enable_key_rotation=True,
        pending_window=cdk.Duration.days(30 if part.environment.protected else 7),
        removal_policy=part.removal,
    )
    place = part.environment
    for service in SERVICES_WITH_OUR_KEY:
        host = f"logs.{place.region}" if service == "logs" else service
        key.add_to_resource_policy(
            iam.PolicyStatement(
                sid=f"Allow{service.capitalize()}",
                principals=[iam.ServicePrincipal(f"{host}.amazonaws.com")],
                actions=["kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey*", "kms:DescribeKey"],
                # In a key's own policy this means the key itself.
                resources=["*"],
                conditions={"StringEquals": {"aws:SourceAccount": place.account}}
                if service != "logs"
                else {
                    "ArnLike": {
                        "kms:EncryptionContext:aws:logs:arn": part.names.arn(
                            "logs", f"log-group:/incident-commander/{place.name}/*"
                        )
                    }
                },
            )
        )
    build_roles(part, stack, key)
    if place.owner.repository:
        build_deploy_role(part, stack, key)
    return Security(stack, key)
