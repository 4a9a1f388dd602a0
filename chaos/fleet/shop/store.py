"""The shop's PostgreSQL: its tables, and a bounded way to it that survives its absence."""

from typing import Any

import asyncpg

from chaos.fleet.calls import CallFailed
from chaos.fleet.wiring import DATABASE, LOOPBACK, Wiring

INITIAL_STOCK = 10_000_000
"""Never sold out within a run; selling out is covered by a test of its own."""

SCHEMA = """
create table items (
    id int primary key, name text not null, price int not null,
    stock int not null check (stock >= 0)
);
create table orders (
    id text primary key, item int not null references items, state text not null,
    created_at timestamptz not null default now(),
    check (state in ('pending', 'confirmed', 'cancelled'))
);
create index orders_pending on orders (created_at) where state = 'pending';
create table reservations (order_id text primary key, item int not null references items);
create table charges (order_id text primary key, amount int not null);
"""
GOODS = """
insert into items
    select n, 'item ' || n, 100 + n % 900, $2 from generate_series(1, $1::int) n
"""

MAX_CONNECTIONS = 4
WITHIN_S = 1.0

Row = Any
"""A row of asyncpg, which has no types."""


class Declines(Exception):
    """The database refuses for a reason that lies in the data."""


class Store:
    """One service's few connections to PostgreSQL, through the proxy on its link."""

    def __init__(self, service: str, wiring: Wiring) -> None:
        """Use the link from ``service``; nothing is connected yet."""
        self._port = wiring.link(service, "postgres")
        self._password = wiring.postgres_password
        self._pool: Any = None  # asyncpg has no types

    async def open(self) -> None:
        """Make the pool; it connects when it is first asked."""
        self._pool = await asyncpg.create_pool(
            host=LOOPBACK,
            port=self._port,
            user=DATABASE,
            database=DATABASE,
            password=self._password,
            ssl=False,
            min_size=0,
            max_size=MAX_CONNECTIONS,
            max_inactive_connection_lifetime=60,
            timeout=WITHIN_S,
            command_timeout=WITHIN_S,
        )

    async def row(self, statement: str, *arguments: object) -> Row | None:
        """The first row of one statement, which is one transaction.

        Raises:
            CallFailed: the database is away, slow or broken.
            Declines: it refuses because of the data.
        """
        rows = await self.rows(statement, *arguments)
        return rows[0] if rows else None

    async def rows(self, statement: str, *arguments: object) -> list[Row]:
        """All rows of one statement; raises as ``row`` does."""
        try:
            async with self._pool.acquire(timeout=WITHIN_S) as connection:
                return list(await connection.fetch(statement, *arguments))
        except asyncpg.IntegrityConstraintViolationError as error:
            raise Declines(type(error).__name__) from None
        except TimeoutError:
            raise CallFailed("postgres", "timed out") from None
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
            raise CallFailed("postgres", "connection failed") from None

    async def close(self) -> None:
        """End the connections, without waiting for what they do."""
        if self._pool is not None:
            self._pool.terminate()
