"""OpenSearch Serverless: the vector collection that the knowledge base searches."""

import json
from dataclasses import dataclass

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_opensearchserverless as opensearch

from infra.models import EMBEDDING_DIMENSIONS
from infra.stacks.part import Part
from infra.stacks.security import Security

__all__ = ["INDEX", "METADATA_FIELD", "TEXT_FIELD", "VECTOR_FIELD", "Search", "build_search"]

INDEX = "runbooks"
VECTOR_FIELD = "embedding"
TEXT_FIELD = "text"
METADATA_FIELD = "metadata"


@dataclass(frozen=True)
class Search:
    """What the knowledge base needs of it."""

    collection: opensearch.CfnCollection
    index: opensearch.CfnIndex


def build_search(part: Part, stack: cdk.Stack, security: Security, reader: iam.Role) -> Search:
    """The collection, the three policies that it cannot do without, and its index.

    AWS wants the encryption policy before the collection, and the access policy before the index.
    """
    name = part.names.of("kb")
    encryption = opensearch.CfnSecurityPolicy(
        stack,
        "CollectionEncryption",
        name=name,
        type="encryption",
        policy=stack.to_json_string(
            {
                "Rules": [{"ResourceType": "collection", "Resource": [f"collection/{name}"]}],
                "AWSOwnedKey": False,
                "KmsARN": security.key.key_arn,
            }
        ),
    )
    network = opensearch.CfnSecurityPolicy(
        stack,
        "CollectionNetwork",
        name=name,
        type="network",
        # No public way in: Bedrock is let through by name.
        policy=json.dumps(
            [
                {
                    "Rules": [{"ResourceType": "collection", "Resource": [f"collection/{name}"]}],
                    "AllowFromPublic": False,
                    "SourceServices": ["bedrock.amazonaws.com"],
                }
            ]
        ),
    )
    collection = opensearch.CfnCollection(
        stack,
        "Collection",
        name=name,
        type="VECTORSEARCH",
        description="Runbooks and postmortems, for the agents to look things up",
        standby_replicas="ENABLED" if part.environment.protected else "DISABLED",
    )
    collection.add_resource_dependency(encryption)
    collection.add_resource_dependency(network)
    access = _access(part, stack, name, reader)
    access.add_resource_dependency(collection)
    index = opensearch.CfnIndex(
        stack,
        "Index",
        collection_endpoint=collection.attr_collection_endpoint,
        index_name=INDEX,
        settings=opensearch.CfnIndex.IndexSettingsProperty(
            index=opensearch.CfnIndex.IndexProperty(knn=True)
        ),
        mappings=opensearch.CfnIndex.MappingsProperty(
            properties={
                VECTOR_FIELD: opensearch.CfnIndex.PropertyMappingProperty(
                    type="knn_vector",
                    dimension=EMBEDDING_DIMENSIONS,
                    method=opensearch.CfnIndex.MethodProperty(
                        engine="faiss", name="hnsw", space_type="l2"
                    ),
                ),
                TEXT_FIELD: opensearch.CfnIndex.PropertyMappingProperty(type="text"),
                METADATA_FIELD: opensearch.CfnIndex.PropertyMappingProperty(
                    type="text", index=False
                ),
            }
        ),
    )
    index.add_resource_dependency(access)
    return Search(collection, index)


def _access(
    part: Part, stack: cdk.Stack, name: str, reader: iam.Role
) -> opensearch.CfnAccessPolicy:
    """Who may touch the documents: the knowledge base, and CloudFormation to make the index."""
    place = part.environment
    maker = (
        f"arn:aws:iam::{place.account}:role/"
        f"cdk-hnb659fds-cfn-exec-role-{place.account}-{place.region}"
    )
    return opensearch.CfnAccessPolicy(
        stack,
        "CollectionAccess",
        name=name,
        type="data",
        policy=stack.to_json_string(
            [
                {
                    "Rules": [
                        {
                            "ResourceType": "index",
                            "Resource": [f"index/{name}/{INDEX}"],
                            "Permission": [
                                "aoss:CreateIndex",
                                "aoss:DeleteIndex",
                                "aoss:DescribeIndex",
                                "aoss:ReadDocument",
                                "aoss:UpdateIndex",
                                "aoss:WriteDocument",
                            ],
                        }
                    ],
                    "Principal": [reader.role_arn, maker],
                }
            ]
        ),
    )
