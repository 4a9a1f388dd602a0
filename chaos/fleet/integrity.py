"""Reads what the customers' logs and the database say, past all services and proxies.

The logs are read before the database, so that whatever they call acknowledged must be confirmed
there.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from chaos.integrity import Integrity, told

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
