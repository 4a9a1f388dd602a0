"""One connected screen, as the hub sees it: its connection, its cursor, its pace."""

import os
import socket
from typing import TYPE_CHECKING

from engine.stream.pace import Pace, TokenBucket
from engine.stream.publication import Cursor

if TYPE_CHECKING:
    from collections.abc import Sequence

    from engine.stream.peer import Peer
    from engine.stream.wire import Ack, Command, Lane, Status

SEND_BUFFER_BYTES = 32768
"""Left alone, the kernel takes megabytes for a stalled client, and hides for a minute that it is late."""
MESSAGES_A_SECOND = 20.0
MESSAGES_AT_ONCE = 100.0
COMMANDS_A_SECOND = 5.0
COMMANDS_AT_ONCE = 20.0


class Client:
    """A screen that was admitted; served once it has said ``Start``."""

    __slots__ = (
        "ack",
        "commands",
        "cursor",
        "descriptor",
        "form",
        "lanes",
        "messages",
        "orders",
        "pace",
        "peer",
        "pending",
        "quiet",
        "skipped",
        "started",
        "status",
    )

    def __init__(self, peer: "Peer", now_s: float) -> None:
        self.peer = peer
        self.form = peer.form
        self.started = False
        self.lanes: Sequence[Lane] = ()
        self.cursor = Cursor()
        self.pace = Pace(1, now_s)
        self.messages = TokenBucket(MESSAGES_A_SECOND, MESSAGES_AT_ONCE, now_s)
        self.commands: TokenBucket | None = None
        self.orders: tuple[Command, ...] = ()
        """Commands that have not been answered yet."""
        self.status: Status | None = None
        """What it must be told with its next frame."""
        self.ack: Ack | None = None
        self.skipped = 0
        """States that it was too slow for since the last one it got."""
        self.quiet = False
        """Whether nothing was written to it, and nothing befell it, since it was found ``drained``.

        Its peer says when that ends; while it holds, a frame may go straight to the socket.
        """
        transport = peer.transport
        self.pending = transport.get_write_buffer_size
        """Bytes that wait in this process."""
        raw: socket.socket = transport.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
        # Past TLS, raw bytes would be plaintext inside ciphertext: the end of it.
        self.descriptor = raw.fileno() if peer.tls is None else -1

    def may_command(self, now_s: float) -> bool:
        """Whether one more command may pass; most clients never send any."""
        if self.commands is None:
            self.commands = TokenBucket(COMMANDS_A_SECOND, COMMANDS_AT_ONCE, now_s)
        return self.commands.take(now_s)

    @property
    def drained(self) -> bool:
        """Whether a whole frame may be written now, behind nothing that waits."""
        return not self.pending() and self.peer.writable

    @property
    def gone(self) -> bool:
        """Whether it is leaving: nothing is sent to it any more."""
        return not self.peer.writable

    def write(self, frame: bytes) -> None:
        """Send ``frame``, made for all, to a client that is ``drained``.

        Straight to the socket, past two layers; what the socket does not take, the transport
        keeps: one frame at most, as long as nobody writes to a client that is not drained.
        """
        self.quiet = False
        if self.descriptor < 0:
            self.peer.write(frame)
            return
        try:
            taken = os.write(self.descriptor, frame)
        except BlockingIOError:
            taken = 0
        except OSError:
            self.peer.transport.abort()
            return
        if taken == len(frame):
            self.quiet = True
        else:
            self.peer.write(frame[taken:])
