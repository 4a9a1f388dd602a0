"""The form of a vote log on disk: framed, checksummed groups of records, and how they are read.

Each group is the length, a CRC-32 and the encoded records. Only the last group can be torn, and a
torn one was never acted upon; damage anywhere else is an error (pure; the file is ``vote_log``'s).
"""

import zlib
from collections.abc import Sequence

import msgspec

from engine.codec import encode
from engine.consensus.effects import AnyRecord

MAGIC = b"incident-commander votes 1\n"
HEAD = 8
"""Bytes before each group: length and CRC-32."""

_decoder = msgspec.msgpack.Decoder(tuple[AnyRecord, ...])


class DamagedAt(ValueError):
    """A group before the last one does not hold what was written; ``position`` says where."""

    def __init__(self, position: int) -> None:
        super().__init__(f"damaged at byte {position}")
        self.position = position


def framed(records: Sequence[AnyRecord]) -> bytes:
    """One group, as it is appended."""
    group = encode(tuple(records))
    return len(group).to_bytes(4, "big") + zlib.crc32(group).to_bytes(4, "big") + group


def parsed(data: bytes) -> tuple[tuple[AnyRecord, ...], int]:
    """The records in ``data``, which begins with ``MAGIC``, and where the last whole group ends.

    Raises:
        DamagedAt: a group other than the last one is damaged.
    """
    records: list[AnyRecord] = []
    position = len(MAGIC)
    while position + HEAD <= len(data):
        length = int.from_bytes(data[position : position + 4], "big")
        checksum = int.from_bytes(data[position + 4 : position + 8], "big")
        end = position + HEAD + length
        if end > len(data):
            break
        group = data[position + HEAD : end]
        if zlib.crc32(group) != checksum:
            if end == len(data):
                break
            raise DamagedAt(position)
        records.extend(_decoder.decode(group))
        position = end
    return tuple(records), position
