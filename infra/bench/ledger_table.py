"""A table for the ledger's copy."""

from infra.target import AwsClient

__all__ = ["make_ledger_table"]


def make_ledger_table(client: AwsClient, name: str) -> None:
    """Make it with the keys that the stack Storage gives it."""
    client.create_table(
        TableName=name,
        AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"} for key in ("pk", "sk")],
        KeySchema=[
            {"AttributeName": "pk", "KeyType": "HASH"},
            {"AttributeName": "sk", "KeyType": "RANGE"},
        ],
        BillingMode="PAY_PER_REQUEST",
    )
