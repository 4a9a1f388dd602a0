"""Who gets in: decided before the upgrade, by name, origin, token and number; and the plain pages."""

import asyncio
import resource
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from websockets.http11 import Request, Response
from websockets.server import ServerProtocol

from engine.stream.access import Grant, Listen, check, shown_token
from engine.stream.fanout import Counters
from engine.stream.issued import Revocations
from engine.stream.metrics import CONTENT_TYPE, Metric, exposition
from engine.stream.peer import Peer

SPARE_DESCRIPTORS = 64
"""Left to the rest of the process when every other one is a screen."""
STALE_S = 5.0
"""An engine that has published nothing for so long is not well."""

REVOKED_S = 0.5
"""How soon a token that was taken back is noticed."""
UNAUTHORISED = 4401
"""Closes a connection whose token has lost its force (an application's code, RFC 6455, 7.4.2)."""


class Door:
    """Admits clients, and answers ``/healthz`` and ``/metrics``."""

    def __init__(
        self,
        token: str,
        listen: Listen,
        counters: Counters,
        metrics: Callable[[], Iterable[Metric]],
        revoked: Path | None = None,
    ) -> None:
        self._token = token
        self._listen = listen
        self._counters = counters
        self._metrics = metrics
        self._revocations = Revocations(revoked)
        self._limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1] - SPARE_DESCRIPTORS
        self._open: set[Peer] = set()
        self._left = asyncio.Event()
        self.published_s = time.monotonic()
        """When the engine last published something."""

    @property
    def open(self) -> int:
        """Connections that are open, admitted or not."""
        return len(self._open)

    def opened(self, peer: Peer) -> None:
        """A connection has come up."""
        self._open.add(peer)
        if len(self._open) > self._limit:
            self._counters.refused += 1
            peer.transport.abort()

    def closed(self, peer: Peer) -> None:
        """A connection has gone."""
        self._open.discard(peer)
        self._left.set()

    async def dismiss_revoked(self) -> None:
        """Close the connections of tokens that are revoked, soon after that; until cancelled."""
        while True:
            await asyncio.sleep(REVOKED_S)
            if self._revocations.refresh():
                for peer in self._open:
                    if peer.grant in self._revocations:
                        peer.close(UNAUTHORISED, "the token was revoked")

    def close_all(self, code: int, reason: str) -> None:
        """Say goodbye to everybody; who has not even been admitted is cut off."""
        for peer in self._open:
            peer.close(code, reason)

    async def empty(self) -> None:
        """Wait until everybody has gone."""
        while self._open:
            self._left.clear()
            await self._left.wait()

    def admit(self, protocol: ServerProtocol, request: Request) -> Grant | Response:
        """Only who names us rightly, comes from where he may, and knows a token gets any further."""
        headers = request.headers
        hosts = headers.get_all("Host")
        if len(hosts) != 1 or not self._listen.answers_to(hosts[0]):
            return self._refuse(protocol, "this engine does not answer to that host name\n")
        origins = headers.get_all("Origin")
        if any(origin not in self._listen.origins for origin in origins):
            return self._refuse(protocol, "web pages of that origin may not connect\n")
        path = request.path.partition("?")[0]
        if path == "/healthz":
            return self._health(protocol)
        grant = self._grant(request)
        if grant is None:
            self._counters.unauthorised += 1
            return protocol.reject(401, "wrong, expired or missing bearer token\n")
        if path == "/metrics":
            return self._exposed(protocol)
        if path != "/":
            return protocol.reject(404, "there are /, /healthz and /metrics\n")
        return grant

    def _refuse(self, protocol: ServerProtocol, why: str) -> Response:
        self._counters.refused += 1
        return protocol.reject(403, why)

    def _grant(self, request: Request) -> Grant | None:
        offered = ",".join(request.headers.get_all("Sec-WebSocket-Protocol"))
        shown = shown_token(
            request.headers.get_all("Authorization"), [name.strip() for name in offered.split(",")]
        )
        if shown is None:
            return None
        grant = check(self._token, shown, int(time.time() * 1000))
        self._revocations.refresh()
        return None if grant is None or grant in self._revocations else grant

    def _health(self, protocol: ServerProtocol) -> Response:
        age_s = time.monotonic() - self.published_s
        well = age_s < STALE_S
        said = f"{'ok' if well else 'stale'}: published {age_s:.1f} s ago\n"
        return protocol.reject(200 if well else 503, said)

    def _exposed(self, protocol: ServerProtocol) -> Response:
        response = protocol.reject(200, exposition(self._metrics()))
        del response.headers["Content-Type"]
        response.headers["Content-Type"] = CONTENT_TYPE
        return response
