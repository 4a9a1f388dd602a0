"""Catalog: what the shop sells, and for how much."""

from collections.abc import Iterable

from aiohttp import web

from chaos.fleet.calls import Caller
from chaos.fleet.logbook import Logbook
from chaos.fleet.shop.order import item_of
from chaos.fleet.shop.store import Store
from chaos.fleet.wiring import Wiring


class Catalog:
    """Answers ``GET /items/N``."""

    background = None

    def __init__(self, store: Store) -> None:
        """Read from ``store``."""
        self._store = store

    def routes(self) -> Iterable[web.RouteDef]:
        """What it answers to."""
        return (web.get("/items/{item}", self._item),)

    async def open(self) -> None:
        """Make the store ready."""
        await self._store.open()

    async def close(self) -> None:
        """Let the store go."""
        await self._store.close()

    async def _item(self, request: web.Request) -> web.Response:
        item = item_of(request)
        row = await self._store.row("select name, price from items where id = $1", item)
        if row is None:
            raise web.HTTPNotFound
        return web.json_response({"item": item, "name": row["name"], "price": row["price"]})


def open_part(wiring: Wiring, _: Caller, __: Logbook) -> Catalog:
    """This service's business."""
    return Catalog(Store("catalog", wiring))
