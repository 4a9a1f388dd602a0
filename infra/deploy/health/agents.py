"""The smoke test of the agents: their tasks run, the engine is heard of, and each role answers."""

import json
import time
import uuid
from typing import Any

from botocore.exceptions import ClientError

from infra.deploy.health.suite import Seen, Sight, Unwell
from infra.deploy.health.swarm import swarm_in_tasks
from infra.deploy.run import Verdict

__all__ = ["agent_smoke"]

FRESH_S = 60.0
HEARTBEAT = "heartbeat/engine"
PAGE = 10
"""``DescribeServices`` takes so many."""
INCIDENT = {
    "incident": "smoke-test",
    "service": "payments",
    "facts": ["payments answers nothing since 09:00:00", "checkout fails 62 % of its requests"],
    "ask": "Name the most likely cause. Answer as JSON with the keys service and kind.",
}
"""The fixed incident: whoever reads it right names payments."""


def agent_smoke(sight: Sight) -> Seen:
    """Tasks, heartbeat and Bedrock agents; what is only a control plane is said to be one."""
    if not {"AWS::ECS::Service", "AWS::Bedrock::Agent"} & sight.kinds:
        return Seen("this assembly has no agents", Verdict.NOT_CHECKED)
    told: list[str] = []
    if sight.environment.emulated:
        # The task is a process of this machine: the swarm in it can be asked itself. Its service is
        # asked then: the emulator's CloudFormation does not wait until it is stable.
        told.append(swarm_in_tasks(sight.emulator, sight.build))
        proven = [_tasks(sight, told)]
        _roles(sight, told)
    else:
        proven = [_tasks(sight, told), _heartbeat(sight, told), _roles(sight, told)]
    verdict = Verdict.OK if all(proven) else Verdict.CONTROL_PLANE_ONLY
    return Seen("; ".join(told), verdict)


def _tasks(sight: Sight, told: list[str]) -> bool:
    """Whether every service of the cluster runs as many tasks as it should."""
    ecs = sight.cloud.client("ecs")
    cluster = sight.names.cluster
    try:
        arns = [
            arn
            for page in ecs.get_paginator("list_services").paginate(cluster=cluster)
            for arn in page["serviceArns"]
        ]
    except ClientError as error:
        if error.response["Error"]["Code"] == "ClusterNotFoundException":
            return False
        raise
    services: list[dict[str, Any]] = []
    for first in range(0, len(arns), PAGE):
        found = ecs.describe_services(cluster=cluster, services=arns[first : first + PAGE])
        services += found["services"]
    missing = [
        f"{service['serviceName']} {service['runningCount']}/{service['desiredCount']}"
        for service in services
        if service["runningCount"] < service["desiredCount"]
    ]
    if missing:
        raise Unwell(f"tasks are missing: {', '.join(missing)}")
    if not services:
        return False
    told.append(f"all tasks run, services: {len(services)}")
    return True


def _heartbeat(sight: Sight, told: list[str]) -> bool:
    """Whether the engine was heard of a moment ago, and is of the build that was deployed."""
    item = (
        sight.cloud.client("dynamodb")
        .get_item(
            TableName=sight.names.state_table, Key={"key": {"S": HEARTBEAT}}, ConsistentRead=True
        )
        .get("Item")
    )
    if item is None:
        told.append("no heartbeat of an engine")
        return False
    age_s = time.time() - int(item["at_ms"]["N"]) / 1000
    if age_s > FRESH_S:
        raise Unwell(f"the engine was heard of {age_s:.0f} s ago")
    told.append(f"engine heard of {age_s:.0f} s ago")
    return True


def _roles(sight: Sight, told: list[str]) -> bool:
    """Whether each Bedrock agent is prepared, and reads the fixed incident right."""
    bedrock = sight.cloud.client("bedrock-agent")
    prefix = f"{sight.names.prefix}-"
    agents = [
        agent
        for page in bedrock.get_paginator("list_agents").paginate()
        for agent in page["agentSummaries"]
        if agent["agentName"].startswith(prefix)
    ]
    if not agents:
        return False
    bad = [a["agentName"] for a in agents if a["agentStatus"] != "PREPARED"]
    if bad:
        raise Unwell(f"agents that are not prepared: {', '.join(bad)}")
    if sight.environment.emulated:
        # Its words are canned: a parrot that reads an incident right proves nothing.
        told.append(
            f"{len(agents)} Bedrock agents are prepared, control-plane-only: no model behind them"
        )
        return False
    for agent in agents:
        _reads(sight, agent)
    told.append(f"{len(agents)} Bedrock agents read the fixed incident right")
    return True


def _reads(sight: Sight, agent: dict[str, Any]) -> None:
    aliases = sight.cloud.client("bedrock-agent").list_agent_aliases(agentId=agent["agentId"])
    alias = aliases["agentAliasSummaries"][0]["agentAliasId"]
    answer = sight.cloud.client("bedrock-agent-runtime").invoke_agent(
        agentId=agent["agentId"],
        agentAliasId=alias,
        sessionId=str(uuid.uuid4()),
        inputText=json.dumps(INCIDENT),
    )
    parts = [event["chunk"]["bytes"] for event in answer["completion"] if "chunk" in event]
    text = b"".join(parts).decode(errors="replace")
    try:
        said = json.loads(text[text.index("{") : text.rindex("}") + 1])
    except ValueError:
        raise Unwell(f"{agent['agentName']} answers with no JSON: {text[:80]!r}") from None
    if not isinstance(said, dict) or said.get("service") != INCIDENT["service"]:
        raise Unwell(f"{agent['agentName']} read the fixed incident wrong: {str(said)[:80]}")
