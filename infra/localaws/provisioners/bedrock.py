"""Bedrock: agents, aliases, guardrails and knowledge bases. A control plane, with canned answers.

The emulator keeps and lists all of them, and its guardrails really match; no model answers here.
"""

from typing import Any

from infra.localaws.seam import Created, Handler, Properties, in_process_client

__all__ = ["HANDLERS"]

AGENT_FIELDS = (
    "AgentName",
    "FoundationModel",
    "Instruction",
    "AgentResourceRoleArn",
    "Description",
    "GuardrailConfiguration",
)
GROUP_FIELDS = ("ActionGroupName", "Description", "ActionGroupExecutor", "FunctionSchema")


def _api(value: Any) -> Any:  # noqa: ANN401 - JSON of any shape
    """A property as the API writes it: the same names, beginning small."""
    if isinstance(value, dict):
        return {
            key[:1].lower() + key[1:]: {name: _api(detail) for name, detail in inner.items()}
            # Names of parameters are the author's own, and stay as they are.
            if key == "Parameters"
            else _api(inner)
            for key, inner in value.items()
        }
    return [_api(inner) for inner in value] if isinstance(value, list) else value


def _only(properties: Properties, *names: str) -> dict[str, Any]:
    return {
        name[:1].lower() + name[1:]: _api(properties[name]) for name in names if name in properties
    }


def _with_numbers(properties: Properties) -> dict[str, Any]:
    """An agent's properties with its one number as a number."""
    wanted = _only(properties, *AGENT_FIELDS)
    if "IdleSessionTTLInSeconds" in properties:
        wanted["idleSessionTTLInSeconds"] = int(properties["IdleSessionTTLInSeconds"])
    return wanted


def _create_agent(_logical_id: str, properties: Properties) -> Created:
    client = in_process_client("bedrock-agent")
    agent = client.create_agent(**_with_numbers(properties))["agent"]
    _furnish(agent["agentId"], properties)
    return agent["agentId"], _agent_attributes(agent)


def _furnish(identity: str, properties: Properties) -> None:
    """Give an agent its tools and its knowledge, and prepare it."""
    client = in_process_client("bedrock-agent")
    known = client.list_agent_action_groups(agentId=identity, agentVersion="DRAFT")
    for group in known["actionGroupSummaries"]:
        client.delete_agent_action_group(
            agentId=identity, agentVersion="DRAFT", actionGroupId=group["actionGroupId"]
        )
    for group in properties.get("ActionGroups", []):
        client.create_agent_action_group(
            agentId=identity, agentVersion="DRAFT", **_only(group, *GROUP_FIELDS)
        )
    for base in properties.get("KnowledgeBases", []):
        client.associate_agent_knowledge_base(
            agentId=identity,
            agentVersion="DRAFT",
            **_only(base, "KnowledgeBaseId", "Description"),
        )
    client.prepare_agent(agentId=identity)


def _update_agent(identity: str, properties: Properties) -> dict[str, Any]:
    client = in_process_client("bedrock-agent")
    client.update_agent(agentId=identity, **_with_numbers(properties))
    _furnish(identity, properties)
    return _agent_attributes(client.get_agent(agentId=identity)["agent"])


def _agent_attributes(agent: dict[str, Any]) -> dict[str, Any]:
    return {
        "AgentId": agent["agentId"],
        "AgentArn": agent["agentArn"],
        "AgentStatus": "PREPARED",
        "AgentVersion": "DRAFT",
    }


def _delete_agent(identity: str, _properties: Properties) -> None:
    in_process_client("bedrock-agent").delete_agent(agentId=identity, skipResourceInUseCheck=True)


def _create_alias(_logical_id: str, properties: Properties) -> Created:
    alias = in_process_client("bedrock-agent").create_agent_alias(
        **_only(properties, "AgentId", "AgentAliasName", "Description")
    )["agentAlias"]
    attributes = {"AgentAliasId": alias["agentAliasId"], "AgentAliasArn": alias["agentAliasArn"]}
    return f"{properties['AgentId']}|{alias['agentAliasId']}", attributes


