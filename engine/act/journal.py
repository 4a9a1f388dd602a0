"""The actuator's journal: intent on disk before the effect, outcome after it, freeze for good.

SQLite with synchronous=FULL: what a call returned has survived a SIGKILL at any later moment.
"""

import sqlite3
from enum import StrEnum
from pathlib import Path
from typing import Any

import msgspec

from engine.act.orders import Conditions, Order, steps_of
from engine.certificate import certificate_digest
from engine.codec import Malformed, decode, encode
from engine.ports import ActionKey, Report
from engine.vocabulary import Generation, OutcomeKind

TEN_MINUTES_MS = 600_000
MAX_COUNTER = (1 << 63) - 1
"""The largest integer that SQLite keeps."""


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
    incident TEXT NOT NULL, attempt INTEGER NOT NULL, service TEXT NOT NULL,
    "order" BLOB NOT NULL, progress TEXT NOT NULL,
    outcome TEXT, generation BLOB, reason TEXT,
    intended_ms INTEGER NOT NULL, intended_ns INTEGER NOT NULL, finished_ns INTEGER,
    PRIMARY KEY (certificate, step, undo)
) STRICT;
CREATE TABLE IF NOT EXISTS freeze (
    id INTEGER PRIMARY KEY CHECK (id = 1), frozen INTEGER NOT NULL, counter INTEGER NOT NULL
) STRICT;
INSERT OR IGNORE INTO freeze VALUES (1, 0, 0);
CREATE TABLE IF NOT EXISTS freezes (word BLOB PRIMARY KEY) STRICT;
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
        body = order.certificate.body
        service = dict(steps_of(order))[key].service
        self._db.execute(
            "INSERT INTO steps (certificate, step, undo, incident, attempt, service,"
            ' "order", progress, intended_ms, intended_ns) VALUES (?,?,?,?,?,?,?,?,?,?)',
            (
                *_row(key),
                *(body.incident, body.attempt, service),
                *(encode(order), Progress.INTENDED, now_ms, now_ns),
            ),
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
            f"SELECT {_COLUMNS} FROM steps WHERE progress != ? ORDER BY rowid",  # noqa: S608
            (Progress.REPORTED,),
        ).fetchall()
        return [_entry(row) for row in rows]

    def intended_since(self, since_ms: int) -> int:
        """How many steps were begun at or after a time in Unix ms."""
        (count,) = self._db.execute(
            "SELECT COUNT(*) FROM steps WHERE intended_ms >= ?", (since_ms,)
        ).fetchone()
        return int(count)

    def conditions(self, order: Order, now_ms: int, *, by_operator: bool = False) -> Conditions:
        """What is known here that may stand against beginning a step of ``order`` now."""
        body = order.certificate.body
        name = certificate_digest(body)
        newest, begun_ms = self._one(
            "SELECT MAX(rowid), MAX(intended_ms) FROM steps WHERE certificate=? AND undo=0", name
        )
        services = sorted({action.service for _, action in steps_of(order)})
        marks = ",".join("?" * len(services))
        (changes,) = self._one(
            f"SELECT COUNT(*) FROM steps WHERE certificate!=? AND rowid>? AND service IN ({marks})",  # noqa: S608
            *(name, newest or 0, *services),
        )
        (undo_steps,) = self._one("SELECT COUNT(*) FROM steps WHERE certificate=? AND undo=1", name)
        (attempt,) = self._one(
            "SELECT MAX(attempt) FROM steps WHERE incident=? AND undo=0", body.incident
        )
        return Conditions(
            now_ms=now_ms,
            frozen=self.frozen,
            recent_actions=self.intended_since(now_ms - TEN_MINUTES_MS),
            begun_ms=begun_ms,
            undo_begun=bool(undo_steps),
            newest_attempt=attempt or 0,
            changed_since=bool(changes),
            by_operator=by_operator,
        )

    def _one(self, query: str, *values: object) -> Any:  # noqa: ANN401 -- as SQLite has it
        return self._db.execute(query, values).fetchone()

    # --- freeze ---------------------------------------------------------------------------------

    @property
    def frozen(self) -> bool:
        """Whether an operator has stopped all automation."""
        (frozen,) = self._db.execute("SELECT frozen FROM freeze").fetchone()
        return bool(frozen)

    def freeze(self, counter: int, word: bytes) -> bool:
        """Stop; whatever was said before, a new ``word`` takes.

        False, and nothing changed, when it was obeyed before and was thawed since: the log keeps every
        freeze, and whoever reads it must not stop automation with an operator's old word.
        """
        if not self.frozen and self._one("SELECT 1 FROM freezes WHERE word=?", word):
            return False
        self._db.execute(
            "UPDATE freeze SET frozen=1, counter=MAX(counter, ?)", (min(counter, MAX_COUNTER),)
        )
        # After it: of a word that a crash cut short, nobody knows, and it takes when it is said again.
        self._db.execute("INSERT OR IGNORE INTO freezes VALUES (?)", (word,))
        return True

    def thaw(self, counter: int) -> bool:
        """Resume; False, and nothing changed, when ``counter`` is not newer than the last word's.

        Operators count in Unix milliseconds, so that their words have one order among them all.
        """
        changed = self._db.execute(
            "UPDATE freeze SET frozen=0, counter=? WHERE counter < ?",
            (min(counter, MAX_COUNTER), min(counter, MAX_COUNTER)),
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
