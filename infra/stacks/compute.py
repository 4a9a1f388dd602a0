"""Compute: engine, actuator, agents and the bus between them, on ECS Fargate.

Every agent is a service of its own, pinned to the zone that ``infra.placement`` gave it, and replaced
only after it has ended (0 % to 100 %): two processes with one key would vote twice. The bus is three
NATS servers that know each other by name.

All services are made at once and none waits for another to be steady: each process waits for what others
have to show it (public keys, then the genesis), and says so in its log.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import aws_cdk as cdk
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_ecr_assets as assets
from aws_cdk import aws_ecs as ecs
from aws_cdk import aws_iam as iam
from aws_cdk import aws_logs as logs
from aws_cdk import aws_servicediscovery as discovery

from infra.stacks.networking import BUS_CLIENT_PORT, BUS_ROUTE_PORT, DOOR_PORT, Networking
from infra.stacks.part import Part, explain
from infra.stacks.replica_files import OWN_FOLDER, RUN_FOLDER, ReplicaFiles, build_files
from infra.stacks.security import Security
from infra.stacks.streams import retention

__all__ = ["BUS_SERVERS", "Compute", "build_compute"]

BUS_SERVERS = ("bus-1", "bus-2", "bus-3")
"""Three, so that one may be lost or replaced and the other two go on."""
BUS = "bus"
"""The part of the three of them: they share a folder, and the password in it."""
EVERYWHERE = "0.0.0.0"  # noqa: S104 - a task has a net of its own, which lets in whom a group names
WATCHED = "/app/assets/watched"
"""Where the image has what each environment's swarm watches."""
LOCAL_IMAGE = "incident-commander:local"
"""What the emulator's launcher knows as this repository's own program."""


@dataclass(frozen=True)
class Compute:
    """What other stacks need of it."""

    stack: cdk.Stack


@dataclass(frozen=True)
class _Ground:
    """What all services of the stack stand on."""

    part: Part
    stack: cdk.Stack
    networking: Networking
    cluster: ecs.Cluster
    log: logs.LogGroup
    domain: discovery.PrivateDnsNamespace
    files: ReplicaFiles
    image: ecs.ContainerImage


def build_compute(
    part: Part, security: Security, networking: Networking, *after: cdk.Stack
) -> Compute:
    """The cluster and its services; it comes ``after`` the stacks whose things they use."""
    stack = part.stack("Compute", "the swarm", security.stack, networking.stack, *after)
    _swarm(_ground(part, stack, security, networking))
    cdk.CfnOutput(stack, "Cluster", value=part.names.cluster)
    return Compute(stack)


def _ground(part: Part, stack: cdk.Stack, security: Security, networking: Networking) -> _Ground:
    cluster = ecs.Cluster(
        stack,
        "Swarm",
        cluster_name=part.names.cluster,
        vpc=networking.vpc,
        container_insights_v2=ecs.ContainerInsights.ENABLED,
    )
    log = logs.LogGroup(
        stack,
        "SwarmLog",
        log_group_name=part.names.log_group("swarm"),
        encryption_key=security.key,
        retention=retention(part.environment.sizes.log_days),
        removal_policy=part.removal,
    )
    domain = discovery.PrivateDnsNamespace(
        stack,
        "Domain",
        name=part.names.internal_domain,
        vpc=networking.vpc,
        description="How the servers of the bus find each other, and everybody bus and actuator",
    )
    parts = ["engine", "actuator", *part.environment.placement.zone_of, BUS]
    files = build_files(part, stack, security, networking, parts)
    return _Ground(part, stack, networking, cluster, log, domain, files, _image(part, stack))


def _image(part: Part, stack: cdk.Stack) -> ecs.ContainerImage:
    """One program for all; the emulator's launcher has it already."""
    if part.environment.emulated:
        return ecs.ContainerImage.from_registry(LOCAL_IMAGE)
    return ecs.ContainerImage.from_docker_image_asset(
        assets.DockerImageAsset(
            stack, "Image", directory=str(part.image), platform=assets.Platform.LINUX_AMD64
        )
    )


def _swarm(ground: _Ground) -> None:
    """The bus, and whoever speaks over it."""
    environment = ground.part.environment
    zones = environment.zones
    for number, name in enumerate(BUS_SERVERS):
        service = _service(ground, name, BUS, _bus_words(ground, name), zones[number % len(zones)])
        _name(ground, service, name)
    config = f"{WATCHED}/{environment.name}/swarm.toml"
    door = f"{_host(ground, 'actuator')}:{DOOR_PORT}"
    _service(ground, "engine", "engine", ["--config", config, "--actuator", door], zones[0])
    actuator = _service(
        ground, "actuator", "actuator", ["--door", f"{EVERYWHERE}:{DOOR_PORT}"], zones[1]
    )
    _name(ground, actuator, "actuator")
    for agent, zone in environment.placement.zone_of.items():
        _service(ground, agent, "agent", ["--id", agent], zone)


