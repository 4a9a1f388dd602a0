"""What is published in one turn of the loop, as few messages of the bus: pure.

A replica that takes eight batches through their phases says several things to the same peers
in one turn; each message of the bus costs its client more than the bytes do. Order holds within a
subject. Nothing is trusted that comes in: a bundle is bounded in bytes and in payloads.
"""

from collections.abc import Iterator
from typing import Annotated

import msgspec

from engine.codec import Malformed, encode

MOST_BYTES = 64 << 10
"""Payloads in one bundle together; a longer one goes alone."""
MOST_PAYLOADS = 256

_decoder = msgspec.msgpack.Decoder(
    Annotated[tuple[bytes, ...], msgspec.Meta(max_length=MOST_PAYLOADS)]
)


class Bundles:
    """Payloads that wait for the end of the turn, by subject."""

    def __init__(self, most_bytes: int) -> None:
        """Keep ``most_bytes`` at most."""
        self._most_bytes = most_bytes
        self._bytes = 0
        self._waiting: dict[str, list[bytes]] = {}

    def put(self, subject: str, payload: bytes) -> bool:
        """Keep a payload; False when too much waits already."""
        if self._bytes + len(payload) > self._most_bytes:
            return False
        self._bytes += len(payload)
        waiting = self._waiting.get(subject)
        if waiting is None:
            self._waiting[subject] = [payload]
        else:
            waiting.append(payload)
        return True

    def take(self) -> Iterator[tuple[str, int, bytes]]:
        """Each subject with the payloads of one message and how many they are; none is left."""
        waiting, self._waiting, self._bytes = self._waiting, {}, 0
        for subject, payloads in waiting.items():
            first = size = 0
            for place, payload in enumerate(payloads):
                size += len(payload)
                if place > first and (size > MOST_BYTES or place - first == MOST_PAYLOADS):
                    yield subject, place - first, encode(payloads[first:place])
                    first, size = place, len(payload)
            yield subject, len(payloads) - first, encode(payloads[first:])

    def __bool__(self) -> bool:
        return bool(self._waiting)


def unbundled(data: bytes) -> tuple[bytes, ...]:
    """The payloads of one message, in order.

    Raises:
        Malformed: it is no bundle, or holds more than ``MOST_PAYLOADS``.
    """
    try:
        payloads: tuple[bytes, ...] = _decoder.decode(data)
    except (msgspec.DecodeError, RecursionError) as error:
        raise Malformed(f"no bundle: {error}") from None
    return payloads
