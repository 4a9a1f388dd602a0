"""Inventory: what is in stock; a reservation and its stock are one transaction."""

import asyncio
from collections.abc import Iterable

from aiohttp import web

from chaos.fleet.calls import Caller, CallFailed, Declined
from chaos.fleet.logbook import Logbook
from chaos.fleet.shop.order import item_of, order_in
from chaos.fleet.shop.store import Declines, Store
from chaos.fleet.wiring import Wiring

RELEASE_EVERY_S = 5.0

RESERVE = """
with placed as (
    insert into reservations (order_id, item) values ($1, $2)
    on conflict (order_id) do nothing returning item
)
update items set stock = stock - 1 where id = (select item from placed) returning stock
"""
RELEASE = """
with gone as (
    delete from reservations r using orders o
    where o.id = r.order_id and o.state = 'cancelled' returning r.item
)
update items i set stock = i.stock + g.n
from (select item, count(*) as n from gone group by item) g where i.id = g.item
returning i.id
"""


class Inventory:
    """Answers ``POST /reservations`` and ``GET /stock/N``."""

    def __init__(self, store: Store, log: Logbook) -> None:
        """Keep stock in ``store``."""
        self._store = store
        self._log = log

    def routes(self) -> Iterable[web.RouteDef]:
        """What it answers to."""
        return (web.post("/reservations", self._reserve), web.get("/stock/{item}", self._stock))

    async def open(self) -> None:
        """Make the store ready."""
        await self._store.open()

    async def close(self) -> None:
        """Let the store go."""
        await self._store.close()

    async def _reserve(self, request: web.Request) -> web.Response:
        order = order_in(await request.read())
        try:
            await self._store.row(RESERVE, order.order, order.item)
        except Declines as error:
            # The stock may not fall below zero, so a sold-out item undoes its reservation too.
            raise Declined(f"not reserved: {error}") from None
        return web.json_response({"state": "reserved"})

    async def _stock(self, request: web.Request) -> web.Response:
        row = await self._store.row("select stock from items where id = $1", item_of(request))
        if row is None:
            raise web.HTTPNotFound
        return web.json_response({"stock": row["stock"]})

    async def background(self) -> None:
        """Give back what is reserved for orders that were cancelled meanwhile."""
        while True:
            await asyncio.sleep(RELEASE_EVERY_S)
            try:
                for _ in await self._store.rows(RELEASE):
                    self._log.write("info", "reservations released")
            except CallFailed as error:
                self._log.write(
                    "warning", "releasing failed", callee=error.callee, reason=error.reason
                )


def open_part(wiring: Wiring, _: Caller, log: Logbook) -> Inventory:
    """This service's business."""
    return Inventory(Store("inventory", wiring), log)
