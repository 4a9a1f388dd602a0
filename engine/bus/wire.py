"""The client's side of the NATS protocol as values: bytes in, what they say out (pure).

Source: the NATS client protocol, https://docs.nats.io/reference/reference-protocols/nats-protocol
"""

from typing import NamedTuple

MOST_PAYLOAD_BYTES = 2 << 20
"""Bytes of one message: a frame of 1 MiB and its envelope. The server takes no more either."""
MOST_LINE_BYTES = 64 << 10
"""No line is longer: the longest is the server's INFO, with less than 2 KiB."""

PING = b"PING\r\n"
PONG = b"PONG\r\n"


class BrokenProtocol(ValueError):
    """The other side does not speak NATS; the connection is of no use any more."""


class Delivered(NamedTuple):
    """A message for one of this client's subscriptions."""

    subscription: int
    subject: str
    payload: bytes


class Said(NamedTuple):
    """A line that is no message: ``INFO``, ``PING``, ``PONG``, ``+OK`` or ``-ERR``, and its rest."""

    word: str
    rest: bytes


class Reader:
    """Takes a stream apart, wherever it was cut."""

    def __init__(self) -> None:
        """Start with nothing read."""
        self._rest = b""

    def feed(self, data: bytes) -> list[Delivered | Said]:
        """Everything that is complete with ``data``, in order.

        Raises:
            BrokenProtocol: this cannot be NATS.
        """
        buffer = self._rest + data if self._rest else data
        found: list[Delivered | Said] = []
        at = 0
        while (end := buffer.find(b"\r\n", at)) >= 0:
            line = buffer[at:end]
            following = end + 2
            if line.startswith(b"MSG "):
                subject, subscription, size = _message_head(line)
                at_end = following + size
                if len(buffer) < at_end + 2:
                    break
                payload = buffer[following:at_end]
                found.append(Delivered(subscription, subject, payload))
                following = at_end + 2
            else:
                word, _, rest = line.partition(b" ")
                found.append(Said(word.decode("latin-1"), rest))
            at = following
        self._rest = buffer[at:]
        if end < 0 and len(self._rest) > MOST_LINE_BYTES:
            raise BrokenProtocol(f"a line of more than {MOST_LINE_BYTES} bytes")
        return found


def _message_head(line: bytes) -> tuple[str, int, int]:
    try:
        _, subject, subscription, *_, size = line.split()
        found = subject.decode(), int(subscription), int(size)
    except ValueError:
        raise BrokenProtocol(f"no head of a message: {line[:80]!r}") from None
    if not 0 <= found[2] <= MOST_PAYLOAD_BYTES:
        raise BrokenProtocol(f"a message of {found[2]} bytes")
    return found


def published(subject: str, payload: bytes) -> bytes:
    """Puts ``payload`` under ``subject``, which holds neither blanks nor line ends."""
    return b"PUB %b %d\r\n%b\r\n" % (subject.encode(), len(payload), payload)


def subscribed(subject: str, subscription: int) -> bytes:
    """Asks for everything under ``subject``, to be delivered by this number."""
    return b"SUB %b %d\r\n" % (subject.encode(), subscription)


def connecting(options: bytes) -> bytes:
    """The first line of a client; ``options`` are JSON."""
    return b"CONNECT %b\r\n" % options
