"""What requests to the shop carry: an order, or the number of an item."""

import re

import msgspec
from aiohttp import web

ITEMS = 500
"""The shop sells items 1 to this."""
NAME = re.compile(r"[a-z0-9-]{1,40}\Z")


class Order(msgspec.Struct, frozen=True):
    """What a customer wants; ``order`` is the id that he chose."""

    order: str
    item: int
    customer: str = ""
    price: int = 0


_decoder = msgspec.json.Decoder(Order)


def order_in(body: bytes) -> Order:
    """The order that a request carries; answers 400 when it carries none."""
    try:
        order = _decoder.decode(body)
    except msgspec.DecodeError as error:
        raise web.HTTPBadRequest(text=f"no order: {error}") from None
    if not NAME.match(order.order) or not 0 < order.item < 1_000_000:
        raise web.HTTPBadRequest(text="no order: its id or item is out of range")
    if not 0 <= order.price < 1_000_000_000:
        raise web.HTTPBadRequest(text="no order: its price is out of range")
    return order


def item_of(request: web.Request) -> int:
    """The item that a request's path names; 404 when it is no number of the shop's range."""
    text = request.match_info["item"]
    if not (text.isascii() and text.isdigit() and len(text) <= 6):
        raise web.HTTPNotFound
    return int(text)
