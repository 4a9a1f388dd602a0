"""Whether what customers were told is what the database holds: read past all services and proxies.

A customer's log says which orders he asked for and what he was told. Read before the database, so
that whatever it calls acknowledged must be confirmed there.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from chaos.fleet.stores import Postgres

MAX_LOG_BYTES = 256 << 20

COUNTS = """
select
    (select count(*) from orders where state = 'confirmed') as confirmed,
    (select count(*) from orders where state = 'pending') as pending,
    (select count(*) from reservations) as reserved,
    (select count(*) from charges) as charged,
    (select $1::bigint - sum(stock) from items) as taken,
    (select count(*) from orders o where state = 'confirmed' and not exists
        (select 1 from reservations r where r.order_id = o.id and r.item = o.item)) as unreserved
"""
CONFIRMED = "select id from orders where state = 'confirmed'"


class OrderNote(msgspec.Struct, frozen=True):
    """One line of a customer's log."""

    order: str
    told: str
    """``asked``, ``acknowledged``, ``declined`` or ``given-up``."""


class Integrity(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The counts of one look, all in one snapshot of the database."""

    orders_acknowledged: int
    orders_lost: int
    """Acknowledged to a customer and not confirmed in the database: must be 0 at any time."""
    orders_unsettled: int
    """Asked for, and the customer does not know yet."""
    orders_confirmed: int
    orders_pending: int
    reserved: int
    charged: int
    stock_taken: int
    unreserved: int
    """Confirmed without a reservation of that item: must be 0 at any time."""

    @property
    def sound(self) -> bool:
        """What holds at any time, under load and under faults too."""
        return (
            self.orders_lost == 0
            and self.unreserved == 0
            and self.reserved == self.stock_taken
            and self.orders_confirmed <= self.reserved
        )

    @property
    def quiet(self) -> bool:
        """Whether nothing is under way any more."""
        return self.orders_unsettled == 0 and self.orders_pending == 0

    @property
    def equal(self) -> bool:
        """What holds once it is quiet: acknowledged = confirmed = reserved = taken = charged."""
        counts = {self.orders_acknowledged, self.orders_confirmed, self.reserved}
        return self.sound and len(counts | {self.stock_taken, self.charged}) == 1


_decoder = msgspec.json.Decoder(OrderNote)


def told(lines: Iterable[bytes]) -> tuple[set[str], set[str]]:
    """Orders that were acknowledged, and those that their customer still wonders about (pure)."""
    acknowledged: set[str] = set()
    wondering: set[str] = set()
    for line in lines:
        try:
            note = _decoder.decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError):
            continue
        if note.told == "asked":
            wondering.add(note.order)
        else:
            wondering.discard(note.order)
        if note.told == "acknowledged":
            acknowledged.add(note.order)
    return acknowledged, wondering


def customer_logs(fleet: Path) -> tuple[Path, ...]:
    """The logs of everybody who orders."""
    return fleet / "orders-load.log", fleet / "orders-probe.log"


async def check(fleet: Path, postgres: "Postgres", initial_stock: int) -> Integrity:
    """Compare the customers' logs with the database.

    Raises:
        OSError: the database cannot be reached.
    """
    lines: list[bytes] = []
    for path in customer_logs(fleet):
        if path.exists():
            with path.open("rb") as file:
                lines += file.read(MAX_LOG_BYTES).split(b"\n")
    acknowledged, wondering = told(lines)
    connection = await postgres.connect()
    try:
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            counts = await connection.fetchrow(COUNTS, initial_stock)
            confirmed = {row["id"] for row in await connection.fetch(CONFIRMED)}
    finally:
        connection.terminate()
    return Integrity(
        orders_acknowledged=len(acknowledged),
        orders_lost=len(acknowledged - confirmed),
        orders_unsettled=len(wondering),
        orders_confirmed=counts["confirmed"],
        orders_pending=counts["pending"],
        reserved=counts["reserved"],
        charged=counts["charged"],
        stock_taken=int(counts["taken"]),
        unreserved=counts["unreserved"],
    )
