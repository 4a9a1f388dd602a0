"""The trace: a bounded, unverified record of every consensus message as its receiver saw it.

For screens and for people; the ledger is the truth. Kept in SQLite beside the ledger, the oldest
dropped, so that what a screen drew can be replayed.
"""

import sqlite3
from collections import deque
from collections.abc import Sequence
from pathlib import Path

from engine.vocabulary import AgentId, AuthorId, TraceEvent

MAX_KEPT = 200_000
"""About 20 MB: an hour of an idle swarm, or some hundred incidents."""
MAX_RECENT = 2_000
"""Newest events kept in memory for screens."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS trace (
    id INTEGER PRIMARY KEY, sender TEXT NOT NULL, receiver TEXT NOT NULL, kind TEXT NOT NULL,
    view INTEGER NOT NULL, sequence_number INTEGER NOT NULL, digest BLOB NOT NULL,
    sent_ns INTEGER NOT NULL, received_ns INTEGER NOT NULL, refused TEXT NOT NULL
) STRICT;
"""


class Trace:
    """Appends events; forgets the oldest."""

    def __init__(self, path: Path) -> None:
        """Open the trace at ``path``; a damaged one is begun anew, since it proves nothing."""
        self.recent: deque[TraceEvent] = deque(maxlen=MAX_RECENT)
        self.dropped = 0
        """Events that agents dropped before they came here, plus those that could not be kept."""
        try:
            self._open(path)
        except sqlite3.DatabaseError:
            path.unlink(missing_ok=True)
            self._open(path)

    def _open(self, path: Path) -> None:
        self._db = sqlite3.connect(path, isolation_level=None)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=OFF")
        self._db.executescript(_SCHEMA)

    def add(self, events: Sequence[TraceEvent]) -> None:
        """Keep ``events``, newest last."""
        self.recent.extend(events)
        rows = [
            (
                event.sender,
                event.receiver,
                event.kind,
                event.view,
                event.sequence_number,
                event.digest,
                event.sent_ns,
                event.received_ns,
                event.refused,
            )
            for event in events
        ]
        self._db.execute("BEGIN")
        self._db.executemany(
            "INSERT INTO trace (sender, receiver, kind, view, sequence_number, digest, sent_ns,"
            " received_ns, refused) VALUES (?,?,?,?,?,?,?,?,?)",
            rows,
        )
        self._db.execute(
            "DELETE FROM trace WHERE id <= (SELECT MAX(id) FROM trace) - ?", (MAX_KEPT,)
        )
        self._db.execute("COMMIT")

    def read(self, first: int, limit: int) -> list[TraceEvent]:
        """Up to ``limit`` events from number ``first`` on, oldest first."""
        rows = self._db.execute(
            "SELECT sender, receiver, kind, view, sequence_number, digest, sent_ns, received_ns,"
            " refused FROM trace WHERE id >= ? ORDER BY id LIMIT ?",
            (first, limit),
        )
        return [
            TraceEvent(AgentId(AuthorId(row[0])), AgentId(AuthorId(row[1])), *row[2:])
            for row in rows
        ]

    def close(self) -> None:
        """Close the file."""
        self._db.close()
