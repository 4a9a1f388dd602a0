"""What becomes of each request on a link: answered, failed, and after how long (pure)."""

from collections import deque
from enum import StrEnum

import msgspec

from chaos.http1 import Begun, Garbled, Reader

MAX_OUTSTANDING = 16
"""Requests sent ahead on one connection before their answers came."""


class Request(msgspec.Struct):
    """A request whose answer is not complete."""

    began_ns: int
    status: int = 0
    """Of its answer, once that has begun."""


class Failure(StrEnum):
    """Why a request counts as failed on its link."""

    STATUS = "status"
    """Answered 500 or above."""
    REFUSED = "refused"
    """Nobody accepts connections there."""
    RESET = "reset"
    """The connection ended before the answer was complete."""
    TIMED_OUT = "timed-out"
    """No answer in time, or the caller gave up waiting."""
    GARBLED = "garbled"
    """Not HTTP."""


class Finding(msgspec.Struct, frozen=True):
    """One finished request on a link."""

    seconds: float
    failure: Failure | None


class Exchange:
    """Pairs the requests and answers of one connection through a proxy."""

    def __init__(self) -> None:
        """Nothing has passed yet."""
        self._outstanding: deque[Request] = deque()
        self._methods: deque[str] = deque()
        self._requests = Reader()
        self._answers = Reader(self._methods)

    @property
    def oldest_ns(self) -> int | None:
        """Since when the oldest unanswered request waits."""
        return self._outstanding[0].began_ns if self._outstanding else None

    def asked(self, data: bytes, now_ns: int) -> None:
        """Bytes from the caller.

        Raises:
            Garbled: not HTTP/1.1, or more requests sent ahead than we follow.
        """
        for event in self._requests.feed(data):
            if isinstance(event, Begun):
                if len(self._outstanding) >= MAX_OUTSTANDING:
                    raise Garbled(f"more than {MAX_OUTSTANDING} requests sent ahead")
                self._outstanding.append(Request(now_ns))
                self._methods.append(event.method)

    def answered(self, data: bytes, now_ns: int) -> list[Finding]:
        """Bytes from the callee; gives the requests that they complete.

        Raises:
            Garbled: not HTTP/1.1, or an answer that nobody asked for.
        """
        findings = []
        if not self._outstanding and data:
            raise Garbled("an answer to no request")
        for event in self._answers.feed(data):
            if not self._outstanding:
                raise Garbled("an answer to no request")
            if isinstance(event, Begun):
                self._outstanding[0].status = event.status
            else:
                self._methods.popleft()
                findings.append(_finding(self._outstanding.popleft(), now_ns, None))
        return findings

    def ended(self, now_ns: int, failure: Failure) -> list[Finding]:
        """The connection is over: whatever is unanswered has failed.

        An answer that ends with the connection (no length given) is complete when the callee
        closes: that is no failure.
        """
        findings = []
        while self._outstanding:
            request = self._outstanding.popleft()
            complete = failure is Failure.RESET and self._answers.ends_with_connection
            findings.append(_finding(request, now_ns, None if complete else failure))
        return findings


def _finding(request: Request, now_ns: int, failure: Failure | None) -> Finding:
    if failure is None and request.status >= 500:
        failure = Failure.STATUS
    return Finding((now_ns - request.began_ns) / 1e9, failure)
