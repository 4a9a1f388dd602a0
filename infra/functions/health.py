"""``GET /v1/health``: what is deployed, and whether the ground it stands on answers.

200 only when everything was asked and answered; what was asked, how long it took and what it said
stands in the body, so that "degraded" is never all that one learns.
"""

import json
import os
import sys
import time
from collections.abc import Callable

from infra.functions.event import Event, reply

__all__ = ["handler"]

HEARTBEAT = "heartbeat/engine"
"""The item of the state table that the engine writes every few seconds: ``at_ms``, ``build``."""


def handler(_event: Event, _context: object) -> dict[str, object]:
    """Answer for the whole environment."""
    checks = {"ledger": _checked(_ledger), "state": _checked(_engine)}
    if os.environ.get("REHEARSAL") == "unhealthy":
        checks["rehearsal"] = {"ok": False, "evidence": "this build was deployed to be unhealthy"}
    well = all(check["ok"] for check in checks.values())
    answer: dict[str, object] = {
        "status": "ok" if well else "degraded",
        "environment": os.environ["ENVIRONMENT"],
        "build": os.environ["BUILD"],
        "checks": checks,
    }
    # A metric filter counts the degraded ones, for the alarm that rolls a deployment back.
    sys.stdout.write(json.dumps({"event": "health", **answer}) + "\n")
    return reply(200 if well else 503, answer)


def _checked(check: Callable[[], str]) -> dict[str, object]:
    """What ``check`` found, and how long it took; whatever went wrong is its evidence."""
    began = time.perf_counter()
    try:
        ok, evidence = True, check()
    except Exception as error:  # the function reports, whatever it is
        ok, evidence = False, f"{type(error).__name__}: {error}"
    return {
        "ok": ok,
        "evidence": evidence,
        "latency_ms": round((time.perf_counter() - began) * 1000, 1),
    }


def _ledger() -> str:
    """Whether the ledger's table can be read."""
    import boto3

    table = os.environ["LEDGER_TABLE"]
    # A key that no cluster has: the answer proves the table and our right to read it.
    answer = boto3.client("dynamodb").get_item(
        TableName=table,
        Key={"pk": {"S": "health"}, "sk": {"S": "health"}},
        ConsistentRead=True,
    )
    return f"{table} answered, {'an' if 'Item' in answer else 'no'} item"


def _engine() -> str:
    """When the engine was last heard of; that it was never heard of is said, and is no failure."""
    import boto3

    answer = boto3.client("dynamodb").get_item(
        TableName=os.environ["STATE_TABLE"],
        Key={"key": {"S": HEARTBEAT}},
        ConsistentRead=True,
    )
    item = answer.get("Item")
    if item is None:
        return "no heartbeat of an engine yet"
    age_s = time.time() - int(item["at_ms"]["N"]) / 1000
    return f"engine {item['build']['S']} was heard of {age_s:.0f} s ago"
