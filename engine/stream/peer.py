"""One connection from its first byte to its last: handshake, frames in, frames out, deadlines.

The protocol itself is the library's (``websockets.server``, without I/O); this is the thin shell that
carries bytes to it and back. It has no task and no queue of its own: what a client says is taken at
once, so that ten thousand of them are ten thousand small objects, and nothing is read that is not
also dealt with.
"""

import asyncio
import ssl
from collections.abc import Sequence
from contextlib import suppress
from typing import Protocol

from websockets.exceptions import NegotiationError
from websockets.frames import Frame, Opcode
from websockets.http11 import Request, Response
from websockets.protocol import State
from websockets.server import ServerProtocol
from websockets.typing import Subprotocol

from engine.stream.access import Grant, Scope
from engine.stream.frames import BINARY_OPCODE, TEXT_OPCODE, framed
from engine.stream.tls import Tls
from engine.stream.wire import BINARY, JSON, MAX_UPSTREAM_BYTES

OPEN_S = 5.0
"""A client that has not finished the handshakes by then is cut off."""
CLOSE_S = 1.0
"""How long a client may take to hear that it is closed."""
READ_BYTES = 512
"""Taken at once: of the smallest frames 85, or 1 ms of work; nobody keeps the loop for longer."""
MAX_REASON = 120
"""Bytes of a closing reason: a control frame holds 125 (RFC 6455, section 5.5)."""

_DATA = frozenset({Opcode.TEXT, Opcode.BINARY, Opcode.CONT})
_buffer = memoryview(bytearray(READ_BYTES))
"""One for all: whatever lands in it is dealt with before the next read."""


class Served(Protocol):
    """Who is served through a connection; only the host knows more of him."""

    quiet: bool
    """Whether frames may go straight to the socket, because nothing else was written."""


class Host(Protocol):
    """Who is behind the connections."""

    def opened(self, peer: "Peer") -> None:
        """A connection has come up."""

    def admit(self, protocol: ServerProtocol, request: Request) -> Grant | Response:
        """What the client may do, or the page it gets instead."""
        ...

    def greet(self, peer: "Peer") -> None:
        """It was admitted: say hello."""

    def heard(self, peer: "Peer", data: bytes) -> None:
        """It has said something."""

    def drained(self, peer: "Peer") -> None:
        """Whatever waited to be sent to it has left."""

    def may_say(self, peer: "Peer") -> bool:
        """Whether one more frame of it may pass; if not, it has been closed."""
        ...

    def closed(self, peer: "Peer") -> None:
        """It has gone; its descriptor may be another's from now on."""


class _Handshake(ServerProtocol):
    """The library's protocol, choosing between our two forms."""

    def select_subprotocol(self, subprotocols: Sequence[Subprotocol]) -> Subprotocol:
        """The first form that is offered; a browser's token, offered beside it, is no form."""
        for name in subprotocols:
            if name in {BINARY, JSON}:
                return name
        raise NegotiationError(f"this engine speaks {BINARY} and {JSON}")


