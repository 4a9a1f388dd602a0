"""Networking: a private net for the swarm, over exactly the zones that the environment names."""

from dataclasses import dataclass

import aws_cdk as cdk
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from aws_cdk import aws_logs as logs

from infra.stacks.part import Part, explain
from infra.stacks.security import Security
from infra.stacks.streams import retention

__all__ = [
    "BUS_CLIENT_PORT",
    "BUS_ROUTE_PORT",
    "DOOR_PORT",
    "FILES_PORT",
    "Networking",
    "build_networking",
]

BUS_CLIENT_PORT = 4222
BUS_ROUTE_PORT = 6222
DOOR_PORT = 4230
"""Where the actuator is told to freeze (``engine.act.far_door``)."""
FILES_PORT = 2049
"""NFS, which is how EFS is mounted."""


@dataclass(frozen=True)
class Networking:
    """What other stacks need of it."""

    stack: cdk.Stack
    vpc: ec2.Vpc
    swarm: ec2.SecurityGroup
    bus: ec2.SecurityGroup
    files: ec2.SecurityGroup

    def private_subnet(self, zone: str) -> ec2.SubnetSelection:
        """The private subnet of one zone."""
        return ec2.SubnetSelection(
            subnet_type=ec2.SubnetType.PRIVATE_WITH_EGRESS, availability_zones=[zone]
        )


def build_networking(part: Part, security: Security) -> Networking:
    """The net, and who may speak with whom in it."""
    stack = part.stack("Networking", "the swarm's private net", security.stack)
    vpc = ec2.Vpc(
        stack,
        "Net",
        vpc_name=part.names.of("net"),
        ip_addresses=ec2.IpAddresses.cidr("10.42.0.0/16"),
        availability_zones=list(part.environment.zones),
        nat_gateways=part.environment.sizes.nat_gateways,
        subnet_configuration=[
            ec2.SubnetConfiguration(
                name="public",
                subnet_type=ec2.SubnetType.PUBLIC,
                cidr_mask=24,
                map_public_ip_on_launch=False,
            ),
            ec2.SubnetConfiguration(
                name="swarm", subnet_type=ec2.SubnetType.PRIVATE_WITH_EGRESS, cidr_mask=22
            ),
        ],
        # The ledger and the archive are reached without leaving the net, and without a bill for it.
        gateway_endpoints={
            "S3": ec2.GatewayVpcEndpointOptions(service=ec2.GatewayVpcEndpointAwsService.S3),
            "DynamoDb": ec2.GatewayVpcEndpointOptions(
                service=ec2.GatewayVpcEndpointAwsService.DYNAMODB
            ),
        },
    )
    _flow_log(part, stack, vpc, security)
    swarm = _group(part, stack, vpc, "Swarm", "engine, actuator and agents")
    bus = _group(part, stack, vpc, "Bus", "the NATS cluster")
    files = _group(part, stack, vpc, "Files", "logs of the replicas")
    _allow(swarm, bus, BUS_CLIENT_PORT, "everyone speaks over the bus")
    _allow(swarm, swarm, DOOR_PORT, "a freeze reaches the actuator without the bus")
    _allow(bus, bus, BUS_ROUTE_PORT, "the bus is one cluster")
    _allow(swarm, files, FILES_PORT, "each replica mounts its log")
    _allow(bus, files, FILES_PORT, "the bus reads who may speak")
    for group in (swarm, bus):
        group.add_egress_rule(ec2.Peer.any_ipv4(), ec2.Port.tcp(443), "AWS, over TLS")
    return Networking(stack, vpc, swarm, bus, files)


def _group(part: Part, stack: cdk.Stack, vpc: ec2.Vpc, name: str, what: str) -> ec2.SecurityGroup:
    return ec2.SecurityGroup(
        stack,
        name,
        vpc=vpc,
        security_group_name=part.names.of(name.lower()),
        description=f"Incident Commander {part.environment.name}: {what}",
        allow_all_outbound=False,
    )


def _allow(caller: ec2.SecurityGroup, called: ec2.SecurityGroup, port: int, why: str) -> None:
    called.add_ingress_rule(caller, ec2.Port.tcp(port), why)
    caller.add_egress_rule(called, ec2.Port.tcp(port), why)


def _flow_log(part: Part, stack: cdk.Stack, vpc: ec2.Vpc, security: Security) -> None:
    """Who spoke with whom, written where it can be searched after an incident."""
    group = logs.LogGroup(
        stack,
        "FlowLog",
        log_group_name=part.names.log_group("flows"),
        encryption_key=security.key,
        retention=retention(part.environment.sizes.log_days),
        removal_policy=part.removal,
    )
    streams = part.names.arn("logs", f"log-group:{part.names.log_group('flows')}:*")
    role = iam.Role(
        stack,
        "FlowLogRole",
        assumed_by=iam.ServicePrincipal("vpc-flow-logs.amazonaws.com"),
        inline_policies={
            "write": iam.PolicyDocument(
                statements=[
                    iam.PolicyStatement(
                        actions=[
                            "logs:CreateLogStream",
                            "logs:PutLogEvents",
                            "logs:DescribeLogStreams",
                        ],
                        resources=[streams],
                    )
                ]
            )
        },
    )
    explain(
        role,
        f"AwsSolutions-IAM5[Resource::{streams}]",
        "The streams of its own log group: the flow log chooses their names",
    )
    flow = ec2.CfnFlowLog(
        stack,
        "Flows",
        resource_id=vpc.vpc_id,
        resource_type="VPC",
        traffic_type="ALL",
        log_destination_type="cloud-watch-logs",
        log_group_name=group.log_group_name,
        deliver_logs_permission_arn=role.role_arn,
    )
    flow.node.add_dependency(group)
