"""Bedrock: five agents with an alias each, their guardrail, and a knowledge base of runbooks."""

from dataclasses import dataclass

import aws_cdk as cdk
from aws_cdk import aws_bedrock as bedrock
from aws_cdk import aws_iam as iam

from infra.models import EMBEDDING_DIMENSIONS, MODELS
from infra.stacks.guardrail import build_guardrail
from infra.stacks.part import Part, explain
from infra.stacks.roster import COMMON, ROSTER, TOOLS, Member
from infra.stacks.search import (
    INDEX,
    METADATA_FIELD,
    TEXT_FIELD,
    VECTOR_FIELD,
    Search,
    build_search,
)
from infra.stacks.security import Security
from infra.stacks.storage import Storage

__all__ = ["Bedrock", "build_bedrock"]

RUNBOOKS = "runbooks/"
"""The folder of the archive that the knowledge base reads."""
SESSION_IDLE_S = 600


@dataclass(frozen=True)
class Bedrock:
    """What other stacks need of it."""

    stack: cdk.Stack


def build_bedrock(part: Part, security: Security, storage: Storage) -> Bedrock:
    """The agents, and what they share."""
    stack = part.stack("Bedrock", "agents, guardrail and knowledge", security.stack, storage.stack)
    guardrail = build_guardrail(part, stack, security)
    version = bedrock.CfnGuardrailVersion(
        stack, "GuardrailVersion", guardrail_identifier=guardrail.attr_guardrail_id
    )
    reader = _knowledge_role(part, stack, security)
    search = build_search(part, stack, security, reader)
    knowledge = _knowledge(part, stack, reader, search)
    role = _agent_role(part, stack, security, guardrail, knowledge)
    for member in ROSTER:
        _agent(part, stack, security, member, role, guardrail, version, knowledge)
    cdk.CfnOutput(stack, "GuardrailId", value=guardrail.attr_guardrail_id)
    cdk.CfnOutput(stack, "GuardrailVersionNumber", value=version.attr_version)
    cdk.CfnOutput(stack, "KnowledgeBaseId", value=knowledge.attr_knowledge_base_id)
    cdk.CfnOutput(stack, "CollectionEndpoint", value=search.collection.attr_collection_endpoint)
    return Bedrock(stack)


def _of_this_account(part: Part) -> iam.ServicePrincipal:
    """Bedrock, on behalf of this account and nobody else's."""
    return iam.ServicePrincipal(
        "bedrock.amazonaws.com",
        conditions={"StringEquals": {"aws:SourceAccount": part.environment.account}},
    )


def _allow(*actions: str, on: list[str]) -> iam.PolicyStatement:
    return iam.PolicyStatement(actions=list(actions), resources=on)


def _knowledge_role(part: Part, stack: cdk.Stack, security: Security) -> iam.Role:
    documents = f"arn:aws:s3:::{part.names.archive_bucket}/{RUNBOOKS}*"
    collections = part.names.arn("aoss", "collection/*")
    role = iam.Role(
        stack,
        "KnowledgeRole",
        role_name=part.names.of("knowledge"),
        assumed_by=_of_this_account(part),
        inline_policies={
            "work": iam.PolicyDocument(
                statements=[
                    _allow("bedrock:InvokeModel", on=[MODELS.embedding_arn(part.environment)]),
                    _allow("s3:GetObject", on=[documents]),
                    _allow("s3:ListBucket", on=[f"arn:aws:s3:::{part.names.archive_bucket}"]),
                    _allow("aoss:APIAccessAll", on=[collections]),
                    _allow("kms:Decrypt", "kms:GenerateDataKey", on=[security.key.key_arn]),
                ]
            )
        },
    )
    explain(
        role, f"AwsSolutions-IAM5[Resource::{documents}]", "The runbooks, whatever they are called"
    )
    explain(
        role,
        f"AwsSolutions-IAM5[Resource::{collections}]",
        "A collection's id is not known before it exists; its data policy names this role alone",
    )
    return role


