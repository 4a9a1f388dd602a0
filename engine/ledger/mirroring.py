"""What a mirror of the ledger writes to DynamoDB, and what it makes of the answers (pure).

One partition holds one cluster's ledger: an item for the genesis, one for each entry (more for a
long one, as an agent's conviction may be), one that says where it ends, and the seal. Entries are
appended in transactions that move the head from exactly where the writer believes it to be: of two
writers, or of one that does not know what came of its last try, one wins and the other reads the
head again. So each entry is there once, whatever dies.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from engine.codec import Malformed, decode, encode
from engine.consensus.certificate import Seal
from engine.genesis import Genesis
from engine.ledger.export import Export
from engine.vocabulary import Entry

MOST_ENTRIES = 99
"""A transaction has 100 items at most (DynamoDB quotas); the head is one of them."""
MOST_BYTES = 3 << 20
"""And four megabytes, names and numbers included."""
MOST_ITEM_BYTES = 390_000
"""An item has 400 KB at most, names and numbers included."""

Item = Mapping[str, Any]
"""An item in DynamoDB's own form: ``{"name": {"B": ...}}``."""


class Row(NamedTuple):
    """An entry as it is written."""

    number: int
    entry: bytes
    """Encoded."""
    chain: bytes
    received_ms: int


class Head(msgspec.Struct, frozen=True):
    """Where a mirror ends."""

    number: int
    chain: bytes


class Diverged(Exception):
    """The mirror holds another history than this ledger: a person has to look."""


def partition(cluster: bytes) -> str:
    """The partition key of one cluster's ledger."""
    return f"ledger#{cluster.hex()}"


def entry_key(number: int, part: int = 0) -> str:
    """The sort key of one entry's first or a later part: sorts as numbers do."""
    return f"entry#{number:012d}" + (f"#{part}" if part else "")


def first_transaction(table: str, genesis: Genesis) -> list[dict[str, Any]]:
    """What begins a mirror: the genesis, and a head before the first entry."""
    pk = partition(genesis.cluster)
    new = "attribute_not_exists(pk)"
    begin: Item = {"pk": {"S": pk}, "sk": {"S": "genesis"}, "genesis": {"B": encode(genesis)}}
    head: Item = {
        "pk": {"S": pk},
        "sk": {"S": "head"},
        "number": {"N": "0"},
        "chain": {"B": bytes(genesis.cluster)},
    }
    return [
        {"Put": {"TableName": table, "Item": item, "ConditionExpression": new}}
        for item in (begin, head)
    ]


def chunk(rows: Sequence[Row], head: Head) -> list[Row]:
    """As many of ``rows`` as one transaction takes.

    Raises:
        Diverged: they do not follow ``head``.
    """
    taken: list[Row] = []
    size = items = 0
    for expected, row in enumerate(rows, head.number + 1):
        if row.number != expected:
            raise Diverged(f"entry {row.number} stands where {expected} is due")
        parts = len(_parts(row.entry))
        size, items = size + len(row.entry) + 200 * parts, items + parts
        if taken and (size > MOST_BYTES or items > MOST_ENTRIES):
            break
        taken.append(row)
    return taken


def append_transaction(
    table: str, cluster: bytes, head: Head, rows: Sequence[Row]
) -> list[dict[str, Any]]:
    """What appends ``rows`` after ``head``, and nothing if the head is elsewhere."""
    pk = partition(cluster)
    last = rows[-1]
    move = {
        "TableName": table,
        "Key": {"pk": {"S": pk}, "sk": {"S": "head"}},
        "UpdateExpression": "SET #n = :n, #c = :c",
        "ConditionExpression": "#n = :was_n AND #c = :was_c",
        "ExpressionAttributeNames": {"#n": "number", "#c": "chain"},
        "ExpressionAttributeValues": {
            ":n": {"N": str(last.number)},
            ":c": {"B": last.chain},
            ":was_n": {"N": str(head.number)},
            ":was_c": {"B": head.chain},
        },
    }
    new = "attribute_not_exists(pk)"
    puts = [
        {"Put": {"TableName": table, "Item": {"pk": {"S": pk}, **item}, "ConditionExpression": new}}
        for row in rows
        for item in _items(row)
    ]
    return [{"Update": move}, *puts]


def _items(row: Row) -> Iterator[dict[str, Any]]:
    for place, part in enumerate(_parts(row.entry)):
        yield {
            "sk": {"S": entry_key(row.number, place)},
            "entry": {"B": part},
            "chain": {"B": row.chain},
            "received_ms": {"N": str(row.received_ms)},
        }


def _parts(entry: bytes) -> list[bytes]:
    return [entry[at : at + MOST_ITEM_BYTES] for at in range(0, len(entry), MOST_ITEM_BYTES)]


def head_in(item: Item | None) -> Head | None:
    """The head in an item; None where there is no mirror yet.

    Raises:
        Malformed: the item is no head.
    """
    if item is None:
        return None
    try:
        return Head(int(item["number"]["N"]), bytes(item["chain"]["B"]))
    except (KeyError, TypeError, ValueError):
        raise Malformed("the mirror's head is damaged; move the table away") from None


def export_in(items: Iterator[Item]) -> Export:
    """The ledger in a partition's items, in the order of their sort keys; nothing is verified yet.

    Raises:
        Malformed: something is missing or is not what it should be.
    """
    genesis: Genesis | None = None
    seal: Seal | None = None
    entries: dict[str, bytes] = {}
    try:
        for item in items:
            match item["sk"]["S"].split("#"):
                case ["genesis"]:
                    genesis = decode(bytes(item["genesis"]["B"]), Genesis)
                case ["seal"]:
                    seal = decode(bytes(item["seal"]["B"]), Seal)
                case ["entry", number, *_]:
                    entries[number] = entries.get(number, b"") + bytes(item["entry"]["B"])
                case _:
                    pass
    except (KeyError, TypeError) as error:
        raise Malformed(f"an item of the mirror has no {error}") from None
    if genesis is None:
        raise Malformed("the mirror has no genesis")
    return Export(genesis, tuple(decode(entry, Entry) for entry in entries.values()), seal)
