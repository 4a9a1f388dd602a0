"""Gateway: where customers come in."""

from collections.abc import Iterable

import msgspec
from aiohttp import web

from chaos.fleet.calls import Caller
from chaos.fleet.logbook import Logbook
from chaos.fleet.shop.order import Order, item_of, order_in
from chaos.fleet.shop.stage import REQUEST_ID_KEY
from chaos.fleet.wiring import Wiring


class Basket(msgspec.Struct, frozen=True):
    """What the gateway asks the cart to keep."""

    item: int


class Gateway:
    """Answers ``GET /browse/N`` and ``POST /checkout``."""

    background = None

    def __init__(self, caller: Caller) -> None:
        """Ask the other services through ``caller``."""
        self._caller = caller

    def routes(self) -> Iterable[web.RouteDef]:
        """What it answers to."""
        return (web.get("/browse/{item}", self._browse), web.post("/checkout", self._checkout))

    async def open(self) -> None:
        """It has no store."""

    async def close(self) -> None:
        """It has no store."""

    async def _browse(self, request: web.Request) -> web.Response:
        item = item_of(request)
        found = await self._caller.get("catalog", f"/items/{item}", request[REQUEST_ID_KEY])
        return web.json_response({"item": item, "price": found.price})

    async def _checkout(self, request: web.Request) -> web.Response:
        order = order_in(await request.read())
        request_id = request[REQUEST_ID_KEY]
        found = await self._caller.get("catalog", f"/items/{order.item}", request_id)
        basket = Basket(order.item)
        await self._caller.post("cart", f"/carts/{order.customer}", request_id, basket)
        priced = Order(order.order, order.item, order.customer, found.price)
        done = await self._caller.post("orders", "/orders", request_id, priced)
        return web.json_response({"order": order.order, "state": done.state})


def open_part(_: Wiring, caller: Caller, __: Logbook) -> Gateway:
    """This service's business."""
    return Gateway(caller)