def _knowledge(
    part: Part, stack: cdk.Stack, reader: iam.Role, search: Search
) -> bedrock.CfnKnowledgeBase:
    config = bedrock.CfnKnowledgeBase
    knowledge = config(
        stack,
        "Knowledge",
        name=part.names.of("knowledge"),
        description="Runbooks and postmortems",
        role_arn=reader.role_arn,
        knowledge_base_configuration=config.KnowledgeBaseConfigurationProperty(
            type="VECTOR",
            vector_knowledge_base_configuration=config.VectorKnowledgeBaseConfigurationProperty(
                embedding_model_arn=MODELS.embedding_arn(part.environment),
            ),
        ),
        storage_configuration=config.StorageConfigurationProperty(
            type="OPENSEARCH_SERVERLESS",
            opensearch_serverless_configuration=config.OpenSearchServerlessConfigurationProperty(
                collection_arn=search.collection.attr_arn,
                vector_index_name=INDEX,
                field_mapping=config.OpenSearchServerlessFieldMappingProperty(
                    vector_field=VECTOR_FIELD,
                    text_field=TEXT_FIELD,
                    metadata_field=METADATA_FIELD,
                ),
            ),
        ),
        tags={"embedding-dimensions": str(EMBEDDING_DIMENSIONS)},
    )
    knowledge.add_resource_dependency(search.index)
    source = bedrock.CfnDataSource
    source(
        stack,
        "Runbooks",
        knowledge_base_id=knowledge.attr_knowledge_base_id,
        name=part.names.of("runbooks"),
        data_deletion_policy="RETAIN" if part.environment.protected else "DELETE",
        data_source_configuration=source.DataSourceConfigurationProperty(
            type="S3",
            s3_configuration=source.S3DataSourceConfigurationProperty(
                bucket_arn=f"arn:aws:s3:::{part.names.archive_bucket}",
                inclusion_prefixes=[RUNBOOKS],
            ),
        ),
    )
    return knowledge


def _agent_role(
    part: Part,
    stack: cdk.Stack,
    security: Security,
    guardrail: bedrock.CfnGuardrail,
    knowledge: bedrock.CfnKnowledgeBase,
) -> iam.Role:
    models = MODELS.arns(part.environment)
    role = iam.Role(
        stack,
        "AgentRole",
        role_name=part.names.of("bedrock-agent"),
        assumed_by=_of_this_account(part),
        inline_policies={
            "work": iam.PolicyDocument(
                statements=[
                    _allow(
                        "bedrock:InvokeModel",
                        "bedrock:InvokeModelWithResponseStream",
                        "bedrock:GetInferenceProfile",
                        on=list(models),
                    ),
                    _allow("bedrock:ApplyGuardrail", on=[guardrail.attr_guardrail_arn]),
                    _allow("bedrock:Retrieve", on=[knowledge.attr_knowledge_base_arn]),
                    _allow("kms:Decrypt", "kms:GenerateDataKey", on=[security.key.key_arn]),
                ]
            )
        },
    )
    for arn in models:
        if ":*:" in arn:
            explain(
                role,
                f"AwsSolutions-IAM5[Resource::{arn}]",
                "Its inference profile may answer from any region of its geography",
            )
    return role


def _agent(
    part: Part,
    stack: cdk.Stack,
    security: Security,
    member: Member,
    role: iam.Role,
    guardrail: bedrock.CfnGuardrail,
    version: bedrock.CfnGuardrailVersion,
    knowledge: bedrock.CfnKnowledgeBase,
) -> None:
    config = bedrock.CfnAgent
    name = member.role.value.capitalize()
    agent = config(
        stack,
        name,
        agent_name=part.names.of(member.role.value),
        description=member.instruction,
        instruction=COMMON + member.instruction,
        foundation_model=MODELS.profile(
            MODELS.reasoning if member.reasons else MODELS.wording, part.environment
        ),
        agent_resource_role_arn=role.role_arn,
        auto_prepare=True,
        idle_session_ttl_in_seconds=SESSION_IDLE_S,
        customer_encryption_key_arn=security.key.key_arn,
        guardrail_configuration=config.GuardrailConfigurationProperty(
            guardrail_identifier=guardrail.attr_guardrail_id, guardrail_version=version.attr_version
        ),
        knowledge_bases=[
            config.AgentKnowledgeBaseProperty(
                knowledge_base_id=knowledge.attr_knowledge_base_id,
                description="Runbooks and postmortems of this fleet",
                knowledge_base_state="ENABLED",
            )
        ],
        action_groups=[_evidence(member)],
    )
    alias = bedrock.CfnAgentAlias(
        stack,
        f"{name}Alias",
        agent_id=agent.attr_agent_id,
        agent_alias_name="live",
        # A new description makes a new version: the alias always stands for what was deployed.
        description=f"build {part.build}",
    )
    cdk.CfnOutput(stack, f"{name}AgentId", value=agent.attr_agent_id)
    cdk.CfnOutput(stack, f"{name}AliasId", value=alias.attr_agent_alias_id)


def _evidence(member: Member) -> bedrock.CfnAgent.AgentActionGroupProperty:
    """The tools of one agent: Bedrock hands the question back, and our process answers it."""
    config = bedrock.CfnAgent
    return config.AgentActionGroupProperty(
        action_group_name="evidence",
        description="Evidence from telemetry and from the ledger; nothing here acts",
        action_group_executor=config.ActionGroupExecutorProperty(custom_control="RETURN_CONTROL"),
        function_schema=config.FunctionSchemaProperty(
            functions=[
                config.FunctionProperty(
                    name=tool.name,
                    description=tool.what,
                    parameters={
                        parameter: config.ParameterDetailProperty(
                            type=kind, description=meaning, required=True
                        )
                        for parameter, kind, meaning in tool.parameters
                    },
                )
                for tool in (TOOLS[name] for name in member.tools)
            ]
        ),
    )
