"""How one service of the shop asks another: through the proxy on the link, and bounded."""

from typing import Any

import msgspec
from aiohttp import ClientError, ClientSession, ClientTimeout, TCPConnector

from chaos.fleet.spans import TRACEPARENT, current
from chaos.fleet.wiring import LOOPBACK, Wiring

MAX_CONNECTIONS = 64
REQUEST_ID = "X-Request-Id"


class CallFailed(Exception):
    """A callee did not answer, or said that it could not do it."""

    def __init__(self, callee: str, reason: str) -> None:
        """``reason`` is one of a few fixed words, or ``status N``."""
        super().__init__(f"{callee}: {reason}")
        self.callee = callee
        self.reason = reason


class Declined(Exception):
    """A callee understood and said no: the customer's matter, not a failure."""


class Answer(msgspec.Struct, frozen=True):
    """What a service answers to another one: all fields that the shop knows."""

    item: int = 0
    price: int = 0
    state: str = ""


_decoder = msgspec.json.Decoder(Answer)


class Caller:
    """One service's way to its callees, with connections kept open."""

    def __init__(self, caller: str, wiring: Wiring, timeout_s: float) -> None:
        """Call as ``caller``; no call takes longer than ``timeout_s``."""
        self._caller = caller
        self._wiring = wiring
        self._session = ClientSession(
            timeout=ClientTimeout(total=timeout_s),
            connector=TCPConnector(limit=MAX_CONNECTIONS, keepalive_timeout=30),
        )

    async def get(self, callee: str, target: str, request_id: str) -> Answer:
        """What ``callee`` answers to a question.

        Raises:
            CallFailed: no answer, or a failure.
            Declined: the callee said no.
        """
        return await self._ask("GET", callee, target, request_id, None)

    async def post(self, callee: str, target: str, request_id: str, body: Any) -> Answer:  # noqa: ANN401 -- any msgspec value
        """What ``callee`` answers to an order.

        Raises:
            CallFailed: no answer, or a failure.
            Declined: the callee said no.
        """
        return await self._ask("POST", callee, target, request_id, msgspec.json.encode(body))

    async def _ask(
        self, method: str, callee: str, target: str, request_id: str, body: bytes | None
    ) -> Answer:
        url = f"http://{LOOPBACK}:{self._wiring.link(self._caller, callee)}{target}"
        headers = {REQUEST_ID: request_id}
        span = current.get()
        if span is not None:
            headers[TRACEPARENT] = span.traceparent
        try:
            async with self._session.request(method, url, data=body, headers=headers) as answer:
                content = await answer.read()
                status = answer.status
        except TimeoutError:
            raise CallFailed(callee, "timed out") from None
        except (ClientError, OSError):
            raise CallFailed(callee, "connection failed") from None
        if status >= 500:
            raise CallFailed(callee, f"status {status}")
        if status >= 400:
            raise Declined(f"{callee}: status {status}")
        try:
            return _decoder.decode(content)
        except msgspec.DecodeError:
            raise CallFailed(callee, "garbled answer") from None

    async def close(self) -> None:
        """Close all connections."""
        await self._session.close()