def _bus_words(ground: _Ground, name: str) -> list[str]:
    """Where a server of the bus listens, and where it finds the others."""
    return [
        *("--name", name, "--cluster", ground.part.names.cluster),
        *("--listen", f"{EVERYWHERE}:{BUS_CLIENT_PORT}"),
        *("--routes", f"{EVERYWHERE}:{BUS_ROUTE_PORT}"),
        *(
            word
            for server in BUS_SERVERS
            if server != name
            for word in ("--peer", f"{_host(ground, server)}:{BUS_ROUTE_PORT}")
        ),
    ]


def _host(ground: _Ground, name: str) -> str:
    return f"{name}.{ground.part.names.internal_domain}"


def _name(ground: _Ground, service: ecs.FargateService, name: str) -> None:
    """Let the service's task be found by its name."""
    service.enable_cloud_map(
        cloud_map_namespace=ground.domain,
        name=name,
        dns_record_type=discovery.DnsRecordType.A,
        dns_ttl=cdk.Duration.seconds(10),
    )


def _service(
    ground: _Ground, name: str, role: str, words: list[str], zone: str
) -> ecs.FargateService:
    """One process of ours: its task, and the service that replaces it when it ends."""
    sizes = ground.part.environment.sizes
    cpu, memory_mib = {
        "engine": (sizes.engine_cpu, sizes.engine_memory_mib),
        BUS: (256, 512),
    }.get(role, (sizes.agent_cpu, sizes.agent_memory_mib))
    task = _task(ground, name, role, cpu, memory_mib)
    container = task.add_container(
        name,
        image=ground.image,
        container_name=name,
        command=[role, "--run-dir", RUN_FOLDER, "--private-dir", OWN_FOLDER, *words],
        environment=_settings(ground),
        readonly_root_filesystem=True,
        stop_timeout=cdk.Duration.seconds(30),
        logging=_logging(ground, name),
    )
    _scratch(task, container)
    ground.files.mount(task, container, BUS if role == BUS else name)
    group = ground.networking.bus if role == BUS else ground.networking.swarm
    return _kept(ground, name, task, zone, group)


def _task(
    ground: _Ground, name: str, role: str, cpu: int, memory_mib: int
) -> ecs.FargateTaskDefinition:
    names = ground.part.names
    task = ecs.FargateTaskDefinition(
        ground.stack,
        f"Task-{name}",
        family=names.service(name),
        cpu=cpu,
        memory_limit_mib=memory_mib,
        runtime_platform=ecs.RuntimePlatform(
            cpu_architecture=ecs.CpuArchitecture.X86_64,
            operating_system_family=ecs.OperatingSystemFamily.LINUX,
        ),
        task_role=_role(ground, name, role),
        execution_role=_role(ground, name, "execution"),
    )
    explain(
        task,
        "AwsSolutions-ECS2",
        "Names alone: what is secret is made by each process in its own folder",
    )
    return task


def _role(ground: _Ground, name: str, role: str) -> iam.IRole:
    """A role of the Security stack, by its name and therefore without an export."""
    arn = f"arn:aws:iam::{ground.part.environment.account}:role/{ground.part.names.service(role)}"
    return iam.Role.from_role_arn(ground.stack, f"Role-{name}-{role}", arn, mutable=False)


def _scratch(task: ecs.FargateTaskDefinition, container: ecs.ContainerDefinition) -> None:
    """The one place beside EFS that can be written; it ends with the task."""
    task.add_volume(name="scratch")
    container.add_mount_points(
        ecs.MountPoint(container_path="/tmp", source_volume="scratch", read_only=False)  # noqa: S108
    )


def _settings(ground: _Ground) -> Mapping[str, str]:
    """What a process finds in its environment, and never a secret."""
    servers = [f"nats://{_host(ground, server)}:{BUS_CLIENT_PORT}" for server in BUS_SERVERS]
    return {
        "IC_BUS": ",".join(servers),
        "AWS_DEFAULT_REGION": ground.part.environment.region,
        # Nobody reads it in the task: it says from outside which build a task is of.
        "IC_BUILD": ground.part.build,
        # The one place that it may write and find again: the genesis that it trusts is pinned there.
        "HOME": OWN_FOLDER,
    }


def _logging(ground: _Ground, name: str) -> ecs.LogDriver:
    return ecs.LogDriver.aws_logs(log_group=ground.log, stream_prefix=name)


def _kept(
    ground: _Ground,
    name: str,
    task: ecs.FargateTaskDefinition,
    zone: str,
    group: ec2.SecurityGroup,
) -> ecs.FargateService:
    """The service that keeps one task running, and never two."""
    return ecs.FargateService(
        ground.stack,
        f"Service-{name}",
        service_name=ground.part.names.service(name),
        cluster=ground.cluster,
        task_definition=task,
        desired_count=1,
        min_healthy_percent=0,
        max_healthy_percent=100,
        availability_zone_rebalancing=ecs.AvailabilityZoneRebalancing.DISABLED,
        circuit_breaker=ecs.DeploymentCircuitBreaker(enable=True, rollback=True),
        enable_execute_command=False,
        assign_public_ip=False,
        propagate_tags=ecs.PropagatedTagSource.SERVICE,
        security_groups=[group],
        vpc_subnets=ground.networking.private_subnet(zone),
        platform_version=ecs.FargatePlatformVersion.VERSION1_4,
    )
