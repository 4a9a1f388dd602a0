"""Range queries to a Prometheus server, or to anything that speaks its HTTP API.

What is asked is written by the operator; what comes back is data. Each query continues where its
last answer ended, so that nothing is read twice and a gap in our own asking is filled in, as far
back as ``MAX_BACK_S``. Source: Prometheus documentation, "HTTP API", ``/api/v1/query_range``.
"""

import asyncio
import math
from pathlib import Path

import aiohttp
import msgspec

from engine.clock import Clock
from engine.codec import Malformed
from engine.stream.token import read_token
from engine.telemetry.doors.intake import Intake
from engine.telemetry.doors.series import Unusable, series_name
from engine.telemetry.records import MAX_NAME, Batch, Kind, Point

MAX_ANSWER_BYTES = 16 << 20
MAX_BACK_S = 600.0
"""After an outage at most this much is asked for at once: Prometheus refuses 11,000 points."""
TIMEOUT_S = 10.0


class Query(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What to ask for."""

    metric: str
    """What its values are called here."""
    promql: str
    service_label: str = "service"
    """Which label of the answer names the service."""
    kind: Kind = Kind.GAUGE


class Server(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One Prometheus server."""

    url: str
    query: tuple[Query, ...]
    step_s: float = 15.0
    token_file: str = ""
    """A 0600 file with the bearer token, where the server wants one."""


class _Row(msgspec.Struct):
    metric: dict[str, str]
    values: list[tuple[float, str]]


class _Data(msgspec.Struct):
    resultType: str  # noqa: N815 - as it stands on the wire
    result: list[_Row]


class _Answer(msgspec.Struct):
    status: str
    data: _Data | None = None
    error: str = ""
    warnings: list[str] = []


_decoder = msgspec.json.Decoder(_Answer)


def read(body: bytes, query: Query) -> Batch:
    """The points in the answer to ``query``, by time; those that are no number are left out.

    Raises:
        Malformed: the answer is no matrix, or an error of the server's.
    """
    try:
        answer = _decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Malformed(f"Prometheus, {query.metric}: {error}") from None
    if answer.status != "success" or answer.data is None:
        raise Malformed(f"Prometheus, {query.metric}: {answer.error[:200] or 'no data'}")
    if answer.data.resultType != "matrix":
        raise Malformed(f"Prometheus, {query.metric}: {answer.data.resultType!r} is no matrix")
    points: list[Point] = []
    rejected, why = 0, ""
    for row in answer.data.result:
        try:
            points += _points(row, query)
        except (Unusable, ValueError) as error:
            rejected, why = rejected + 1, why or str(error)
    points.sort(key=lambda point: point.t)
    return Batch(tuple(points), rejected, why)


def _points(row: _Row, query: Query) -> list[Point]:
    labels = {k: v for k, v in row.metric.items() if k not in {"__name__", query.service_label}}
    service = row.metric.get(query.service_label, "")
    if not service or len(service) > MAX_NAME:
        raise Unusable(f"a series without the label {query.service_label!r}")
    name = series_name(query.metric, labels)
    values = ((t, float(text)) for t, text in row.values)
    return [Point(t, service, name, v, query.kind) for t, v in values if math.isfinite(v)]


class PrometheusQueries:
    """Asks one server again and again, and puts what it says into ``intake`` (a shell)."""

    def __init__(self, server: Server, intake: Intake, clock: Clock) -> None:
        self.failures = 0
        """Questions without a usable answer."""
        self.last_failure = ""
        self.answers = 0
        self._server = server
        self._intake = intake
        self._clock = clock
        self._asked_to: dict[Query, float] = {}
        """Up to when each query has been answered."""

    async def run(self) -> None:
        """Ask once a step, until cancelled."""
        timeout = aiohttp.ClientTimeout(total=TIMEOUT_S)
        async with aiohttp.ClientSession(timeout=timeout, headers=self._headers()) as session:
            while True:
                for query in self._server.query:
                    await self.ask(session, query)
                await asyncio.sleep(self._server.step_s)

    def _headers(self) -> dict[str, str]:
        path = self._server.token_file
        return {"Authorization": f"Bearer {read_token(Path(path))}"} if path else {}

    async def ask(self, session: aiohttp.ClientSession, query: Query) -> None:
        """Ask ``query`` for everything since its last answer."""
        step = self._server.step_s
        # Prometheus evaluates at start, start + step, …: whole steps make answers join up.
        end = math.floor(self._clock.unix_ms() / 1_000 / step) * step
        start = max(self._asked_to.get(query, end - step) + step, end - MAX_BACK_S)
        if start > end:
            return
        asked = {"query": query.promql, "start": start, "end": end, "step": step}
        try:
            async with session.post(
                f"{self._server.url.rstrip('/')}/api/v1/query_range",
                data={key: str(value) for key, value in asked.items()},
                allow_redirects=False,
            ) as response:
                body = await _bounded(response)
            batch = read(body, query)
        except (aiohttp.ClientError, TimeoutError, OSError, Malformed) as error:
            self.failures += 1
            self.last_failure = str(error)[:200] or type(error).__name__
            return
        if self._intake.offer(batch):
            self.answers += 1
            self._asked_to[query] = end


async def _bounded(response: aiohttp.ClientResponse) -> bytes:
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > MAX_ANSWER_BYTES:
            raise Malformed(f"an answer of more than {MAX_ANSWER_BYTES} bytes; narrow the query")
    return bytes(body)
