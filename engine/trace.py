"""The trace: a bounded, unverified record of every consensus message as its receiver saw it.

For screens and for people; the ledger is the truth. Kept in SQLite beside the ledger, the oldest
dropped, so that what a screen drew can be replayed.
"""

import sqlite3
from collections import deque
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import msgspec

from engine.codec import Malformed
from engine.side_store import begin_anew, open_or_begin
from engine.vocabulary import AgentId, AuthorId, TraceEvent

MAX_KEPT = 200_000
"""About 20 MB: an hour of an idle swarm, or some hundred incidents."""
MAX_RECENT = 2_000
"""Newest events kept in memory for screens."""
MAX_WORDS = 80
"""Characters kept of a name or of a reason: an agent may say anything here."""
MAX_NUMBER = (1 << 63) - 1
"""The largest integer of SQLite."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS trace (
    id INTEGER PRIMARY KEY, sender TEXT NOT NULL, receiver TEXT NOT NULL, kind TEXT NOT NULL,
    view INTEGER NOT NULL, sequence_number INTEGER NOT NULL, digest BLOB NOT NULL,
    sent_ns INTEGER NOT NULL, received_ns INTEGER NOT NULL, refused TEXT NOT NULL
) STRICT;
"""
_READ = (
    "SELECT sender, receiver, kind, view, sequence_number, digest, sent_ns, received_ns, refused"
    " FROM trace WHERE id >= ? ORDER BY id LIMIT ?"
)


class Trace:
    """Appends events; forgets the oldest."""

    def __init__(self, path: Path) -> None:
        """Open the trace at ``path``; a damaged one is begun anew, since it proves nothing."""
        self._path = path
        self.recent: deque[TraceEvent] = deque(maxlen=MAX_RECENT)
        self.dropped = 0
        """Events that agents dropped before they came here, plus those that could not be kept."""
        self._db = open_or_begin(path, _SCHEMA)

    def add(self, events: Sequence[TraceEvent]) -> list[TraceEvent]:
        """Keep ``events``, newest last, and return them as they were kept.

        What cannot be kept on disk is counted as dropped.
        """
        bounded = [_bounded(event) for event in events]
        self.recent.extend(bounded)
        try:
            self._insert([msgspec.structs.astuple(event) for event in bounded])
        except sqlite3.OperationalError:
            self._lose(len(bounded))
        except sqlite3.DatabaseError:
            self._lose(len(bounded))
            self._db = begin_anew(self._db, self._path, _SCHEMA)
        return bounded

    def _lose(self, count: int) -> None:
        self.dropped += count
        if self._db.in_transaction:
            self._db.execute("ROLLBACK")

    def _insert(self, rows: Sequence[tuple[object, ...]]) -> None:
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
        return [_event(row) for row in self._db.execute(_READ, (first, limit))]

    def close(self) -> None:
        """Close the file."""
        self._db.close()


def read_trace(path: Path) -> Sequence[TraceEvent]:
    """Every event in the trace at ``path``, oldest first; reads beside an engine that writes it.

    Raises:
        Malformed: the file is missing or damaged; names it.
    """
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as database:
            return [_event(row) for row in database.execute(_READ, (0, MAX_KEPT))]
    except sqlite3.DatabaseError as error:
        raise Malformed(f"{path}: no trace of an engine: {error}") from None


def _event(row: tuple[str, str, str, int, int, bytes, int, int, str]) -> TraceEvent:
    return TraceEvent(AgentId(AuthorId(row[0])), AgentId(AuthorId(row[1])), *row[2:])


def _bounded(event: TraceEvent) -> TraceEvent:
    """``event`` as it fits a row, whatever an agent said."""
    return TraceEvent(
        sender=AgentId(AuthorId(event.sender[:MAX_WORDS])),
        receiver=AgentId(AuthorId(event.receiver[:MAX_WORDS])),
        kind=event.kind[:MAX_WORDS],
        view=_within(event.view),
        sequence_number=_within(event.sequence_number),
        digest=event.digest[:8],
        sent_ns=_within(event.sent_ns),
        received_ns=_within(event.received_ns),
        refused=event.refused[:MAX_WORDS],
    )


def _within(number: int) -> int:
    return max(-MAX_NUMBER, min(number, MAX_NUMBER))
