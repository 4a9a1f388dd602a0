"""Checks of what keeps and carries data: DynamoDB, Kinesis, OpenSearch."""

import time
import uuid

from botocore.exceptions import ClientError

from infra.deploy.health.suite import Seen, Sight, Unwell
from infra.deploy.run import Verdict

__all__ = ["dynamodb_canary", "kinesis_round_trip", "opensearch"]

CANARY_LIVES_S = 3600
"""What a check leaves behind when it is killed half-way, DynamoDB forgets by itself."""
READ_FOR_S = 6.0


def dynamodb_canary(sight: Sight) -> Seen:
    """Put a key on the condition that it is new, see the second put refused, read it, delete it."""
    table = sight.names.state_table
    client = sight.cloud.client("dynamodb")
    key = {"key": {"S": f"canary#{uuid.uuid4()}"}}
    written = str(time.time_ns())
    expires = str(int(time.time()) + CANARY_LIVES_S)
    item = {**key, "written": {"S": written}, "expires_at": {"N": expires}}
    new = {
        "ConditionExpression": "attribute_not_exists(#k)",
        "ExpressionAttributeNames": {"#k": "key"},
    }
    client.put_item(TableName=table, Item=item, **new)
    try:
        try:
            client.put_item(TableName=table, Item=item, **new)
        except ClientError as error:
            if error.response["Error"]["Code"] != "ConditionalCheckFailedException":
                raise
        else:
            raise Unwell(f"{table}: a conditional put went through although its key is there")
        read = client.get_item(TableName=table, Key=key, ConsistentRead=True).get("Item", {})
        if read.get("written", {}).get("S") != written:
            raise Unwell(f"{table}: what was written was not read back")
    finally:
        client.delete_item(TableName=table, Key=key)
    if client.get_item(TableName=table, Key=key, ConsistentRead=True).get("Item"):
        raise Unwell(f"{table}: a deleted key is still there")
    return Seen(f"{table}: put, refused a second put, read back, deleted")


def kinesis_round_trip(sight: Sight) -> Seen:
    """Put a record and read the very same back from its shard."""
    stream = sight.names.event_stream
    client = sight.cloud.client("kinesis")
    data = f'{{"kind":"canary","id":"{uuid.uuid4()}"}}'.encode()
    put = client.put_record(StreamName=stream, Data=data, PartitionKey="canary")
    number, shard = put["SequenceNumber"], put["ShardId"]
    iterator = client.get_shard_iterator(
        StreamName=stream,
        ShardId=shard,
        ShardIteratorType="AT_SEQUENCE_NUMBER",
        StartingSequenceNumber=number,
    )["ShardIterator"]
    deadline = time.monotonic() + READ_FOR_S
    while time.monotonic() < deadline:
        answer = client.get_records(ShardIterator=iterator, Limit=25)
        for record in answer["Records"]:
            if record["SequenceNumber"] == number and record["Data"] == data:
                return Seen(f"{stream}: record {number[-8:]} read back from {shard}")
        iterator = answer["NextShardIterator"]
        # Five reads a second is what a shard allows.
        time.sleep(0.25)
    raise Unwell(f"{stream}: record {number} was not read back in {READ_FOR_S:.0f} s")


def opensearch(sight: Sight) -> Seen:
    """The collection is active, and the knowledge base can search it.

    Nobody but Bedrock is let into the collection's network, so Bedrock is what is asked.
    """
    if "AWS::OpenSearchServerless::Collection" not in sight.kinds:
        return Seen("this assembly has no collection", Verdict.NOT_CHECKED)
    client = sight.cloud.client("opensearchserverless")
    name = sight.names.of("kb")
    found = client.batch_get_collection(names=[name])["collectionDetails"]
    if not found:
        raise Unwell(f"there is no collection {name}")
    if found[0]["status"] != "ACTIVE":
        raise Unwell(f"collection {name} is {found[0]['status']}")
    answer = sight.cloud.client("bedrock-agent-runtime").retrieve(
        knowledgeBaseId=sight.output("KnowledgeBaseId"),
        retrievalQuery={"text": "payments does not answer"},
    )
    hits = len(answer["retrievalResults"])
    if sight.environment.emulated:
        evidence = f"collection {name} is ACTIVE; the emulator has no search behind it"
        return Seen(evidence, Verdict.CONTROL_PLANE_ONLY)
    return Seen(f"collection {name} is ACTIVE, the knowledge base finds {hits} passages")
