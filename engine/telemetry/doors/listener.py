"""The doors at which others knock: OTLP/HTTP and Alertmanager's webhook on one port (a shell).

Loopback unless TLS is given, a bearer token from a 0600 file, bodies and what they unpack to
bounded, a slow or idle caller cut off, and a full intake answered with 503 and ``Retry-After`` as
the OTLP specification wants it, so that the sender keeps what we cannot take.
"""

import asyncio
import hmac
import ssl
import zlib
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress

from aiohttp import web

from engine.clock import Clock
from engine.codec import Malformed
from engine.stream.access import Listen
from engine.telemetry.doors import alertmanager, otlp
from engine.telemetry.doors.intake import Intake
from engine.telemetry.records import Batch

MAX_BODY_BYTES = 4 << 20
"""Of a request, packed."""
MAX_UNPACKED_BYTES = 16 << 20
"""Of the same, unpacked: a small bomb stays a small bomb."""
MAX_CONNECTIONS = 64
IDLE_S = 15.0
"""A connection on which nothing whole has come for this long is closed."""
READ_S = 10.0
"""A body has to arrive within this time."""
RETRY_AFTER_S = "1"
PROTOBUF = "application/x-protobuf"
JSON = "application/json"
GZIP_WINDOW = 16 + zlib.MAX_WBITS


class Doors:
    """Answers requests; what they held goes into ``intake``."""

    def __init__(self, intake: Intake, token: str, listen: Listen, clock: Clock) -> None:
        self.intake = intake
        self.turned_away = 0
        """Requests refused for their token, host, size, form, or time."""
        self.connections_refused = 0
        self._token = token
        self._listen = listen
        self._clock = clock
        self._heard: dict[web.RequestHandler, float] = {}
        """When each open connection last brought something whole."""
        self._server = web.Server(self._serve, access_log=None, auto_decompress=False)

    @property
    def connections(self) -> int:
        """How many are open."""
        return len(self._server.connections)

    def protocol(self) -> asyncio.Protocol:
        """What serves the next connection; one too many is closed as it opens."""
        if self.connections >= MAX_CONNECTIONS:
            self.connections_refused += 1
            return _Closed()
        handler = self._server()
        self._heard[handler] = self._now_s()
        return handler

    async def watch(self) -> None:
        """Close connections that bring nothing, until cancelled."""
        while True:
            await asyncio.sleep(1.0)
            limit = self._now_s() - IDLE_S
            for handler, heard in list(self._heard.items()):
                if handler not in self._server.connections:
                    del self._heard[handler]
                elif heard < limit:
                    self.turned_away += 1
                    handler.force_close()
                    if handler.transport is not None:
                        handler.transport.abort()

    async def close(self) -> None:
        """Close all connections."""
        await self._server.shutdown(1.0)

    # --- one request ----------------------------------------------------------------------------

    async def _serve(self, request: web.BaseRequest) -> web.StreamResponse:
        try:
            return await self._respond(request)
        except _TurnedAway as reason:
            self.turned_away += 1
            response = web.json_response({"message": reason.why}, status=reason.status)
            if reason.status == web.HTTPUnauthorized.status_code:
                response.headers["WWW-Authenticate"] = "Bearer"
            # What is left of a body that nobody will read must not be taken for a request.
            response.force_close()
            return response
        finally:
            self._heard[request.protocol] = self._now_s()

    async def _respond(self, request: web.BaseRequest) -> web.Response:
        if not self._listen.answers_to(request.headers.get("Host", "")):
            raise _TurnedAway(403, "this host name is not ours")
        shown = request.headers.get("Authorization", "").partition(" ")
        wanted = self._token.encode()
        known = hmac.compare_digest(shown[2].strip().encode(errors="replace"), wanted)
        if shown[0].lower() != "bearer" or not known:
            raise _TurnedAway(401, "show the token of this door: Authorization: Bearer TOKEN")
        last = request.path.rpartition("/")[2]
        signal = next((s for s in otlp.Signal if request.path == f"/v1/{s}"), None)
        if signal is None and request.path != "/alertmanager":
            raise _TurnedAway(
                404,
                f"no door {last[:40]!r}; there are /v1/metrics, /v1/logs, /v1/traces, /alertmanager",
            )
        if request.method != "POST":
            raise _TurnedAway(405, "POST it")
        media = request.content_type
        if media != JSON and (signal is None or media != PROTOBUF):
            raise _TurnedAway(415, f"send {PROTOBUF} or {JSON}")
        body = await _body(request)
        try:
            batch = (
                alertmanager.read(body)
                if signal is None
                else otlp.read(signal, body, json=media == JSON)
            )
        except Malformed as error:
            raise _TurnedAway(400, str(error)) from None
        if not self.intake.offer(batch):
            return web.json_response(
                {"message": "too much is waiting; send it again"},
                status=503,
                headers={"Retry-After": RETRY_AFTER_S},
            )
        return _taken(signal, batch, json=media == JSON)

    def _now_s(self) -> float:
        return self._clock.monotonic_ns() / 1e9


