"""SQLite files that prove nothing and that nothing depends on: a damaged one is begun anew."""

import sqlite3
from pathlib import Path


def open_or_begin(path: Path, schema: str) -> sqlite3.Connection:
    """A connection to the file at ``path``, in autocommit; an unusable file is replaced."""
    connection = sqlite3.connect(path, isolation_level=None)
    try:
        _prepare(connection, schema)
    except sqlite3.DatabaseError:
        return begin_anew(connection, path, schema)
    return connection


def begin_anew(connection: sqlite3.Connection, path: Path, schema: str) -> sqlite3.Connection:
    """An empty file in the place of the one that ``connection`` is open on."""
    connection.close()
    # With the log that goes with it: SQLite would replay an old one into the new file.
    for suffix in ("", "-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
    fresh = sqlite3.connect(path, isolation_level=None)
    _prepare(fresh, schema)
    return fresh


def _prepare(connection: sqlite3.Connection, schema: str) -> None:
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=OFF")
    connection.executescript(schema)
