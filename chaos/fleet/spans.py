"""The spans of one service's requests, as OTLP: who called whom, for how long, and what failed (pure).

The context travels in the ``traceparent`` header (W3C Trace Context, level 1) and, within a service,
in a context variable; what comes in malformed begins a new trace. Sent in OTLP's JSON form, which
needs no more than what encodes everything else here.
"""

import random
import re
from collections import deque
from contextvars import ContextVar

import msgspec

TRACEPARENT = "traceparent"
MAX_WAITING = 2_048
"""Finished spans that nobody has fetched; the oldest are dropped and counted."""
KIND_SERVER = 2
STATUS_ERROR = 2
_TRACEPARENT = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}\Z")


class Span(msgspec.Struct, frozen=True):
    """A request under way."""

    trace_id: str
    span_id: str
    parent_id: str
    """Empty at the root."""

    @property
    def traceparent(self) -> str:
        """What a call made on behalf of this request carries."""
        return f"00-{self.trace_id}-{self.span_id}-01"


current: ContextVar[Span | None] = ContextVar("current span", default=None)
"""The request that this task works for."""


class Spans:
    """Begins and ends the spans of one run of a service, and keeps those that wait to be sent."""

    def __init__(self, service: str, release: str, rng: random.Random) -> None:
        self.dropped = 0
        self._resource = {
            "attributes": [
                _attribute("service.name", service),
                _attribute("service.version", release),
            ]
        }
        self._rng = rng
        self._waiting: deque[dict[str, object]] = deque(maxlen=MAX_WAITING)

    def begin(self, traceparent: str) -> Span:
        """The span of a request that came with ``traceparent``, which may be empty."""
        match = _TRACEPARENT.match(traceparent)
        span_id = f"{self._rng.getrandbits(64) or 1:016x}"
        if match is None:
            return Span(f"{self._rng.getrandbits(128) or 1:032x}", span_id, "")
        return Span(match[1], span_id, match[2])

    def end(self, span: Span, name: str, began_ns: int, ended_ns: int, *, error: bool) -> None:
        """Keep a finished span; ``name`` is a route, never what a user put into it."""
        self.dropped += len(self._waiting) == MAX_WAITING
        row: dict[str, object] = {
            "traceId": span.trace_id,
            "spanId": span.span_id,
            "name": name,
            "kind": KIND_SERVER,
            "startTimeUnixNano": str(began_ns),
            "endTimeUnixNano": str(ended_ns),
        }
        if span.parent_id:
            row["parentSpanId"] = span.parent_id
        if error:
            row["status"] = {"code": STATUS_ERROR}
        self._waiting.append(row)

    def take(self) -> bytes | None:
        """An export request with everything that waits; None when nothing does."""
        if not self._waiting:
            return None
        rows = list(self._waiting)
        self._waiting.clear()
        scope = {"scope": {"name": "chaos.fleet"}, "spans": rows}
        request = {"resourceSpans": [{"resource": self._resource, "scopeSpans": [scope]}]}
        return msgspec.json.encode(request)


def _attribute(key: str, text: str) -> dict[str, object]:
    return {"key": key, "value": {"stringValue": text}}
