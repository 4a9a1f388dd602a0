"""Where a replica's log lies: on EFS, which outlives the task, its machine and its zone.

A replica that has lost its votes may vote twice, which is what a liar does: a lost log is a
Byzantine replica. So each has a folder of its own that no other task can mount, under a user id of
its own, and the file system is copied to every zone of the region. One more folder is everybody's: there
the founding gathers public keys and leaves the genesis.
"""

from dataclasses import dataclass

import aws_cdk as cdk
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_ecs as ecs
from aws_cdk import aws_efs as efs
from aws_cdk import aws_iam as iam

from infra.stacks.networking import Networking
from infra.stacks.part import Part
from infra.stacks.security import Security

__all__ = ["OWN_FOLDER", "RUN_FOLDER", "ReplicaFiles", "build_files"]

RUN_FOLDER = "/var/lib/incident-commander/run"
"""The folder that all share: genesis, public keys, settings. Nothing in it is secret."""
OWN_FOLDER = "/var/lib/incident-commander/own"
"""What one part alone can mount: its keys, its votes, its ledger."""
FIRST_USER = 10_001
GROUP = 10_000


@dataclass(frozen=True)
class ReplicaFiles:
    """The file system, and each part's two doors to it."""

    system: efs.FileSystem
    shared: dict[str, efs.AccessPoint]
    """The folder of all, entered under the part's own user id, so that nobody can change another's file."""
    private: dict[str, efs.AccessPoint]
    """The folder that one part alone can mount."""

    def mount(
        self, task: ecs.FargateTaskDefinition, container: ecs.ContainerDefinition, part: str
    ) -> None:
        """Give a task of ``part`` the shared folder and its own."""
        for name, point, path in (
            ("shared", self.shared[part], RUN_FOLDER),
            ("own", self.private[part], OWN_FOLDER),
        ):
            task.add_volume(
                name=name,
                efs_volume_configuration=ecs.EfsVolumeConfiguration(
                    file_system_id=self.system.file_system_id,
                    transit_encryption="ENABLED",
                    authorization_config=ecs.AuthorizationConfig(
                        access_point_id=point.access_point_id, iam="ENABLED"
                    ),
                ),
            )
            container.add_mount_points(
                ecs.MountPoint(container_path=path, source_volume=name, read_only=False)
            )


def build_files(
    part: Part, stack: cdk.Stack, security: Security, networking: Networking, parts: list[str]
) -> ReplicaFiles:
    """The file system with a folder for each of ``parts`` and one for all.

    The first of ``parts`` owns what all share: it alone may add to the folder itself, the others to the
    folder of keys that it makes there.
    """
    system = efs.FileSystem(
        stack,
        "Files",
        vpc=networking.vpc,
        file_system_name=part.names.of("files"),
        encrypted=True,
        kms_key=security.key,
        enable_automatic_backups=True,
        throughput_mode=efs.ThroughputMode.ELASTIC,
        security_group=networking.files,
        vpc_subnets=ec2.SubnetSelection(subnet_type=ec2.SubnetType.PRIVATE_WITH_EGRESS),
        removal_policy=part.removal,
        file_system_policy=_only_through_an_access_point(part),
    )
    users = {name: FIRST_USER + number for number, name in enumerate(parts)}
    owner = users[parts[0]]
    private = {
        name: _folder(
            stack,
            system,
            f"Own-{name}",
            f"/own/{name}",
            efs.Acl(owner_uid=str(user), owner_gid=str(GROUP), permissions="700"),
            user,
        )
        for name, user in users.items()
    }
    shared = {
        name: _folder(
            stack,
            system,
            f"Shared-{name}",
            "/run",
            efs.Acl(owner_uid=str(owner), owner_gid=str(GROUP), permissions="755"),
            user,
        )
        for name, user in users.items()
    }
    return ReplicaFiles(system, shared, private)


def _folder(
    stack: cdk.Stack, system: efs.FileSystem, name: str, path: str, acl: efs.Acl, user: int
) -> efs.AccessPoint:
    """A door to the folder ``path`` under one user id; who first comes through finds it made so."""
    return efs.AccessPoint(
        stack,
        name,
        file_system=system,
        path=path,
        create_acl=acl,
        posix_user=efs.PosixUser(uid=str(user), gid=str(GROUP)),
    )


def _only_through_an_access_point(part: Part) -> iam.PolicyDocument:
    """Tasks mount through an access point and over TLS, or not at all."""
    roles = [
        iam.ArnPrincipal(f"arn:aws:iam::{part.environment.account}:role/{part.names.service(name)}")
        for name in ("engine", "actuator", "agent", "bus")
    ]
    return iam.PolicyDocument(
        statements=[
            iam.PolicyStatement(
                principals=list(roles),
                actions=["elasticfilesystem:ClientMount", "elasticfilesystem:ClientWrite"],
                conditions={
                    "Bool": {"aws:SecureTransport": "true"},
                    "Null": {"elasticfilesystem:AccessPointArn": "false"},
                },
            )
        ]
    )
