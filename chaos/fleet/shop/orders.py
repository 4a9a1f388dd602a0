"""Orders: an order is confirmed once its item is reserved and paid, whatever dies in between.

The customer chooses the order's id, so asking again with the same id never orders twice. Each
step is one transaction and idempotent; an order that somebody left half done is taken up again
by the reconciler until it is confirmed, or cancelled because the item is sold out.
"""

import asyncio
import secrets
from collections.abc import Iterable

from aiohttp import web

from chaos.fleet.calls import Caller, CallFailed, Declined
from chaos.fleet.logbook import Logbook
from chaos.fleet.shop.order import Order, order_in
from chaos.fleet.shop.stage import REQUEST_ID_KEY
from chaos.fleet.shop.store import Declines, Store
from chaos.fleet.wiring import Wiring

RECONCILE_EVERY_S = 1.0
ABANDONED_AFTER_S = 3
"""Longer than any request lives: whoever placed it has given up."""
RECONCILE_AT_ONCE = 20

OPEN = """
insert into orders (id, item, state) values ($1, $2, 'pending')
on conflict (id) do update set id = excluded.id returning item, state
"""
CONFIRM = """
update orders set state = 'confirmed' where id = $1 and state = 'pending'
and exists (select 1 from reservations where order_id = $1)
and exists (select 1 from charges where order_id = $1)
returning state
"""
CANCEL = """
update orders set state = 'cancelled' where id = $1 and state = 'pending'
and not exists (select 1 from reservations where order_id = $1)
"""
ABANDONED = """
select o.id, o.item, i.price from orders o join items i on i.id = o.item
where o.state = 'pending' and o.created_at < now() - $1 * interval '1 second'
order by o.created_at limit $2
"""


class Orders:
    """Answers ``POST /orders`` and ``GET /orders/ID``."""

    def __init__(self, store: Store, caller: Caller, log: Logbook) -> None:
        """Keep orders in ``store``; ask inventory and payments through ``caller``."""
        self._store = store
        self._caller = caller
        self._log = log

    def routes(self) -> Iterable[web.RouteDef]:
        """What it answers to."""
        return (web.post("/orders", self._place), web.get("/orders/{id}", self._show))

    async def open(self) -> None:
        """Make the store ready."""
        await self._store.open()

    async def close(self) -> None:
        """Let the store go."""
        await self._store.close()

    async def _show(self, request: web.Request) -> web.Response:
        name = request.match_info["id"]
        row = await self._store.row("select state from orders where id = $1", name)
        if row is None:
            raise web.HTTPNotFound
        return web.json_response({"state": row["state"]})

    async def _place(self, request: web.Request) -> web.Response:
        order = order_in(await request.read())
        try:
            row = await self._store.row(OPEN, order.order, order.item)
        except Declines as error:
            raise Declined(f"no such item: {error}") from None
        if row is None or row["item"] != order.item:
            raise Declined("this id belongs to another order")
        state = row["state"]
        if state == "pending":
            state = await self._advance(order, request[REQUEST_ID_KEY])
        if state == "cancelled":
            raise Declined("cancelled")
        return web.json_response({"state": state})

    async def _advance(self, order: Order, request_id: str) -> str:
        """Reserve, charge and confirm a pending order; gives the state that it arrives at."""
        try:
            await self._caller.post("inventory", "/reservations", request_id, order)
        except Declined:
            await self._store.row(CANCEL, order.order)
            return await self._state(order.order)
        await self._caller.post("payments", "/charges", request_id, order)
        if await self._store.row(CONFIRM, order.order) is not None:
            return "confirmed"
        return await self._state(order.order)

    async def _state(self, name: str) -> str:
        row = await self._store.row("select state from orders where id = $1", name)
        state = "pending" if row is None else str(row["state"])
        if state == "pending":
            raise CallFailed("orders", "still pending")
        return state

    async def background(self) -> None:
        """Take up, one by one, orders that nobody works on any more."""
        while True:
            await asyncio.sleep(RECONCILE_EVERY_S)
            try:
                for row in await self._store.rows(ABANDONED, ABANDONED_AFTER_S, RECONCILE_AT_ONCE):
                    order = Order(row["id"], row["item"], "", row["price"])
                    state = await self._advance(order, secrets.token_hex(8))
                    self._log.write("info", "order reconciled", state=state)
            except CallFailed as error:
                self._log.write(
                    "warning", "reconciling failed", callee=error.callee, reason=error.reason
                )
            except Declined:
                self._log.write("warning", "reconciling declined")


def open_part(wiring: Wiring, caller: Caller, log: Logbook) -> Orders:
    """This service's business."""
    return Orders(Store("orders", wiring), caller, log)
