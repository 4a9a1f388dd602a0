"""Reads HTTP/1.1 as it passes by, and counts messages (pure: bytes and times in, findings out).

A reader of one direction only follows where messages begin and end (RFC 9112 §6); it keeps no
body. What two parties could read differently (both lengths at once, an unknown coding, a bare
line feed) is ``Garbled``: a proxy must not guess.
"""

from collections.abc import Sequence
from enum import Enum

import msgspec

MAX_HEAD_BYTES = 32 * 1024
MAX_LINE_BYTES = 1_024
_MAX_DIGITS = 12
_TOKEN = frozenset(b"!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")


class Garbled(ValueError):
    """Bytes that are no HTTP/1.1 that we follow."""


class _At(Enum):
    HEAD = 1
    BODY = 2
    CHUNK_SIZE = 3
    CHUNK = 4
    CHUNK_END = 5
    TRAILERS = 6
    UNTIL_CLOSE = 7


class Begun(msgspec.Struct, frozen=True):
    """The head of a message is complete."""

    method: str
    """Empty for an answer."""
    status: int
    """0 for a request."""


class Ended(msgspec.Struct, frozen=True):
    """The message that began last is complete."""


class Reader:
    """Follows the messages of one direction of one connection."""

    def __init__(self, asked: Sequence[str] | None = None) -> None:
        """Follow requests; or the answers to those ``asked`` by these methods, oldest first."""
        self._answers_to = asked
        self._at = _At.HEAD
        self._buffer = bytearray()
        self._left = 0

    @property
    def idle(self) -> bool:
        """Whether it stands between two messages."""
        return self._at is _At.HEAD and not self._buffer

    @property
    def ends_with_connection(self) -> bool:
        """Whether the message under way ends where the connection does."""
        return self._at is _At.UNTIL_CLOSE

    def feed(self, data: bytes) -> "list[Begun | Ended]":
        """What ``data`` begins and ends, in order.

        Raises:
            Garbled: not HTTP/1.1; the reader must not be used any more.
        """
        found: list[Begun | Ended] = []
        self._buffer += data
        while self._buffer and self._step(found):
            pass
        return found

    def _step(self, found: "list[Begun | Ended]") -> bool:
        """Go on by one part of a message; false when more bytes are needed."""
        match self._at:
            case _At.HEAD:
                return self._head(found)
            case _At.BODY | _At.CHUNK:
                return self._body(found)
            case _At.UNTIL_CLOSE:
                self._buffer.clear()
                return False
            case _At.CHUNK_SIZE | _At.CHUNK_END | _At.TRAILERS:
                line = self._line()
                if line is not None:
                    self._chunk_line(line, found)
                return line is not None

    def _body(self, found: "list[Begun | Ended]") -> bool:
        taken = min(self._left, len(self._buffer))
        del self._buffer[:taken]
        self._left -= taken
        if self._left == 0:
            if self._at is _At.BODY:
                self._end(found)
            else:
                self._at = _At.CHUNK_END
        return True

    def _chunk_line(self, line: bytes, found: "list[Begun | Ended]") -> None:
        """Take in a line between chunks: a size, the end of a chunk, or a trailer."""
        if self._at is _At.CHUNK_SIZE:
            self._left = _hexadecimal(line.split(b";", 1)[0].strip(b" \t"))
            self._at = _At.CHUNK if self._left else _At.TRAILERS
        elif self._at is _At.CHUNK_END:
            if line:
                raise Garbled("a chunk is longer than it says")
            self._at = _At.CHUNK_SIZE
        elif not line:
            self._end(found)

    def _end(self, found: "list[Begun | Ended]") -> None:
        self._at = _At.HEAD
        found.append(Ended())

    def _line(self) -> bytes | None:
        end = self._buffer.find(b"\r\n", 0, MAX_LINE_BYTES + 2)
        if end < 0:
            if len(self._buffer) > MAX_LINE_BYTES:
                raise Garbled(f"a line over {MAX_LINE_BYTES} bytes")
            return None
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 2]
        return line

    def _head(self, found: "list[Begun | Ended]") -> bool:
        if self._answers_to is None:
            # RFC 9112 §2.2: empty lines before a request are to be ignored.
            while self._buffer.startswith(b"\r\n"):
                del self._buffer[:2]
        end = self._buffer.find(b"\r\n\r\n", 0, MAX_HEAD_BYTES + 4)
        if end < 0:
            if len(self._buffer) > MAX_HEAD_BYTES:
                raise Garbled(f"a head over {MAX_HEAD_BYTES} bytes")
            if len(self._buffer) > 16 and not self._plausible():
                raise Garbled("not HTTP/1.1")
            return False
        first, *lines = bytes(self._buffer[:end]).split(b"\r\n")
        del self._buffer[: end + 4]
        begun, version = self._first_line(first)
        length, chunked = _framing(lines)
        if chunked and version == b"HTTP/1.0":
            raise Garbled("chunks in HTTP/1.0")
        if 100 <= begun.status < 200:
            if begun.status == 101:
                raise Garbled("a switch to another protocol")
            return True
        found.append(begun)
        self._begin_body(begun, length, chunked, found)
        return True

    def _begin_body(
        self, begun: Begun, length: int | None, chunked: bool, found: "list[Begun | Ended]"
    ) -> None:
        if begun.status and self._has_no_body(begun.status):
            self._end(found)
        elif chunked:
            self._at = _At.CHUNK_SIZE
        elif length is not None:
            self._left = length
            self._at = _At.BODY
            if length == 0:
                self._end(found)
        elif begun.status:
            self._at = _At.UNTIL_CLOSE
        else:
            self._end(found)

    def _has_no_body(self, status: int) -> bool:
        asked = self._answers_to[0] if self._answers_to else ""
        return status in (204, 304) or asked == "HEAD"

    def _plausible(self) -> bool:
        if self._answers_to is not None:
            return self._buffer.startswith(b"HTTP/1.")
        method = self._buffer.split(b" ", 1)[0][:20]
        return bool(method) and all(byte in _TOKEN for byte in method)

    def _first_line(self, line: bytes) -> tuple[Begun, bytes]:
        parts = line.split(b" ", 2)
        if self._answers_to is None:
            if len(parts) != 3 or parts[2] not in (b"HTTP/1.1", b"HTTP/1.0") or not parts[1]:
                raise Garbled("not a request line")
            method = parts[0]
            if not method or len(method) > 20 or not all(byte in _TOKEN for byte in method):
                raise Garbled("not a method")
            if method == b"CONNECT":
                raise Garbled("a tunnel")
            return Begun(method.decode(), 0), parts[2]
        code = parts[1] if len(parts) > 1 else b""
        if parts[0] not in (b"HTTP/1.1", b"HTTP/1.0") or len(code) != 3 or not code.isdigit():
            raise Garbled("not a status line")
        status = int(code)
        if not 100 <= status <= 599:
            raise Garbled("not a status")
        return Begun("", status), parts[0]


def _hexadecimal(text: bytes) -> int:
    if not 0 < len(text) <= _MAX_DIGITS or any(
        byte not in b"0123456789abcdefABCDEF" for byte in text
    ):
        raise Garbled("not the size of a chunk")
    return int(text, 16)


def _framing(lines: list[bytes]) -> tuple[int | None, bool]:
    """The content length and whether the body is chunked, from the header lines."""
    length: int | None = None
    chunked = False
    for line in lines:
        name, colon, value = line.partition(b":")
        if not colon or not name or not all(byte in _TOKEN for byte in name) or b"\n" in value:
            raise Garbled("not a header")
        lowered = name.lower()
        if lowered == b"content-length":
            text = value.strip(b" \t")
            if not 0 < len(text) <= _MAX_DIGITS or not text.isdigit() or length is not None:
                raise Garbled("not one content length")
            length = int(text)
        elif lowered == b"transfer-encoding":
            if value.strip(b" \t").lower() != b"chunked" or chunked:
                raise Garbled("an unknown transfer coding")
            chunked = True
    if chunked and length is not None:
        raise Garbled("two lengths")
    return length, chunked
