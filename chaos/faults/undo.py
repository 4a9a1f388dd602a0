"""The undo ledger: which faults are in, on disk before they are, so that none outlives its drill.

JSON lines, each flushed to the disk. A line that was cut off by a crash was never acknowledged,
so it is dropped; what follows a damaged line still counts.
"""

import os
from enum import StrEnum
from pathlib import Path

import msgspec

from chaos.faults.fault import Fault, Mark
from engine.paths import RunPaths


class State(StrEnum):
    """How far a fault has come."""

    INJECTING = "injecting"
    INJECTED = "injected"
    UNDONE = "undone"


class UndoEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One line: what became of one fault."""

    id: str
    fault: Fault
    mark: Mark
    state: State


_decoder = msgspec.json.Decoder(UndoEntry)


def ledger_path(paths: RunPaths) -> Path:
    """Where a run's undo ledger lies."""
    return paths.secrets / "undo.jsonl"


def newest(data: bytes) -> dict[str, UndoEntry]:
    """The last entry of each fault, in the order in which the faults began (pure)."""
    entries: dict[str, UndoEntry] = {}
    for line in data.split(b"\n"):
        try:
            entry = _decoder.decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            continue
        entries[entry.id] = entry
    return entries


class UndoLedger:
    """The ledger in its file."""

    def __init__(self, path: Path) -> None:
        """Go on with the ledger at ``path``, or begin one."""
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            data = b""
        self._entries = newest(data)
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        if data and not data.endswith(b"\n"):
            self._append(b"\n")

    def write(self, entry: UndoEntry) -> None:
        """Record one step; it is on the disk when this returns."""
        self._append(msgspec.json.encode(entry) + b"\n")
        self._entries[entry.id] = entry

    def _append(self, data: bytes) -> None:
        while data:
            data = data[os.write(self._descriptor, data) :]
        os.fsync(self._descriptor)

    def entry(self, fault_id: str) -> UndoEntry | None:
        """The last word on one fault."""
        return self._entries.get(fault_id)

    def open_entries(self) -> list[UndoEntry]:
        """Faults that are in, or may be."""
        return [entry for entry in self._entries.values() if entry.state is not State.UNDONE]

    def close(self) -> None:
        """Close the file."""
        os.close(self._descriptor)
