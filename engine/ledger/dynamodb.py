"""Copies the ledger to a DynamoDB table, and reads it back (a shell).

The local ledger is the queue: nothing waits in memory, so an outage of any length costs nothing but
lag, and a crash at any point is continued from what the table itself says.
"""

import asyncio
import random
from collections.abc import Iterator

from engine.aws.circuit import Circuit
from engine.aws.clients import AWS_ERRORS, Client, code_of
from engine.clock import Clock
from engine.codec import encode
from engine.consensus.certificate import Seal
from engine.ledger.export import Export
from engine.ledger.mirroring import (
    MOST_ENTRIES,
    Diverged,
    Head,
    Item,
    Row,
    append_transaction,
    chunk,
    export_in,
    first_transaction,
    head_in,
    partition,
)
from engine.ledger.sqlite import SqliteLedger

LOOK_EVERY_S = 0.2
"""Between two looks at a ledger that had nothing new."""
_MOVED = frozenset({"TransactionCanceledException", "ConditionalCheckFailedException"})
"""Somebody else, or our own last try, was there first."""


class Mirror:
    """One ledger's copy in one table."""

    def __init__(
        self, client: Client, table: str, ledger: SqliteLedger, clock: Clock, rng: random.Random
    ) -> None:
        self.circuit = Circuit()
        self.head: Head | None = None
        """Where the copy ends, as far as is known; None before it was asked."""
        self._client = client
        self._table = table
        self._ledger = ledger
        self._clock = clock
        self._rng = rng
        self._cluster = ledger.genesis.cluster
        self._sealed = -1

    @property
    def lag(self) -> int:
        """Entries that are not copied yet."""
        return self._ledger.head[0] - (0 if self.head is None else self.head.number)

    async def run(self) -> None:
        """Copy until cancelled.

        Raises:
            Diverged: the table holds another history than the ledger.
        """
        while True:
            now_s = self._clock.monotonic_ns() / 1e9
            if not self.circuit.may_ask(now_s):
                await asyncio.sleep(max(0.01, self.circuit.wait_s(now_s)))
                continue
            if not await self.step():
                await asyncio.sleep(LOOK_EVERY_S)

    async def step(self) -> bool:
        """Do the next thing; whether there may be more to do at once.

        Raises:
            Diverged: the table holds another history than the ledger.
        """
        try:
            more = await self._next()
        except AWS_ERRORS as error:
            # What came of it is not known: the table itself will say.
            self.head = None
            if code_of(error) in _MOVED:
                return True
            now_s = self._clock.monotonic_ns() / 1e9
            self.circuit.failed(now_s, self._rng.random(), f"{code_of(error)}: {error}")
            return False
        self.circuit.answered()
        return more

    async def _next(self) -> bool:
        if self.head is None:
            head = await asyncio.to_thread(self._ask_head)
            if head.number > self._ledger.head[0]:
                return False  # The ledger is being fetched again; the copy waits for it.
            if self._ledger.chain_at(head.number) != head.chain:
                raise Diverged(
                    f"table {self._table}: entry {head.number} is not the one of this ledger; "
                    "another cluster's history, or a forged one"
                )
            self.head = head
            return True
        rows = [Row(*row) for row in self._ledger.read_rows(self.head.number + 1, MOST_ENTRIES)]
        if rows:
            taken = chunk(rows, self.head)
            await asyncio.to_thread(self._append, self.head, taken)
            self.head = Head(taken[-1].number, taken[-1].chain)
            return True
        seal = self._ledger.seal
        if seal is not None and seal.sequence_number == self.head.number > self._sealed:
            await asyncio.to_thread(self._put_seal, seal)
            self._sealed = seal.sequence_number
        return False

    # --- in a thread of its own -------------------------------------------------------------------

    def _ask_head(self) -> Head:
        key = {"pk": {"S": partition(self._cluster)}, "sk": {"S": "head"}}
        found = self._client.get_item(TableName=self._table, Key=key, ConsistentRead=True)
        head = head_in(found.get("Item"))
        if head is None:
            first = first_transaction(self._table, self._ledger.genesis)
            self._client.transact_write_items(TransactItems=first)
            return Head(0, bytes(self._cluster))
        return head

    def _append(self, head: Head, rows: list[Row]) -> None:
        self._client.transact_write_items(
            TransactItems=append_transaction(self._table, self._cluster, head, rows),
        )

    def _put_seal(self, seal: Seal) -> None:
        pk, sk = {"S": partition(self._cluster)}, {"S": "seal"}
        self._client.put_item(
            TableName=self._table, Item={"pk": pk, "sk": sk, "seal": {"B": encode(seal)}}
        )


def read_mirror(client: Client, table: str, cluster: bytes) -> Export:
    """The ledger of ``cluster`` in ``table``, not verified yet.

    Raises:
        Malformed: it is damaged, or there is none.
        BotoCoreError, ClientError: the table cannot be read.
    """
    return export_in(_items(client, table, partition(cluster)))


def clusters_in(client: Client, table: str) -> list[bytes]:
    """The clusters whose ledgers ``table`` holds.

    Raises:
        BotoCoreError, ClientError: the table cannot be read.
    """
    pages = client.get_paginator("scan").paginate(
        TableName=table,
        FilterExpression="sk = :s",
        ExpressionAttributeValues={":s": {"S": "head"}},
        ProjectionExpression="pk",
    )
    keys = [item["pk"]["S"] for page in pages for item in page["Items"]]
    return [bytes.fromhex(key.removeprefix("ledger#")) for key in sorted(keys)]


def _items(client: Client, table: str, pk: str) -> Iterator[Item]:
    pages = client.get_paginator("query").paginate(
        TableName=table,
        KeyConditionExpression="pk = :p",
        ExpressionAttributeValues={":p": {"S": pk}},
        ConsistentRead=True,
    )
    for page in pages:
        yield from page["Items"]
