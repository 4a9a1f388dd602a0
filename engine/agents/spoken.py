"""What an agent has said where saying two things would be evidence against it, kept on disk."""

import os
from pathlib import Path

import msgspec

from engine.codec import Malformed, decode, encode
from engine.vocabulary import Operation

MAX_KEPT = 512
"""Older identities belong to incidents long closed."""


class _Line(msgspec.Struct, frozen=True, array_like=True):
    identity: str
    operation: Operation


class SpokenFile:
    """An append-only file of length-prefixed records, fsynced before a word leaves the agent."""

    def __init__(self, path: Path) -> None:
        """Read what was said before a restart; a torn last record was never said.

        Raises:
            Malformed: a record in the middle is damaged.
        """
        self._said: dict[str, Operation] = {}
        data = path.read_bytes() if path.exists() else b""
        position = 0
        while position + 4 <= len(data):
            end = position + 4 + int.from_bytes(data[position : position + 4], "big")
            if end > len(data):
                break
            try:
                line = decode(data[position + 4 : end], _Line)
            except Malformed as error:
                raise Malformed(f"{path}: byte {position}: {error}; replace the agent") from None
            self._said[line.identity] = line.operation
            position = end
        self._file = path.open("ab")
        self._file.truncate(position)

    def recall(self, identity: str) -> Operation | None:
        """What was said under ``identity``."""
        return self._said.get(identity)

    def remember(self, identity: str, operation: Operation) -> None:
        """Keep ``operation``; durable when it returns."""
        record = encode(_Line(identity, operation))
        self._file.write(len(record).to_bytes(4, "big") + record)
        self._file.flush()
        os.fsync(self._file.fileno())
        self._said[identity] = operation
        while len(self._said) > MAX_KEPT:
            del self._said[next(iter(self._said))]

    def close(self) -> None:
        """Close the file."""
        self._file.close()
