"""EC2: what lets a private net out, and what writes down who spoke with whom."""

from typing import Any

from infra.localaws.seam import Created, Handler, Properties, in_process_client

__all__ = ["HANDLERS"]


def _create_address(_logical_id: str, properties: Properties) -> Created:
    answer = in_process_client("ec2").allocate_address(Domain=properties.get("Domain", "vpc"))
    return answer["PublicIp"], {
        "AllocationId": answer["AllocationId"],
        "PublicIp": answer["PublicIp"],
    }


def _delete_address(public_ip: str, _properties: Properties) -> None:
    client = in_process_client("ec2")
    for address in client.describe_addresses()["Addresses"]:
        if address["PublicIp"] == public_ip:
            client.release_address(AllocationId=address["AllocationId"])


def _create_gateway(_logical_id: str, properties: Properties) -> Created:
    answer = in_process_client("ec2").create_nat_gateway(
        SubnetId=properties["SubnetId"], AllocationId=properties["AllocationId"]
    )
    identity = answer["NatGateway"]["NatGatewayId"]
    return identity, {"NatGatewayId": identity}


def _delete_gateway(identity: str, _properties: Properties) -> None:
    in_process_client("ec2").delete_nat_gateway(NatGatewayId=identity)


def _create_flow_log(_logical_id: str, properties: Properties) -> Created:
    answer = in_process_client("ec2").create_flow_logs(
        ResourceIds=[properties["ResourceId"]],
        ResourceType=properties["ResourceType"],
        TrafficType=properties.get("TrafficType", "ALL"),
        LogGroupName=properties["LogGroupName"],
        DeliverLogsPermissionArn=properties["DeliverLogsPermissionArn"],
    )
    identity = answer["FlowLogIds"][0]
    return identity, {"Id": identity}


def _delete_flow_log(identity: str, _properties: Properties) -> None:
    in_process_client("ec2").delete_flow_logs(FlowLogIds=[identity])


def _permission(properties: Properties, other: str) -> dict[str, Any]:
    """One rule as the API wants it; ``other`` is where the peer's group stands."""
    permission: dict[str, Any] = {
        "IpProtocol": str(properties["IpProtocol"]),
        "FromPort": int(properties.get("FromPort", -1)),
        "ToPort": int(properties.get("ToPort", -1)),
    }
    if other in properties:
        permission["UserIdGroupPairs"] = [{"GroupId": properties[other]}]
    if "CidrIp" in properties:
        permission["IpRanges"] = [{"CidrIp": properties["CidrIp"]}]
    return permission


def _rule(properties: Properties, *, inbound: bool) -> dict[str, Any]:
    other = "SourceSecurityGroupId" if inbound else "DestinationSecurityGroupId"
    return {
        "GroupId": properties["GroupId"],
        "IpPermissions": [_permission(properties, other)],
    }


def _create_inbound(logical_id: str, properties: Properties) -> Created:
    rule = _rule(properties, inbound=True)
    in_process_client("ec2").authorize_security_group_ingress(**rule)
    return f"{properties['GroupId']}|in|{logical_id}", {}


def _delete_inbound(_identity: str, properties: Properties) -> None:
    in_process_client("ec2").revoke_security_group_ingress(**_rule(properties, inbound=True))


def _create_outbound(logical_id: str, properties: Properties) -> Created:
    rule = _rule(properties, inbound=False)
    in_process_client("ec2").authorize_security_group_egress(**rule)
    return f"{properties['GroupId']}|out|{logical_id}", {}


def _delete_outbound(_identity: str, properties: Properties) -> None:
    in_process_client("ec2").revoke_security_group_egress(**_rule(properties, inbound=False))


HANDLERS = {
    "AWS::EC2::SecurityGroupIngress": Handler(_create_inbound, _delete_inbound),
    "AWS::EC2::SecurityGroupEgress": Handler(_create_outbound, _delete_outbound),
    "AWS::EC2::EIP": Handler(_create_address, _delete_address),
    "AWS::EC2::NatGateway": Handler(_create_gateway, _delete_gateway),
    "AWS::EC2::FlowLog": Handler(_create_flow_log, _delete_flow_log),
}