class Peer(asyncio.BufferedProtocol):
    """One connection; ``client`` is set once it is admitted."""

    __slots__ = (
        "_deadline",
        "_ended",
        "_host",
        "_pieces",
        "_protocol",
        "client",
        "grant",
        "tls",
        "transport",
    )

    transport: asyncio.Transport

    def __init__(self, host: Host, context: ssl.SSLContext | None) -> None:
        self._host = host
        self._protocol: ServerProtocol = _Handshake(max_size=MAX_UPSTREAM_BYTES)
        self._pieces: list[bytes] | None = None
        """Of a message that comes in fragments; bounded, as the whole is, by the library."""
        self._deadline: asyncio.TimerHandle | None = None
        self._ended = False
        """Whether this side has had enough: what comes now is not looked at."""
        self.tls = Tls(context) if context is not None else None
        self.grant = Grant(Scope.VIEWER)
        self.client: Served | None = None

    # --- what it is -------------------------------------------------------------------------------

    @property
    def form(self) -> str:
        """The form of the protocol that it chose."""
        return str(self._protocol.subprotocol)

    @property
    def writable(self) -> bool:
        """Whether messages may be written."""
        return self._protocol.state is State.OPEN and not self.transport.is_closing()

    # --- called by the event loop -----------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        transport.set_write_buffer_limits(high=0)  # So that we are told when nothing waits.
        self.end_after(OPEN_S)
        self._host.opened(self)

    def get_buffer(self, sizehint: int) -> memoryview:
        """Where the next bytes go."""
        return _buffer

    def buffer_updated(self, nbytes: int) -> None:
        """So many bytes have come."""
        data = bytes(_buffer[:nbytes])
        if self.tls is not None:
            try:
                data = self.tls.opened(data)
            except ssl.SSLError:
                self.transport.write(self.tls.waiting())
                self.transport.close()
                return
            self.transport.write(self.tls.waiting())
        for start in range(0, len(data), READ_BYTES):
            self._receive(data[start : start + READ_BYTES])

    def resume_writing(self) -> None:
        """Nothing waits to be sent any more."""
        self._host.drained(self)

    def eof_received(self) -> None:
        """The client has said its last; the transport closes itself."""
        self._protocol.receive_eof()

    def connection_lost(self, exc: Exception | None) -> None:
        """The end."""
        self.stay()
        self._host.closed(self)

    # --- called by the host -----------------------------------------------------------------------

    def say(self, payload: bytes, *, text: bool) -> None:
        """Send one message, behind what waits."""
        if self.writable:
            self.write(framed(payload, TEXT_OPCODE if text else BINARY_OPCODE))

    def write(self, frames: bytes) -> None:
        """Send whole frames, behind what waits."""
        if self.client is not None:
            self.client.quiet = False
        self.transport.write(frames if self.tls is None else self.tls.sealed(frames))

    def close(self, code: int, reason: str) -> None:
        """Say goodbye, and wait a moment for the answer."""
        self._ended = True
        if self._protocol.state is State.OPEN:
            short = reason.encode()[:MAX_REASON].decode(errors="ignore")
            self._protocol.send_close(code, short)
            self._flush()
        elif self._protocol.state is State.CONNECTING:
            self.transport.abort()

    def end_after(self, seconds: float, code: int = 0, reason: str = "") -> None:
        """Close with ``code`` then, or cut off where it is 0; in place of what was planned before."""
        self.stay()
        loop = asyncio.get_running_loop()
        if code:
            self._deadline = loop.call_later(seconds, self.close, code, reason)
        else:
            self._deadline = loop.call_later(seconds, self.transport.abort)

    def stay(self) -> None:
        """Let it stay as long as it likes."""
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    # --- the rest ---------------------------------------------------------------------------------

    def _receive(self, data: bytes) -> None:
        while data and not self._ended:
            # Line by line until the request is answered: nothing behind it may be answered before it.
            opening = self._protocol.state is State.CONNECTING
            end = (data.find(b"\n") + 1 or len(data)) if opening else len(data)
            self._protocol.receive_data(data[:end])
            data = data[end:]
            for event in self._protocol.events_received():
                if isinstance(event, Request):
                    self._answer(event)
                elif isinstance(event, Frame) and not self._ended:
                    self._take(event)
            self._flush()

    def _answer(self, request: Request) -> None:
        granted = self._host.admit(self._protocol, request)
        if isinstance(granted, Grant):
            self.grant = granted
            self._protocol.send_response(self._protocol.accept(request))
        else:
            self._protocol.send_response(granted)
        self._flush()
        if self._protocol.state is State.OPEN:
            self._host.greet(self)

    def _take(self, frame: Frame) -> None:
        """Deal with one frame."""
        # Pings count: each is answered, and who does not read the answers fills our memory.
        if not self._host.may_say(self) or frame.opcode not in _DATA:
            return
        data = bytes(frame.data)
        if self._pieces is not None:
            self._pieces.append(data)
            data = b"".join(self._pieces) if frame.fin else b""
        elif not frame.fin:
            self._pieces = [data]
        if frame.fin:
            self._pieces = None
            self._host.heard(self, data)

    def _flush(self) -> None:
        """Write what the protocol has to say."""
        for data in self._protocol.data_to_send():
            if self.transport.is_closing():
                return
            if data:
                self.write(data)
                continue
            # Half-closed, so that what is still under way to us does not reset what we have said.
            if self.tls is not None:
                self.transport.write(self.tls.ended())
            with suppress(OSError):  # It has gone already.
                self.transport.write_eof()
        if self._protocol.close_expected():
            self.end_after(CLOSE_S)
