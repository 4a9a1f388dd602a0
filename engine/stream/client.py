"""One connected screen, as the hub sees it: its connection, its cursor, its pace."""

import os
import socket
from typing import TYPE_CHECKING

from websockets.asyncio.server import ServerConnection
from websockets.protocol import State

from engine.stream.access import Grant
from engine.stream.pace import Pace, TokenBucket
from engine.stream.publication import Cursor

if TYPE_CHECKING:
    from collections.abc import Sequence

    from engine.stream.wire import Ack, Lane, Status

SEND_BUFFER_BYTES = 32768
"""Left alone, the kernel takes megabytes for a stalled client, and hides for a minute that it is late."""
MESSAGES_A_SECOND = 20.0
MESSAGES_AT_ONCE = 100.0
COMMANDS_A_SECOND = 5.0
COMMANDS_AT_ONCE = 20.0
_OPEN = State.OPEN


class Client:
    """A screen that has said ``Start``."""

    __slots__ = (
        "ack",
        "commands",
        "connection",
        "cursor",
        "descriptor",
        "form",
        "grant",
        "lanes",
        "messages",
        "pace",
        "pending",
        "quiet",
        "skipped",
        "status",
    )

    def __init__(self, connection: ServerConnection, grant: Grant, now_s: float) -> None:
        self.connection = connection
        self.grant = grant
        self.form = str(connection.subprotocol)
        self.lanes: Sequence[Lane] = ()
        self.cursor = Cursor()
        self.pace = Pace(1, now_s)
        self.messages = TokenBucket(MESSAGES_A_SECOND, MESSAGES_AT_ONCE, now_s)
        self.commands: TokenBucket | None = None
        self.status: Status | None = None
        """What it must be told with its next frame."""
        self.ack: Ack | None = None
        self.skipped = 0
        """States that it was too slow for since the last one it got."""
        self.quiet = False
        """Whether nothing was written to it, and nothing befell it, since it was found ``drained``.

        Its connection says when that ends; while it holds, a frame may go straight to the socket.
        """
        transport = connection.transport
        self.pending = transport.get_write_buffer_size
        """Bytes that wait in this process."""
        raw: socket.socket = transport.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
        plain = transport.get_extra_info("ssl_object") is None
        # Past TLS or an extension, raw bytes would be plaintext inside ciphertext: the end of it.
        self.descriptor = raw.fileno() if plain and not connection.protocol.extensions else -1

    def may_command(self, now_s: float) -> bool:
        """Whether one more command may pass; most clients never send any."""
        if self.commands is None:
            self.commands = TokenBucket(COMMANDS_A_SECOND, COMMANDS_AT_ONCE, now_s)
        return self.commands.take(now_s)

    @property
    def drained(self) -> bool:
        """Whether a whole frame may be written now, behind nothing that waits."""
        connection = self.connection
        return (
            not self.pending()
            and connection.protocol.state is _OPEN
            and connection.send_in_progress is None
            and not connection.transport.is_closing()
        )

    @property
    def gone(self) -> bool:
        """Whether it is leaving: nothing is sent to it any more."""
        connection = self.connection
        return connection.protocol.state is not _OPEN or connection.transport.is_closing()

    def write(self, frame: bytes) -> None:
        """Send ``frame``, made for all, to a client that is ``drained``.

        Straight to the socket, past two layers; what the socket does not take, the transport
        keeps: one frame at most, as long as nobody writes to a client that is not drained.
        """
        self.quiet = False
        if self.descriptor < 0:
            self.connection.transport.write(frame)
            return
        try:
            taken = os.write(self.descriptor, frame)
        except BlockingIOError:
            taken = 0
        except OSError:
            self.connection.transport.abort()
            return
        if taken == len(frame):
            self.quiet = True
        else:
            self.connection.transport.write(frame[taken:])
