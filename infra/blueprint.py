"""The whole application of one environment, stack by stack in the order they stand on each other."""

from pathlib import Path

import aws_cdk as cdk
import cdk_nag

from infra.environments import Environment
from infra.stacks.api import build_api
from infra.stacks.bedrock import build_bedrock
from infra.stacks.compute import build_compute
from infra.stacks.documents import build_documents
from infra.stacks.monitoring import build_monitoring
from infra.stacks.networking import build_networking
from infra.stacks.part import Part
from infra.stacks.security import build_security
from infra.stacks.storage import build_storage
from infra.stacks.streams import build_streams
from infra.stacks.watched import build_watched
from infra.staging import stage_functions, stage_image

__all__ = ["blueprint"]

NEW_WAYS = (
    "@aws-cdk/aws-ecs:arnFormatIncludesClusterName",
    "@aws-cdk/aws-iam:minimizePolicies",
    "@aws-cdk/aws-iam:standardizedServicePrincipals",
    "@aws-cdk/aws-kms:reduceCrossAccountRegionPolicyScope",
    "@aws-cdk/aws-lambda:recognizeLayerVersion",
    "@aws-cdk/aws-s3:serverAccessLogsUseBucketPolicy",
    "@aws-cdk/core:enablePartitionLiterals",
    "@aws-cdk/core:stackRelativeExports",
    "@aws-cdk/core:validateAgainstDefaultRules",
)
"""What the CDK does better since we begin anew, and does not do unasked."""


def blueprint(
    environment: Environment, build: str, out: Path, scratch: Path, *, unhealthy: bool = False
) -> cdk.App:
    """The application, not yet synthesised.

    Args:
        environment: whose application.
        build: what health will report.
        out: where the assembly will lie.
        scratch: an empty folder that may go once this returns; the code is staged in it.
        unhealthy: a rehearsal, for the emulator alone: health will say that it is not well.
    """
    app = cdk.App(
        outdir=str(out),
        # A version report changes with the library and not with what is deployed: noise in a plan.
        analytics_reporting=False,
        context={
            **dict.fromkeys(NEW_WAYS, True),
            # The few exports there are (key, net) never change; who uses one protects it.
            "@aws-cdk/core:defaultCrossStackReferences": "strong",
            # Else the command line would ask the account, at each deployment, which zones there
            # are, and write the answer into the tree: an environment names its zones itself.
            f"availability-zones:account={environment.account}:region={environment.region}": list(
                environment.zones
            ),
        },
    )
    part = Part(app, environment, build, stage_functions(scratch), stage_image(scratch), unhealthy)
    security = build_security(part)
    storage = build_storage(part, security)
    streams = build_streams(part, security)
    networking = build_networking(part, security)
    monitoring = build_monitoring(part, streams)
    build_bedrock(part, security, storage)
    build_compute(part, security, networking, storage.stack, streams.stack, monitoring.stack)
    if environment.emulated:
        build_watched(part, security, networking, streams)
    build_documents(part, monitoring)
    build_api(part, security, storage, streams, monitoring)
    # What a rule objects to fails the synthesis, so no assembly with an open finding can exist.
    cdk.Validations.of(app).add_plugins(
        cdk_nag.AwsSolutionsChecks(app, write_suppressions_to_cloud_formation=True)
    )
    return app
