"""The actuator's journal: intent on disk before the effect, outcome after it, freeze for good.

SQLite with synchronous=FULL: what a call returned has survived a SIGKILL at any later moment.
"""

import sqlite3
from enum import StrEnum
from pathlib import Path

import msgspec

from engine.act.orders import Order
from engine.codec import Malformed, decode, encode
from engine.ports import ActionKey, Report
from engine.vocabulary import Generation, OutcomeKind


class Progress(StrEnum):
    """How far a step is known to have come."""

    INTENDED = "intended"
    """Its effect may or may not have begun."""
    FINISHED = "finished"
    """Its outcome is known, or known to be unknowable."""
    REPORTED = "reported"
    """The council has its outcome in the log."""


class JournalEntry(msgspec.Struct, frozen=True):
    """One step that the actuator has begun."""

    key: ActionKey
    order: Order
    progress: Progress
    report: Report | None
    intended_ms: int


_SCHEMA = """
CREATE TABLE IF NOT EXISTS steps (
    certificate BLOB NOT NULL, step INTEGER NOT NULL, undo INTEGER NOT NULL,
    "order" BLOB NOT NULL, progress TEXT NOT NULL,
    outcome TEXT, generation BLOB, reason TEXT,
    intended_ms INTEGER NOT NULL, intended_ns INTEGER NOT NULL, finished_ns INTEGER,
    PRIMARY KEY (certificate, step, undo)
) STRICT;
CREATE TABLE IF NOT EXISTS freeze (
    id INTEGER PRIMARY KEY CHECK (id = 1), frozen INTEGER NOT NULL, counter INTEGER NOT NULL
) STRICT;
INSERT OR IGNORE INTO freeze VALUES (1, 0, 0);
"""
_COLUMNS = 'certificate, step, undo, "order", progress, outcome, generation, reason, intended_ms'


class Journal:
    """What the actuator intends, did, and reported; and whether it is frozen."""

    def __init__(self, path: Path) -> None:
        """Open the journal at ``path``, making it if it is new.

        Raises:
            Malformed: the file is no journal.
        """
        try:
            self._db = sqlite3.connect(path, isolation_level=None)
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=FULL")
            self._db.executescript(_SCHEMA)
        except sqlite3.DatabaseError as error:
            raise Malformed(f"{path}: no journal: {error}; restore it from a backup") from None

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    # --- steps ----------------------------------------------------------------------------------

    def intend(self, key: ActionKey, order: Order, now_ms: int, now_ns: int) -> None:
        """Record, before anything happens, that the step is about to be carried out."""
        self._db.execute(
            'INSERT INTO steps (certificate, step, undo, "order", progress, intended_ms,'
            " intended_ns) VALUES (?,?,?,?,?,?,?)",
            (*_row(key), encode(order), Progress.INTENDED, now_ms, now_ns),
        )

    def finish(self, key: ActionKey, report: Report, now_ns: int) -> None:
        """Record what came of the step."""
        generation = None if report.generation is None else encode(report.generation)
        self._db.execute(
            "UPDATE steps SET progress=?, outcome=?, generation=?, reason=?, finished_ns=?"
            " WHERE certificate=? AND step=? AND undo=?",
            (Progress.FINISHED, report.outcome, generation, report.reason, now_ns, *_row(key)),
        )

    def reported(self, key: ActionKey) -> None:
        """Record that the council has the outcome."""
        self._db.execute(
            "UPDATE steps SET progress=? WHERE certificate=? AND step=? AND undo=?",
            (Progress.REPORTED, *_row(key)),
        )

    def entry(self, key: ActionKey) -> JournalEntry | None:
        """What is known of one step."""
        found = self._db.execute(
            f"SELECT {_COLUMNS} FROM steps WHERE certificate=? AND step=? AND undo=?",  # noqa: S608
            _row(key),
        ).fetchone()
        return None if found is None else _entry(found)

    def unsettled(self) -> list[JournalEntry]:
        """Steps whose outcome the council does not have yet, oldest first."""
        rows = self._db.execute(
            f"SELECT {_COLUMNS} FROM steps WHERE progress != ? ORDER BY intended_ns",  # noqa: S608
            (Progress.REPORTED,),
        ).fetchall()
        return [_entry(row) for row in rows]

    def intended_since(self, since_ms: int) -> int:
        """How many steps were begun at or after a time in Unix ms."""
        (count,) = self._db.execute(
            "SELECT COUNT(*) FROM steps WHERE intended_ms >= ?", (since_ms,)
        ).fetchone()
        return int(count)

    # --- freeze ---------------------------------------------------------------------------------

    @property
    def frozen(self) -> bool:
        """Whether an operator has stopped all automation."""
        (frozen,) = self._db.execute("SELECT frozen FROM freeze").fetchone()
        return bool(frozen)

    def set_frozen(self, frozen: bool, counter: int) -> bool:
        """Stop or resume; False, and nothing changed, when ``counter`` is not a newer one."""
        changed = self._db.execute(
            "UPDATE freeze SET frozen=?, counter=? WHERE counter < ?",
            (int(frozen), counter, counter),
        )
        return changed.rowcount == 1


def _row(key: ActionKey) -> tuple[bytes, int, int]:
    return key.certificate, key.step, int(key.undo)


def _entry(
    row: tuple[bytes, int, int, bytes, str, str | None, bytes | None, str, int],
) -> JournalEntry:
    certificate, step, undo, order, progress, outcome, generation, reason, intended_ms = row
    report = None
    if outcome is not None:
        run = None if generation is None else decode(generation, Generation)
        report = Report(OutcomeKind(outcome), run, reason or "")
    return JournalEntry(
        ActionKey(certificate, step, bool(undo)),
        decode(order, Order),
        Progress(progress),
        report,
        intended_ms,
    )
