"""What a service of the shop works with: its callees, its store, its log, its routes."""

import asyncio
import importlib
from collections.abc import Awaitable, Callable, Iterable
from typing import Protocol, cast

from aiohttp import web

from chaos.fleet.calls import Caller
from chaos.fleet.logbook import Logbook
from chaos.fleet.wiring import Wiring

REQUEST_ID_KEY = "request_id"
"""Where a request carries its id."""

Background = Callable[[], Awaitable[None]]


class Part(Protocol):
    """The business of one service."""

    def routes(self) -> Iterable[web.RouteDef]:
        """What it answers to."""
        ...

    async def open(self) -> None:
        """Make its store ready; it may be away."""
        ...

    async def close(self) -> None:
        """Let its store go."""
        ...

    @property
    def background(self) -> Background | None:
        """What it does besides answering, for as long as it lives."""
        ...


class Stage:
    """The part that a service plays, with its background work."""

    def __init__(self, part: Part) -> None:
        """Play ``part``."""
        self._part = part
        self._background: asyncio.Task[None] | None = None

    @classmethod
    def of(cls, name: str, wiring: Wiring, caller: Caller, log: Logbook) -> "Stage":
        """The stage of the service ``name``; loads the code of that service only."""
        module = importlib.import_module(f"chaos.fleet.shop.{name}")
        return cls(cast(Part, module.open_part(wiring, caller, log)))

    async def open(self) -> list[web.RouteDef]:
        """Open the store, start the background work, and give the routes."""
        await self._part.open()
        if self._part.background is not None:
            self._background = asyncio.ensure_future(self._part.background())
        return list(self._part.routes())

    async def close(self) -> None:
        """Stop the background work and close the store."""
        if self._background is not None:
            self._background.cancel()
            await asyncio.wait([self._background])
        await self._part.close()
