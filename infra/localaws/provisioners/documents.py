"""SSM: command documents, which ``infra.localaws.documents`` answers for."""

import json

from infra.localaws.seam import Created, Handler, Properties, in_process_client

__all__ = ["HANDLERS"]


def _create(_logical_id: str, properties: Properties) -> Created:
    content = properties["Content"]
    text = content if isinstance(content, str) else json.dumps(content)
    name = str(properties["Name"])
    in_process_client("ssm").create_document(Name=name, Content=text, DocumentType="Command")
    return name, {}


def _delete(name: str, _properties: Properties) -> None:
    in_process_client("ssm").delete_document(Name=name)


HANDLERS = {"AWS::SSM::Document": Handler(_create, _delete)}
