"""Who gets in: decided before the upgrade, by name, origin, token and number; and the plain pages."""

import asyncio
import resource
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from websockets.asyncio.server import Server, ServerConnection
from websockets.http11 import Request, Response

from engine.stream.access import Grant, Listen, Scope, check, shown_token
from engine.stream.fanout import Counters
from engine.stream.metrics import CONTENT_TYPE, Metric, exposition

if TYPE_CHECKING:
    from engine.stream.client import Client

SPARE_DESCRIPTORS = 64
"""Left to the rest of the process when every other one is a screen."""
STALE_S = 5.0
"""An engine that has published nothing for so long is not well."""


class Connection(ServerConnection):
    """A connection that counts from its first byte: nobody may fill the process's table."""

    # Three more keys in its dictionary would cost 1.5 kB a client.
    __slots__ = ("client", "door", "grant")

    door: "Door"
    grant: Grant
    """What its token gives; set when it is admitted."""
    client: "Client | None"
    """Who is served through it, once somebody is."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Count it; one too many goes at once."""
        super().connection_made(transport)
        self.door.opened(self)

    def send_data(self) -> None:
        """Write what the protocol has to say (a reply, a pong, a close): it may have to wait."""
        if self.client is not None:
            self.client.quiet = False
        super().send_data()

    def connection_lost(self, exc: Exception | None) -> None:
        """Count it no more; from now on its descriptor may be another's."""
        if self.client is not None:
            self.client.quiet = False
        self.door.closed(self)
        super().connection_lost(exc)


class Door:
    """Admits clients, and answers ``/healthz`` and ``/metrics``."""

    def __init__(
        self,
        token: str,
        listen: Listen,
        counters: Counters,
        metrics: Callable[[], Iterable[Metric]],
    ) -> None:
        self._token = token
        self._listen = listen
        self._counters = counters
        self._metrics = metrics
        self._limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1] - SPARE_DESCRIPTORS
        self._open: set[Connection] = set()
        self.published_s = time.monotonic()
        """When the engine last published something."""

    @property
    def open(self) -> int:
        """Connections that are open, admitted or not."""
        return len(self._open)

    def connection(self, protocol: Any, server: Server, **more: Any) -> ServerConnection:  # noqa: ANN401 -- as the library calls it
        """A connection that this door counts."""
        made = Connection(protocol, server, **more)
        made.door = self
        made.grant = Grant(Scope.VIEWER)
        made.client = None
        return made

    def opened(self, connection: Connection) -> None:
        """A connection has come up."""
        self._open.add(connection)
        if len(self._open) > self._limit:
            self._counters.refused += 1
            connection.transport.abort()

    def closed(self, connection: Connection) -> None:
        """A connection has gone."""
        self._open.discard(connection)

    def admit(self, connection: ServerConnection, request: Request) -> Response | None:
        """Only who names us rightly, comes from where he may, and knows a token gets any further."""
        headers = request.headers
        if not self._listen.answers_to(headers.get("Host", "")):
            return self._refuse(connection, "this engine does not answer to that host name\n")
        origins = headers.get_all("Origin")
        if any(origin not in self._listen.origins for origin in origins):
            return self._refuse(connection, "web pages of that origin may not connect\n")
        path = request.path.partition("?")[0]
        if path == "/healthz":
            return self._health(connection)
        grant = self._grant(request)
        if grant is None:
            self._counters.unauthorised += 1
            return connection.respond(401, "wrong, expired or missing bearer token\n")
        if path == "/metrics":
            return self._exposed(connection)
        if path != "/":
            return connection.respond(404, "there are /, /healthz and /metrics\n")
        assert isinstance(connection, Connection)
        connection.grant = grant
        return None

    def _refuse(self, connection: ServerConnection, why: str) -> Response:
        self._counters.refused += 1
        return connection.respond(403, why)

    def _grant(self, request: Request) -> Grant | None:
        offered = ",".join(request.headers.get_all("Sec-WebSocket-Protocol"))
        shown = shown_token(
            request.headers.get_all("Authorization"), [name.strip() for name in offered.split(",")]
        )
        return None if shown is None else check(self._token, shown, int(time.time() * 1000))

    def _health(self, connection: ServerConnection) -> Response:
        age_s = time.monotonic() - self.published_s
        well = age_s < STALE_S
        said = f"{'ok' if well else 'stale'}: published {age_s:.1f} s ago\n"
        return connection.respond(200 if well else 503, said)

    def _exposed(self, connection: ServerConnection) -> Response:
        response = connection.respond(200, exposition(self._metrics()))
        del response.headers["Content-Type"]
        response.headers["Content-Type"] = CONTENT_TYPE
        return response
