"""What an agent has said where saying two things would be evidence against it, kept on disk."""

import os
import zlib
from pathlib import Path

import msgspec

from engine.codec import Malformed, decode, encode
from engine.vocabulary import Operation

MAX_KEPT = 512
"""Older identities belong to incidents long closed."""
_FRAME = 12
"""Bytes before each record: its length, the CRC-32 of that length, and the CRC-32 of the record.

A length with a checksum of its own tells a record that was cut off from a damaged length, behind
which everything that was said later would be lost."""


class _Line(msgspec.Struct, frozen=True, array_like=True):
    identity: str
    operation: Operation


class SpokenFile:
    """An append-only file of checksummed records, on the disk before a word leaves the agent."""

    def __init__(self, path: Path) -> None:
        """Read what was said before a restart; a torn last record was never said.

        Raises:
            Malformed: the file is damaged elsewhere: what was said after that place is unknown.
        """
        self._path = path
        self._said: dict[str, Operation] = {}
        is_new = not path.exists()
        data = b"" if is_new else path.read_bytes()
        records, end = self._parse(data)
        self._file = path.open("ab")
        path.chmod(0o600)
        if end < len(data):
            self._file.truncate(end)
        if is_new:
            _sync(path.parent)
        elif records > 2 * MAX_KEPT:
            self._rewrite()

    def _parse(self, data: bytes) -> tuple[int, int]:
        """Take every record in; how many there were, and where the last whole one ends."""
        records = position = 0
        while position < len(data):
            head = data[position : position + _FRAME]
            # A file system may leave zeros where the bytes of a write under way should be.
            if len(head) < _FRAME or not data[position:].strip(b"\0"):
                break
            if zlib.crc32(head[:4]) != int.from_bytes(head[4:8], "big"):
                raise self._damaged(position, "the length is damaged")
            end = position + _FRAME + int.from_bytes(head[:4], "big")
            body = data[position + _FRAME : end]
            if end > len(data) or (end == len(data) and head != _head(body)):
                break
            if head != _head(body):
                raise self._damaged(position, "the record is damaged")
            try:
                line = decode(body, _Line)
            except Malformed as error:
                raise self._damaged(position, str(error)) from None
            self._keep(line.identity, line.operation)
            position, records = end, records + 1
        return records, position

    def _damaged(self, position: int, why: str) -> Malformed:
        return Malformed(
            f"{self._path}: byte {position}: {why}; this agent might contradict itself: "
            "give it a new key"
        )

    def _keep(self, identity: str, operation: Operation) -> None:
        self._said.setdefault(identity, operation)
        while len(self._said) > MAX_KEPT:
            del self._said[next(iter(self._said))]

    def recall(self, identity: str) -> Operation | None:
        """What was said under ``identity``."""
        return self._said.get(identity)

    def remember(self, identity: str, operation: Operation) -> None:
        """Keep ``operation``; durable when it returns.

        Raises:
            ValueError: something else was said under ``identity``: nothing is kept, say nothing.
        """
        if self._said.get(identity, operation) != operation:
            raise ValueError(f"{self._path}: {identity}: something else was said before")
        self._file.write(_record(identity, operation))
        self._file.flush()
        os.fsync(self._file.fileno())
        self._keep(identity, operation)

    def _rewrite(self) -> None:
        """Have only what is still kept in the file, whole or not at all."""
        scratch = self._path.with_name(self._path.name + ".new")
        with scratch.open("wb") as file:
            scratch.chmod(0o600)
            for identity, operation in self._said.items():
                file.write(_record(identity, operation))
            file.flush()
            os.fsync(file.fileno())
        scratch.replace(self._path)
        _sync(self._path.parent)
        self._file.close()
        self._file = self._path.open("ab")

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def _record(identity: str, operation: Operation) -> bytes:
    body = encode(_Line(identity, operation))
    return _head(body) + body


def _head(body: bytes) -> bytes:
    length = len(body).to_bytes(4, "big")
    return length + zlib.crc32(length).to_bytes(4, "big") + zlib.crc32(body).to_bytes(4, "big")


def _sync(folder: Path) -> None:
    """Have the names in ``folder`` on the disk too."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
