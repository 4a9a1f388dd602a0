"""The WebSocket API: a screen connects with its token, and asks how things stand.

Connections are kept in the state table with an expiry, so that one whose farewell was lost is
forgotten all the same.
"""

import json
import os
import time

from infra.functions.event import Event, header
from infra.functions.health import HEARTBEAT
from infra.functions.secret import is_token

__all__ = ["handler"]

CONNECTION_S = 2 * 3600
"""API Gateway ends every connection after two hours."""
MAX_MESSAGE = 4096


def handler(event: Event, _context: object) -> dict[str, object]:
    """Do what the route says."""
    request = event.get("requestContext", {})
    identity, route = str(request.get("connectionId", "")), str(request.get("routeKey", ""))
    match route:
        case "$connect":
            if not is_token(header(event, "authorization")):
                return {
                    "statusCode": 401,
                    "body": "authorization: Bearer TOKEN is missing or wrong",
                }
            _remember(identity)
            return {"statusCode": 200, "body": ""}
        case "$disconnect":
            _forget(identity)
            return {"statusCode": 200, "body": ""}
        case _:
            return {"statusCode": 200, "body": json.dumps(_answer(event.get("body")))}


def _answer(text: object) -> dict[str, object]:
    """What the screen asked for: ``{"ask": "ping", "id": …}`` or ``{"ask": "state", "id": …}``."""
    try:
        asked = json.loads(text) if isinstance(text, str) and len(text) <= MAX_MESSAGE else None
    except (ValueError, RecursionError):
        asked = None
    if not isinstance(asked, dict):
        return {"error": "a message is a JSON object of at most 4096 characters"}
    known: dict[str, object] = {"id": asked.get("id"), "build": os.environ["BUILD"]}
    match asked.get("ask"):
        case "ping":
            return known | {"answer": "pong"}
        case "state":
            return known | {"answer": "state", "engine": _engine()}
        case _:
            return known | {"error": "ask for ping or state"}


def _engine() -> dict[str, str] | None:
    """The engine's last heartbeat; None before the first."""
    import boto3

    item = (
        boto3.client("dynamodb")
        .get_item(TableName=os.environ["STATE_TABLE"], Key={"key": {"S": HEARTBEAT}})
        .get("Item")
    )
    return None if item is None else {name: str(*value.values()) for name, value in item.items()}


def _remember(identity: str) -> None:
    import boto3

    boto3.client("dynamodb").put_item(
        TableName=os.environ["STATE_TABLE"],
        Item={
            "key": {"S": f"connection/{identity}"},
            "expires_at": {"N": str(int(time.time()) + CONNECTION_S)},
        },
    )


def _forget(identity: str) -> None:
    import boto3

    boto3.client("dynamodb").delete_item(
        TableName=os.environ["STATE_TABLE"], Key={"key": {"S": f"connection/{identity}"}}
    )
