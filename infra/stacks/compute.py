"""Compute: engine, actuator, agents and the bus between them, on ECS Fargate.

Every agent is a service of its own, pinned to the zone that ``infra.placement`` gave it, and replaced
only after it has ended (0 % to 100 %): two processes with one key would vote twice. The bus is three
NATS servers that know each other by name.

Where an environment is emulated there is one task instead: ``main.py up``, which brings engine,
agents, actuator, bus and a demo fleet along, because processes of one machine need no zones.

The services of their own are the shape that a swarm over several machines has. An engine that takes its
bus and its actuator from elsewhere is what they wait for: today's starts both itself.
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

from infra.stacks.networking import BUS_CLIENT_PORT, BUS_ROUTE_PORT, Networking
from infra.stacks.part import Part, explain
from infra.stacks.replica_files import RUN_FOLDER, ReplicaFiles, build_files
from infra.stacks.security import Security
from infra.stacks.streams import retention

__all__ = ["BUS_SERVERS", "Compute", "build_compute"]

BUS_SERVERS = ("bus-1", "bus-2", "bus-3")
"""Three, so that one may be lost or replaced and the other two go on."""
BUS_IMAGE = "public.ecr.aws/docker/library/nats:2.12-alpine"
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
    files: ReplicaFiles | None
    image: ecs.ContainerImage


def build_compute(
    part: Part, security: Security, networking: Networking, *after: cdk.Stack
) -> Compute:
    """The cluster and its services; it comes ``after`` the stacks whose things they use."""
    stack = part.stack("Compute", "the swarm", security.stack, networking.stack, *after)
    ground = _ground(part, stack, security, networking)
    if part.environment.emulated:
        _service(ground, "engine", "engine", ["up", "--plain"], part.environment.zones[0])
    else:
        _swarm(ground)
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
    if part.environment.emulated:
        image = ecs.ContainerImage.from_registry(LOCAL_IMAGE)
        return _Ground(part, stack, networking, cluster, log, None, image)
    image = ecs.ContainerImage.from_docker_image_asset(
        assets.DockerImageAsset(
            stack, "Image", directory=str(part.image), platform=assets.Platform.LINUX_AMD64
        )
    )
    parts = ["engine", "actuator", *part.environment.placement.zone_of]
    files = build_files(part, stack, security, networking, parts)
    return _Ground(part, stack, networking, cluster, log, files, image)


def _swarm(ground: _Ground) -> None:
    """The bus, then whoever speaks over it."""
    environment = ground.part.environment
    domain = discovery.PrivateDnsNamespace(
        ground.stack,
        "Domain",
        name=ground.part.names.internal_domain,
        vpc=ground.networking.vpc,
        description="How the servers of the bus find each other, and everybody the bus",
    )
    zones = environment.zones
    servers = [
        _bus_server(ground, domain, name, zones[number % len(zones)])
        for number, name in enumerate(BUS_SERVERS)
    ]
    at = ["--run-dir", RUN_FOLDER]
    agents = list(environment.placement.zone_of)
    elsewhere = [word for agent in agents for word in ("--elsewhere", agent)]
    others = [
        _service(
            ground,
            "engine",
            "engine",
            ["engine", *at, "--agents", str(len(agents)), *elsewhere],
            zones[0],
        ),
        _service(ground, "actuator", "actuator", ["actuator", *at], zones[1]),
        *(
            _service(ground, agent, "agent", ["agent", *at, "--id", agent], zone)
            for agent, zone in environment.placement.zone_of.items()
        ),
    ]
    for service in others:
        for server in servers:
            service.node.add_dependency(server)


def _service(
    ground: _Ground, name: str, role: str, command: list[str], zone: str
) -> ecs.FargateService:
    """One process of ours: its task, and the service that replaces it when it ends."""
    sizes = ground.part.environment.sizes
    large = name == "engine"
    task = _task(
        ground,
        name,
        role,
        sizes.engine_cpu if large else sizes.agent_cpu,
        sizes.engine_memory_mib if large else sizes.agent_memory_mib,
    )
    container = task.add_container(
        name,
        image=ground.image,
        container_name=name,
        command=command,
        environment=_settings(ground.part),
        readonly_root_filesystem=True,
        stop_timeout=cdk.Duration.seconds(30),
        logging=_logging(ground, name),
    )
    _scratch(task, container)
    if ground.files is not None:
        ground.files.mount(task, container, name)
    return _kept(ground, name, task, zone, ground.networking.swarm)


def _bus_server(
    ground: _Ground, domain: discovery.PrivateDnsNamespace, name: str, zone: str
) -> ecs.FargateService:
    """One server of the bus; who may say what on it stands in the run's shared folder."""
    assert ground.files is not None, "a bus of its own belongs to a swarm with files"
    routes = ",".join(
        f"nats://{server}.{domain.namespace_name}:{BUS_ROUTE_PORT}" for server in BUS_SERVERS
    )
    task = _task(ground, name, "bus", 256, 512)
    container = task.add_container(
        name,
        image=ecs.ContainerImage.from_registry(BUS_IMAGE),
        container_name=name,
        command=[
            *("--config", f"{RUN_FOLDER}/bus/nats.conf"),
            *("--addr", "0.0.0.0", "--port", str(BUS_CLIENT_PORT)),  # noqa: S104 - its own net
            *("--server_name", name, "--cluster_name", ground.part.names.cluster),
            *("--cluster", f"nats://0.0.0.0:{BUS_ROUTE_PORT}", "--routes", routes),
        ],
        readonly_root_filesystem=True,
        logging=_logging(ground, name),
        port_mappings=[
            ecs.PortMapping(container_port=port) for port in (BUS_CLIENT_PORT, BUS_ROUTE_PORT)
        ],
    )
    _scratch(task, container)
    ground.files.mount(task, container, name)
    service = _kept(ground, name, task, zone, ground.networking.bus)
    service.enable_cloud_map(
        cloud_map_namespace=domain,
        name=name,
        dns_record_type=discovery.DnsRecordType.A,
        dns_ttl=cdk.Duration.seconds(10),
    )
    return service


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
        task, "AwsSolutions-ECS2", "Settings and names; what is secret lies in the run's own folder"
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


def _settings(part: Part) -> Mapping[str, str]:
    """What a process finds in its environment: names, and never a secret."""
    names = part.names
    return {
        "IC_ENVIRONMENT": part.environment.name,
        "IC_BUILD": part.build,
        "IC_LEDGER_TABLE": names.ledger_table,
        "IC_STATE_TABLE": names.state_table,
        "IC_EVENT_STREAM": names.event_stream,
        "IC_EVENT_BUS": names.event_bus,
        "IC_ALARM_QUEUE": names.alarm_queue("{process}"),
        "IC_PEOPLE_TOPIC": names.arn("sns", names.people_topic),
        "IC_ARCHIVE_BUCKET": names.archive_bucket,
        "IC_BUS": ",".join(
            f"nats://{server}.{names.internal_domain}:{BUS_CLIENT_PORT}" for server in BUS_SERVERS
        ),
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
