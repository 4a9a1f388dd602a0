"""What a template costs while nothing happens, in US dollars a month (pure).

List prices of us-east-1, on demand, Linux on x86, as the price pages of AWS had them; 730 hours a
month. They are for seeing a NAT gateway too many before it is there, not for a bill: traffic,
requests and storage are left out and named.
"""

import math
from typing import Any

__all__ = ["PRICED", "standing_usd"]

HOURS = 730
VCPU_HOUR_USD = 0.04048
GIB_HOUR_USD = 0.004445
"""Fargate."""
SHARD_HOUR_USD = 0.015
"""Kinesis, provisioned."""
PRICED = {
    "AWS::EC2::NatGateway": 0.045 * HOURS,
    "AWS::EC2::VPCEndpoint": 0.01 * HOURS,
    "AWS::ElasticLoadBalancingV2::LoadBalancer": 0.0225 * HOURS,
    "AWS::EC2::EIP": 0.005 * HOURS,
    "AWS::KMS::Key": 1.0,
    "AWS::CloudWatch::Alarm": 0.10,
    "AWS::CloudWatch::CompositeAlarm": 0.50,
    "AWS::CloudWatch::Dashboard": 3.0,
    "AWS::SecretsManager::Secret": 0.40,
    "AWS::Route53::HostedZone": 0.50,
    "AWS::ServiceDiscovery::PrivateDnsNamespace": 0.50,
    # Two compute units of OpenSearch are the least that a collection with a standby has.
    "AWS::OpenSearchServerless::Collection": 2 * 0.24 * HOURS,
}
"""Dollars a month of one, whatever it does."""
_FREE = (
    "AWS::IAM::",
    "AWS::CloudFormation::",
    "AWS::CDK::",
    "AWS::EC2::",
    "AWS::Events::Rule",
    "AWS::Lambda::Permission",
    "AWS::Budgets::",
    "AWS::ECS::Cluster",
    "AWS::ECS::TaskDefinition",
    "AWS::KMS::Alias",
    "AWS::Logs::MetricFilter",
    "AWS::SNS::Subscription",
    "AWS::SNS::TopicPolicy",
    "AWS::SQS::QueuePolicy",
    "AWS::S3::BucketPolicy",
    "AWS::SSM::",
    "AWS::EFS::MountTarget",
    "AWS::EFS::AccessPoint",
    "AWS::ServiceDiscovery::Service",
    "AWS::OpenSearchServerless::SecurityPolicy",
    "AWS::OpenSearchServerless::AccessPolicy",
)


def standing_usd(template: dict[str, Any]) -> tuple[float, set[str]]:
    """Dollars a month, and the kinds of resources that cost by use or that have no price here."""
    resources: dict[str, dict[str, Any]] = template.get("Resources", {})
    total, by_use = 0.0, set()
    for resource in resources.values():
        kind = str(resource.get("Type", ""))
        properties = resource.get("Properties") or {}
        if kind in PRICED:
            places = 1
            if kind == "AWS::EC2::VPCEndpoint":
                if properties.get("VpcEndpointType") != "Interface":
                    continue
                places = len(properties.get("SubnetIds") or ["one"])
            total += PRICED[kind] * places
        elif kind == "AWS::ECS::Service":
            total += _fargate(properties, resources)
        elif kind == "AWS::Kinesis::Stream" and "ShardCount" in properties:
            total += _number(properties["ShardCount"], 1) * SHARD_HOUR_USD * HOURS
        elif not kind.startswith(_FREE):
            by_use.add(kind)
    return total, by_use


def _fargate(service: dict[str, Any], resources: dict[str, dict[str, Any]]) -> float:
    reference = service.get("TaskDefinition")
    name = reference.get("Ref", "") if isinstance(reference, dict) else ""
    task = (resources.get(name) or {}).get("Properties") or {}
    hour = (
        _number(task.get("Cpu"), 256) / 1024 * VCPU_HOUR_USD
        + _number(task.get("Memory"), 512) / 1024 * GIB_HOUR_USD
    )
    return _number(service.get("DesiredCount"), 1) * hour * HOURS


def _number(value: object, otherwise: float) -> float:
    """The number in a property; a reference has none, and fewer than nothing costs nothing."""
    if not isinstance(value, int | float | str):
        return otherwise
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return otherwise
    return max(0.0, number) if math.isfinite(number) else otherwise
