"""Where a replica keeps its word: an append-only file of what it signed, checksummed, synced.

Each ``append`` is one framed record group, durable when it returns, so only the last one can be
torn; a torn one was never acted upon and is dropped on opening. Damage anywhere else is an error:
a replica that forgot a vote could sign a second one.
"""

import fcntl
import os
from collections.abc import Sequence
from pathlib import Path

from engine.consensus.effects import AnyRecord
from engine.consensus.vote_frames import MAGIC, DamagedAt, framed, parsed


class VotesDamaged(ValueError):
    """A vote log that cannot be used; the message names the file and the remedy."""


class VoteLog:
    """One replica's vote log, locked for this process alone."""

    def __init__(self, path: Path, *, may_begin: bool = True) -> None:
        """Open the log in the file ``path``, or begin it there.

        ``may_begin`` is False where a ledger exists, so votes must have been cast.

        Raises:
            VotesDamaged: it is damaged, missing where it must not be, or in use.
        """
        self._path = path
        self._lock = os.open(path.with_name(path.name + ".lock"), os.O_RDWR | os.O_CREAT, 0o600)
        self._file = -1
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self.records = self._open(may_begin=may_begin)
        except BlockingIOError:
            self.close()
            raise VotesDamaged(f"{path}: another process of this agent is alive; end it") from None
        except BaseException:
            self.close()
            raise

    def _open(self, *, may_begin: bool) -> tuple[AnyRecord, ...]:
        if not self._path.exists():
            if not may_begin:
                raise VotesDamaged(
                    f"{self._path}: the votes are gone but the ledger is not; this agent might "
                    "contradict itself: give it a new key (main.py agent replace ID), or take away "
                    "its ledger too if it has never run"
                )
            self._replace(())
            return ()
        data = self._path.read_bytes()
        if not data.startswith(MAGIC):
            raise VotesDamaged(f"{self._path}: this is no vote log; give the agent a new key")
        records, end = self._parse(data)
        self._file = os.open(self._path, os.O_WRONLY | os.O_APPEND)
        if end < len(data):
            os.ftruncate(self._file, end)
            os.fsync(self._file)
        return records

    def _parse(self, data: bytes) -> tuple[tuple[AnyRecord, ...], int]:
        try:
            return parsed(data)
        except DamagedAt as error:
            raise VotesDamaged(
                f"{self._path}: damaged at byte {error.position}; this agent might contradict "
                "itself: give it a new key"
            ) from None

    def append(self, records: Sequence[AnyRecord]) -> None:
        """Add records; on the disk when this returns."""
        _write_all(self._file, framed(records))
        os.fdatasync(self._file)

    def replace(self, records: Sequence[AnyRecord]) -> None:
        """Have these records instead of all earlier ones, whole or not at all."""
        self._replace(records)

    def _replace(self, records: Sequence[AnyRecord]) -> None:
        scratch = self._path.with_name(self._path.name + ".new")
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND
        file = os.open(scratch, flags, 0o600)
        _write_all(file, MAGIC + b"".join(framed((record,)) for record in records))
        os.fsync(file)
        scratch.replace(self._path)
        folder = os.open(self._path.parent, os.O_RDONLY)
        os.fsync(folder)
        os.close(folder)
        if self._file >= 0:
            os.close(self._file)
        self._file = file

    def close(self) -> None:
        """Close the file and let another process have it."""
        for descriptor in (self._file, self._lock):
            if descriptor >= 0:
                os.close(descriptor)
        self._file = self._lock = -1


def _write_all(file: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(file, view) :]