def _update_alias(identity: str, properties: Properties) -> dict[str, Any]:
    agent, _, alias = identity.partition("|")
    answer = in_process_client("bedrock-agent").update_agent_alias(
        agentId=agent, agentAliasId=alias, **_only(properties, "AgentAliasName", "Description")
    )["agentAlias"]
    return {"AgentAliasId": alias, "AgentAliasArn": answer["agentAliasArn"]}


def _delete_alias(identity: str, _properties: Properties) -> None:
    agent, _, alias = identity.partition("|")
    in_process_client("bedrock-agent").delete_agent_alias(agentId=agent, agentAliasId=alias)


def _guardrail_wanted(properties: Properties) -> dict[str, Any]:
    wanted = _api({name: value for name, value in properties.items() if name != "Tags"})
    wanted["kmsKeyId"] = wanted.pop("kmsKeyArn", None)
    return {name: value for name, value in wanted.items() if value is not None}


def _create_guardrail(_logical_id: str, properties: Properties) -> Created:
    made = in_process_client("bedrock").create_guardrail(**_guardrail_wanted(properties))
    return made["guardrailArn"], {
        "GuardrailId": made["guardrailId"],
        "GuardrailArn": made["guardrailArn"],
        "Version": made["version"],
        "Status": "READY",
    }


def _update_guardrail(arn: str, properties: Properties) -> dict[str, Any]:
    made = in_process_client("bedrock").update_guardrail(
        guardrailIdentifier=arn, **_guardrail_wanted(properties)
    )
    return {"GuardrailId": made["guardrailId"], "GuardrailArn": arn, "Version": made["version"]}


def _delete_guardrail(arn: str, _properties: Properties) -> None:
    in_process_client("bedrock").delete_guardrail(guardrailIdentifier=arn)


def _create_version(_logical_id: str, properties: Properties) -> Created:
    identity = properties["GuardrailIdentifier"]
    made = in_process_client("bedrock").create_guardrail_version(guardrailIdentifier=identity)
    return f"{identity}|{made['version']}", {"GuardrailId": identity, "Version": made["version"]}


def _delete_version(_identity: str, _properties: Properties) -> None:
    """It goes with its guardrail: the emulator would delete the whole guardrail for a version."""


def _create_knowledge(_logical_id: str, properties: Properties) -> Created:
    made = in_process_client("bedrock-agent").create_knowledge_base(
        **_only(
            properties,
            "Name",
            "Description",
            "RoleArn",
            "KnowledgeBaseConfiguration",
            "StorageConfiguration",
        )
    )["knowledgeBase"]
    return made["knowledgeBaseId"], {
        "KnowledgeBaseId": made["knowledgeBaseId"],
        "KnowledgeBaseArn": made["knowledgeBaseArn"],
        "Status": "ACTIVE",
    }


def _delete_knowledge(identity: str, _properties: Properties) -> None:
    in_process_client("bedrock-agent").delete_knowledge_base(knowledgeBaseId=identity)


def _create_source(_logical_id: str, properties: Properties) -> Created:
    made = in_process_client("bedrock-agent").create_data_source(
        **_only(
            properties,
            "KnowledgeBaseId",
            "Name",
            "DataDeletionPolicy",
            "DataSourceConfiguration",
        )
    )["dataSource"]
    return f"{properties['KnowledgeBaseId']}|{made['dataSourceId']}", {
        "DataSourceId": made["dataSourceId"],
        "DataSourceStatus": "AVAILABLE",
    }


def _delete_source(identity: str, _properties: Properties) -> None:
    base, _, source = identity.partition("|")
    in_process_client("bedrock-agent").delete_data_source(knowledgeBaseId=base, dataSourceId=source)


HANDLERS = {
    "AWS::Bedrock::Agent": Handler(_create_agent, _delete_agent, _update_agent),
    "AWS::Bedrock::AgentAlias": Handler(_create_alias, _delete_alias, _update_alias),
    "AWS::Bedrock::Guardrail": Handler(_create_guardrail, _delete_guardrail, _update_guardrail),
    "AWS::Bedrock::GuardrailVersion": Handler(_create_version, _delete_version),
    "AWS::Bedrock::KnowledgeBase": Handler(_create_knowledge, _delete_knowledge),
    "AWS::Bedrock::DataSource": Handler(_create_source, _delete_source),
}
