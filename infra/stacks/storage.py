"""Storage: the ledger's mirror, what is true for a while, and the archive."""

from dataclasses import dataclass

import aws_cdk as cdk
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_s3 as s3

from infra.stacks.part import Part, explain
from infra.stacks.security import Security

__all__ = ["Storage", "build_storage"]

LEDGER_HASH_KEY = "pk"
"""The cluster: every founding begins a chain of its own (``engine.ledger.mirroring``)."""
LEDGER_SORT_KEY = "sk"
"""The head, or an entry's number; an entry is put where nothing is, or not at all."""
STATE_HASH_KEY = "key"
STATE_EXPIRY = "expires_at"


@dataclass(frozen=True)
class Storage:
    """What other stacks need of it."""

    stack: cdk.Stack
    ledger: dynamodb.Table
    state: dynamodb.Table
    archive: s3.Bucket


def build_storage(part: Part, security: Security) -> Storage:
    """Two tables and a bucket."""
    stack = part.stack("Storage", "ledger, state and archive", security.stack)
    ledger = dynamodb.Table(
        stack,
        "Ledger",
        table_name=part.names.ledger_table,
        partition_key=_key(LEDGER_HASH_KEY, dynamodb.AttributeType.STRING),
        sort_key=_key(LEDGER_SORT_KEY, dynamodb.AttributeType.STRING),
        billing_mode=dynamodb.BillingMode.PAY_PER_REQUEST,
        encryption=dynamodb.TableEncryption.CUSTOMER_MANAGED,
        encryption_key=security.key,
        point_in_time_recovery_specification=dynamodb.PointInTimeRecoverySpecification(
            point_in_time_recovery_enabled=True
        ),
        stream=dynamodb.StreamViewType.NEW_IMAGE,
        deletion_protection=part.environment.protected,
        removal_policy=part.removal,
    )
    state = dynamodb.Table(
        stack,
        "State",
        table_name=part.names.state_table,
        partition_key=_key(STATE_HASH_KEY, dynamodb.AttributeType.STRING),
        billing_mode=dynamodb.BillingMode.PAY_PER_REQUEST,
        encryption=dynamodb.TableEncryption.CUSTOMER_MANAGED,
        encryption_key=security.key,
        point_in_time_recovery_specification=dynamodb.PointInTimeRecoverySpecification(
            point_in_time_recovery_enabled=True
        ),
        time_to_live_attribute=STATE_EXPIRY,
        deletion_protection=part.environment.protected,
        # Nothing in it is true for longer than a day.
        removal_policy=cdk.RemovalPolicy.DESTROY,
    )
    archive = _archive(part, stack, security)
    cdk.CfnOutput(stack, "LedgerTable", value=ledger.table_name)
    cdk.CfnOutput(stack, "StateTable", value=state.table_name)
    cdk.CfnOutput(stack, "ArchiveBucket", value=archive.bucket_name)
    return Storage(stack, ledger, state, archive)


def _key(name: str, kind: dynamodb.AttributeType) -> dynamodb.Attribute:
    return dynamodb.Attribute(name=name, type=kind)


def _archive(part: Part, stack: cdk.Stack, security: Security) -> s3.Bucket:
    """Exports of ledgers and reports: versioned, encrypted, over TLS, and its readers are logged."""
    access = s3.Bucket(
        stack,
        "AccessLog",
        bucket_name=part.names.access_log_bucket,
        # Amazon's own key: the log delivery of S3 writes with no other.
        encryption=s3.BucketEncryption.S3_MANAGED,
        block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
        object_ownership=s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
        enforce_ssl=True,
        lifecycle_rules=[s3.LifecycleRule(expiration=cdk.Duration.days(90))],
        removal_policy=part.removal,
    )
    explain(access, "AwsSolutions-S1", "It is the access log itself; logging it would not end")
    return s3.Bucket(
        stack,
        "Archive",
        bucket_name=part.names.archive_bucket,
        encryption=s3.BucketEncryption.KMS,
        encryption_key=security.key,
        bucket_key_enabled=True,
        block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
        object_ownership=s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
        enforce_ssl=True,
        versioned=True,
        server_access_logs_bucket=access,
        server_access_logs_prefix="archive/",
        lifecycle_rules=[
            s3.LifecycleRule(
                abort_incomplete_multipart_upload_after=cdk.Duration.days(1),
                noncurrent_version_expiration=cdk.Duration.days(90),
                transitions=[
                    s3.Transition(
                        storage_class=s3.StorageClass.INTELLIGENT_TIERING,
                        transition_after=cdk.Duration.days(30),
                    )
                ],
            )
        ],
        removal_policy=part.removal,
    )
