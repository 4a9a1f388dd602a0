"""Payments: charges each order once, however often it is asked."""

from collections.abc import Iterable

from aiohttp import web

from chaos.fleet.calls import Caller
from chaos.fleet.logbook import Logbook
from chaos.fleet.shop.order import order_in
from chaos.fleet.shop.store import Store
from chaos.fleet.wiring import Wiring

CHARGE = "insert into charges (order_id, amount) values ($1, $2) on conflict do nothing"


class Payments:
    """Answers ``POST /charges`` and ``GET /charges/ORDER``."""

    background = None

    def __init__(self, store: Store) -> None:
        """Keep charges in ``store``."""
        self._store = store

    def routes(self) -> Iterable[web.RouteDef]:
        """What it answers to."""
        return (web.post("/charges", self._charge), web.get("/charges/{order}", self._show))

    async def open(self) -> None:
        """Make the store ready."""
        await self._store.open()

    async def close(self) -> None:
        """Let the store go."""
        await self._store.close()

    async def _charge(self, request: web.Request) -> web.Response:
        order = order_in(await request.read())
        await self._store.row(CHARGE, order.order, order.price)
        return web.json_response({"state": "charged"})

    async def _show(self, request: web.Request) -> web.Response:
        name = request.match_info["order"]
        row = await self._store.row("select amount from charges where order_id = $1", name)
        if row is None:
            raise web.HTTPNotFound
        return web.json_response({"price": row["amount"]})


def open_part(wiring: Wiring, _: Caller, __: Logbook) -> Payments:
    """This service's business."""
    return Payments(Store("payments", wiring))