def _taken(signal: otlp.Signal | None, batch: Batch, *, json: bool) -> web.Response:
    if signal is None:
        return web.json_response({"taken": len(batch.records), "rejected": batch.rejected})
    body = otlp.answer(signal, batch, json=json)
    return web.Response(body=body, content_type=JSON if json else PROTOBUF)


async def _body(request: web.BaseRequest) -> bytes:
    """The body, unpacked; raises ``_TurnedAway`` when it is too large, too slow or damaged."""
    packed = bytearray()
    try:
        async with asyncio.timeout(READ_S):
            async for chunk in request.content.iter_any():
                packed += chunk
                if len(packed) > MAX_BODY_BYTES:
                    raise _TurnedAway(
                        413, f"more than {MAX_BODY_BYTES} bytes; send smaller batches"
                    )
    except TimeoutError:
        raise _TurnedAway(408, f"the body took longer than {READ_S:.0f} s") from None
    except web.RequestPayloadError:
        raise _TurnedAway(400, "the body is damaged") from None
    encoding = request.headers.get("Content-Encoding", "identity").lower()
    if encoding == "identity":
        return bytes(packed)
    if encoding not in {"gzip", "deflate"}:
        raise _TurnedAway(415, "pack with gzip, deflate or not at all")
    return unpacked(bytes(packed), GZIP_WINDOW if encoding == "gzip" else zlib.MAX_WBITS)


def unpacked(packed: bytes, window: int) -> bytes:
    """``packed`` unpacked, at most ``MAX_UNPACKED_BYTES`` of it."""
    unpacker = zlib.decompressobj(window)
    try:
        body = unpacker.decompress(packed, MAX_UNPACKED_BYTES + 1)
    except zlib.error:
        raise _TurnedAway(400, "the body is not packed as its header says") from None
    if len(body) > MAX_UNPACKED_BYTES:
        raise _TurnedAway(413, f"unpacks to more than {MAX_UNPACKED_BYTES} bytes")
    if not unpacker.eof:
        raise _TurnedAway(400, "the packed body ends too early")
    return body


class _TurnedAway(Exception):
    """The request is refused, with a status and one sentence for its sender."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status = status
        self.why = why


class _Closed(asyncio.Protocol):
    """A connection too many."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport.close()


@asynccontextmanager
async def open_doors(
    intake: Intake, token: str, listen: Listen, clock: Clock
) -> AsyncGenerator[tuple[Doors, int]]:
    """Open the doors; yields them and the port that they listen on.

    Raises:
        Malformed: ``listen`` would show the token to a network.
        OSError: the address is taken or not ours.
    """
    listen.check()
    context = None
    if listen.certificate is not None:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(listen.certificate, listen.key)
    doors = Doors(intake, token, listen, clock)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(doors.protocol, listen.host, listen.port, ssl=context)
    watch = asyncio.create_task(doors.watch())
    try:
        yield doors, server.sockets[0].getsockname()[1]
    finally:
        watch.cancel()
        with suppress(asyncio.CancelledError):
            await watch
        server.close()
        await doors.close()
