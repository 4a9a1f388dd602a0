"""The role that one repository's workflow takes, in one GitHub environment, without a secret.

What changes the account is done by the roles of the CDK's bootstrap, which it may take. What it does
itself is what a deployment does beside that: read the stacks, hold the lock, keep the last good
assembly, get a stuck stack out, and ask how everything is.
"""

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms

from infra.stacks.part import Part, explain

__all__ = ["build_deploy_role"]

GITHUB = "token.actions.githubusercontent.com"
BOOTSTRAP = "cdk-hnb659fds"
"""What everything of the CDK's bootstrap begins with."""


def build_deploy_role(part: Part, stack: cdk.Stack, key: kms.IKey) -> None:
    """The role, and GitHub as a provider of identities."""
    place = part.environment
    provider = iam.CfnOIDCProvider(
        stack, "GitHub", url=f"https://{GITHUB}", client_id_list=["sts.amazonaws.com"]
    )
    role = iam.Role(
        stack,
        "DeployRole",
        role_name=part.names.of("deploy"),
        description="Taken by the deploy workflow of one repository in one GitHub environment",
        # A bake and a rollback after it fit in.
        max_session_duration=cdk.Duration.hours(2),
        assumed_by=iam.FederatedPrincipal(
            provider.attr_arn,
            {
                "StringEquals": {
                    f"{GITHUB}:aud": "sts.amazonaws.com",
                    f"{GITHUB}:sub": f"repo:{place.owner.repository}:environment:{place.name}",
                }
            },
            "sts:AssumeRoleWithWebIdentity",
        ),
        inline_policies={
            "deploy": iam.PolicyDocument(statements=[_bootstrap(part), *_stacks(part)]),
            "health": iam.PolicyDocument(statements=_health(part, key)),
        },
    )
    for finding, why in _accepted(part).items():
        explain(role, f"AwsSolutions-IAM5[{finding}]", why)
    cdk.CfnOutput(stack, "DeployRoleArn", value=role.role_arn)


def _bootstrap(part: Part) -> iam.PolicyStatement:
    place = part.environment
    return iam.PolicyStatement(
        sid="TakeTheRolesOfTheBootstrap",
        actions=["sts:AssumeRole"],
        resources=[
            f"arn:aws:iam::{place.account}:role/{BOOTSTRAP}-{name}-role-"
            f"{place.account}-{place.region}"
            for name in ("deploy", "file-publishing", "image-publishing", "lookup")
        ],
    )


def _own_stacks(part: Part) -> str:
    return part.names.arn("cloudformation", f"stack/{part.names.stack('*')}")


def _kept(part: Part) -> str:
    place = part.environment
    return f"arn:aws:s3:::{BOOTSTRAP}-assets-{place.account}-{place.region}/*"


def _stacks(part: Part) -> list[iam.PolicyStatement]:
    toolkit = part.names.arn("cloudformation", "stack/CDKToolkit/*")
    return [
        iam.PolicyStatement(
            sid="ReadTheStacks",
            actions=[
                "cloudformation:DescribeChangeSet",
                "cloudformation:DescribeStackDriftDetectionStatus",
                "cloudformation:DescribeStackEvents",
                "cloudformation:DescribeStackResourceDrifts",
                "cloudformation:DescribeStacks",
                "cloudformation:DetectStackDrift",
                "cloudformation:GetTemplate",
                "cloudformation:ListStackResources",
            ],
            resources=[_own_stacks(part), toolkit],
        ),
        iam.PolicyStatement(
            sid="CarryOutAndGetOut",
            actions=[
                "cloudformation:ContinueUpdateRollback",
                "cloudformation:DeleteChangeSet",
                "cloudformation:DeleteStack",
                "cloudformation:ExecuteChangeSet",
                "cloudformation:UpdateTerminationProtection",
            ],
            resources=[_own_stacks(part)],
        ),
        iam.PolicyStatement(
            sid="KnowTheBootstrap",
            actions=["ssm:GetParameter"],
            resources=[part.names.arn("ssm", f"parameter/cdk-bootstrap/{BOOTSTRAP[4:]}/version")],
        ),
        iam.PolicyStatement(
            sid="LockAndLastGood",
            actions=["s3:DeleteObject", "s3:GetObject", "s3:PutObject"],
            resources=[_kept(part)],
        ),
        iam.PolicyStatement(
            sid="KnowTheLimits",
            actions=["cloudformation:DescribeAccountLimits", "servicequotas:GetServiceQuota"],
            resources=["*"],
        ),
    ]


def _health(part: Part, key: kms.IKey) -> list[iam.PolicyStatement]:
    names = part.names
    return [
        iam.PolicyStatement(actions=list(actions), resources=resources)
        for actions, resources in (
            (
                ("dynamodb:DeleteItem", "dynamodb:GetItem", "dynamodb:PutItem"),
                [names.arn("dynamodb", f"table/{names.state_table}")],
            ),
            (
                (
                    "kinesis:DescribeStreamSummary",
                    "kinesis:GetRecords",
                    "kinesis:GetShardIterator",
                    "kinesis:ListShards",
                    "kinesis:PutRecord",
                ),
                [names.arn("kinesis", f"stream/{names.event_stream}")],
            ),
            (
                ("lambda:InvokeFunction",),
                [names.arn("lambda", f"function:{names.health_function}")],
            ),
            (("secretsmanager:GetSecretValue",), [_screens_secret(part)]),
            (("bedrock:InvokeAgent",), [names.arn("bedrock", "agent-alias/*")]),
            (
                ("ecs:DescribeServices",),
                [names.arn("ecs", f"service/{names.cluster}/*")],
            ),
            (("kms:Decrypt", "kms:GenerateDataKey"), [key.key_arn]),
            (
                (
                    "aoss:BatchGetCollection",
                    "bedrock:ListAgentAliases",
                    "bedrock:ListAgents",
                    "cloudwatch:DescribeAlarms",
                ),
                ["*"],
            ),
        )
    ]


def _screens_secret(part: Part) -> str:
    """Secrets Manager ends every ARN with six characters of its own."""
    return part.names.arn("secretsmanager", f"secret:{part.names.of('screens')}-*")


def _accepted(part: Part) -> dict[str, str]:
    names = part.names
    toolkit = names.arn("cloudformation", "stack/CDKToolkit/*")
    return {
        "Resource::*": "Lists and limits of an account know no resource",
        f"Resource::{_own_stacks(part)}": "The stacks of this environment: their names begin so",
        f"Resource::{toolkit}": "CloudFormation ends a stack's ARN with an id of its own",
        f"Resource::{_kept(part)}": "Assemblies in the bootstrap's bucket are named by their content",
        f"Resource::{_screens_secret(part)}": "Secrets Manager ends an ARN with characters of its own",
        f"Resource::{names.arn('bedrock', 'agent-alias/*')}": "Bedrock gives aliases their ids",
        f"Resource::{names.arn('ecs', f'service/{names.cluster}/*')}": "The services of our cluster",
    }
