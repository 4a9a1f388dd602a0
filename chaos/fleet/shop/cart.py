"""Cart: what each customer has looked at, kept in Redis, forgotten after a while."""

from collections.abc import Iterable

import redis.asyncio
from aiohttp import web
from redis.exceptions import RedisError

from chaos.fleet.calls import Caller, CallFailed
from chaos.fleet.logbook import Logbook
from chaos.fleet.wiring import LOOPBACK, Wiring

MAX_ENTRIES = 20
KEEP_S = 600
MAX_CONNECTIONS = 8
MAX_BODY_BYTES = 1_024


class Cart:
    """Answers ``GET`` and ``POST /carts/CUSTOMER``."""

    background = None

    def __init__(self, wiring: Wiring) -> None:
        """Use the Redis of ``wiring``, through the proxy on the link."""
        self._redis = redis.asyncio.Redis(
            host=LOOPBACK,
            port=wiring.link("cart", "redis"),
            password=wiring.redis_password,
            socket_timeout=1.0,
            socket_connect_timeout=1.0,
            max_connections=MAX_CONNECTIONS,
        )

    def routes(self) -> Iterable[web.RouteDef]:
        """What it answers to."""
        return (
            web.get("/carts/{customer:[a-z0-9-]{1,40}}", self._show),
            web.post("/carts/{customer:[a-z0-9-]{1,40}}", self._add),
        )

    async def open(self) -> None:
        """It connects when it is first asked."""

    async def close(self) -> None:
        """Let the store go."""
        await self._redis.aclose()

    async def _show(self, request: web.Request) -> web.Response:
        name = f"cart:{request.match_info['customer']}"
        try:
            length = await self._redis.llen(name)
        except TimeoutError:
            raise CallFailed("redis", "timed out") from None
        except (RedisError, OSError):
            raise CallFailed("redis", "connection failed") from None
        return web.json_response({"entries": length})

    async def _add(self, request: web.Request) -> web.Response:
        entry = await request.read()
        if len(entry) > MAX_BODY_BYTES:
            raise web.HTTPRequestEntityTooLarge(MAX_BODY_BYTES, len(entry))
        name = f"cart:{request.match_info['customer']}"
        try:
            async with self._redis.pipeline(transaction=False) as pipeline:
                pipeline.lpush(name, entry)
                pipeline.ltrim(name, 0, MAX_ENTRIES - 1)
                pipeline.expire(name, KEEP_S)
                await pipeline.execute()
        except TimeoutError:
            raise CallFailed("redis", "timed out") from None
        except (RedisError, OSError):
            raise CallFailed("redis", "connection failed") from None
        return web.json_response({"state": "kept"})


def open_part(wiring: Wiring, _: Caller, __: Logbook) -> Cart:
    """This service's business."""
    return Cart(wiring)
