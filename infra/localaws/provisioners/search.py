"""OpenSearch Serverless: a control plane only. Its index is recorded, and nothing can be searched."""

from infra.localaws.seam import Created, Handler, Properties, in_process_client

__all__ = ["HANDLERS"]

SERVICE = "opensearchserverless"


def _create_collection(_logical_id: str, properties: Properties) -> Created:
    answer = in_process_client(SERVICE).create_collection(
        name=properties["Name"],
        type=properties.get("Type", "SEARCH"),
        description=properties.get("Description", ""),
    )["createCollectionDetail"]
    host = f"{answer['id']}.us-east-1.aoss.amazonaws.com"
    return answer["id"], {
        "Id": answer["id"],
        "Arn": answer["arn"],
        "CollectionEndpoint": f"https://{host}",
        "DashboardEndpoint": f"https://{host}/_dashboards",
    }


def _delete_collection(identity: str, _properties: Properties) -> None:
    in_process_client(SERVICE).delete_collection(id=identity)


def _create_security(_logical_id: str, properties: Properties) -> Created:
    in_process_client(SERVICE).create_security_policy(
        name=properties["Name"], type=properties["Type"], policy=properties["Policy"]
    )
    return f"{properties['Type']}|{properties['Name']}", {}


def _delete_security(_identity: str, properties: Properties) -> None:
    in_process_client(SERVICE).delete_security_policy(
        name=properties["Name"], type=properties["Type"]
    )


def _create_access(_logical_id: str, properties: Properties) -> Created:
    in_process_client(SERVICE).create_access_policy(
        name=properties["Name"], type=properties["Type"], policy=properties["Policy"]
    )
    return f"{properties['Type']}|{properties['Name']}", {}


def _delete_access(_identity: str, properties: Properties) -> None:
    in_process_client(SERVICE).delete_access_policy(
        name=properties["Name"], type=properties["Type"]
    )


def _create_index(_logical_id: str, properties: Properties) -> Created:
    name = str(properties["IndexName"])
    return f"{properties['CollectionEndpoint']}|{name}", {"Uuid": name}


def _delete_index(_identity: str, _properties: Properties) -> None:
    """It goes with its collection."""


HANDLERS = {
    "AWS::OpenSearchServerless::Collection": Handler(_create_collection, _delete_collection),
    "AWS::OpenSearchServerless::SecurityPolicy": Handler(_create_security, _delete_security),
    "AWS::OpenSearchServerless::AccessPolicy": Handler(_create_access, _delete_access),
    "AWS::OpenSearchServerless::Index": Handler(_create_index, _delete_index),
}
