"""The tape: the last hours of telemetry beside the ledger, from which recordings are cut (a shell).

Bounded and unverified, like the trace: a damaged tape is begun anew. What was seen is kept as
records, a second at a time, so that a stretch can be found by its time and read without the rest.
"""

import sqlite3
import zlib
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

import msgspec

from engine.codec import Malformed
from engine.side_store import begin_anew, open_or_begin
from engine.telemetry.recording import Told
from engine.telemetry.records import LogRecord, Point, Span
from engine.telemetry.samples import Observation, StatusSeen
from engine.telemetry.translation import records_of
from engine.topology import FleetStatus

MAX_KEPT = 7_200
"""Seconds of telemetry kept: two hours, about 15 MB for the demo fleet."""
MAX_PIECE_BYTES = 16 << 20
"""Of one second, unpacked."""
MAX_PER_SECOND = 20_000
"""Records of one second; more are dropped and counted."""
_SCHEMA = """
CREATE TABLE IF NOT EXISTS tape (
    id INTEGER PRIMARY KEY, at_s REAL NOT NULL, piece BLOB NOT NULL
) STRICT;
"""


class Piece(msgspec.Struct, frozen=True, array_like=True):
    """One second of telemetry."""

    points: tuple[Point, ...] = ()
    logs: tuple[LogRecord, ...] = ()
    spans: tuple[Span, ...] = ()
    status: FleetStatus | None = None
    """The newest word of the orchestrator: releases and when they went live."""


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Piece)


class Tape:
    """Takes what is seen; writes it a second at a time and forgets the oldest."""

    def __init__(self, path: Path) -> None:
        """Open the tape at ``path``; a damaged one is begun anew."""
        self._path = path
        self._db = open_or_begin(path, _SCHEMA)
        self._waiting: list[Told] = []
        self._status: FleetStatus | None = None
        self._second = 0
        self.dropped = 0
        """Records that were too many, or could not be written."""

    def see(self, seen: Observation) -> None:
        """Take one observation of the fleet in."""
        if isinstance(seen, StatusSeen):
            self._status = seen.status
        self.take(records_of(seen), seen.at_ms)

    def take(self, records: Sequence[Told], now_ms: int) -> None:
        """Take records in; a second that is over is written."""
        if now_ms // 1_000 != self._second:
            self.flush()
            self._second = now_ms // 1_000
        room = MAX_PER_SECOND - len(self._waiting)
        self.dropped += max(0, len(records) - room)
        self._waiting += records[: max(0, room)]

    def flush(self) -> None:
        """Write what is waiting."""
        waiting, self._waiting = self._waiting, []
        if not waiting and self._status is None:
            return
        piece = Piece(
            tuple(r for r in waiting if isinstance(r, Point)),
            tuple(r for r in waiting if isinstance(r, LogRecord)),
            tuple(r for r in waiting if isinstance(r, Span)),
            self._status,
        )
        packed = zlib.compress(_encoder.encode(piece), 1)
        try:
            self._db.execute(
                "INSERT INTO tape (at_s, piece) VALUES (?, ?)", (float(self._second), packed)
            )
            self._db.execute(
                "DELETE FROM tape WHERE id <= (SELECT MAX(id) FROM tape) - ?", (MAX_KEPT,)
            )
        except sqlite3.OperationalError:
            self.dropped += len(waiting)
        except sqlite3.DatabaseError:
            self.dropped += len(waiting)
            self._db = begin_anew(self._db, self._path, _SCHEMA)

    def close(self) -> None:
        """Write what is waiting and close the file."""
        self.flush()
        self._db.close()


def pieces(path: Path, from_s: float, to_s: float) -> Iterator[Piece]:
    """The seconds of a tape in ``from_s..to_s`` (Unix), in order.

    Raises:
        Malformed: the file is missing or damaged; names it.
    """
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as database:
            rows = database.execute(
                "SELECT piece FROM tape WHERE at_s BETWEEN ? AND ? ORDER BY at_s, id",
                (from_s, to_s),
            )
            for (packed,) in rows:
                unpacker = zlib.decompressobj()
                data = unpacker.decompress(packed, MAX_PIECE_BYTES)
                if not unpacker.eof:
                    raise Malformed(f"a second is cut off, or has over {MAX_PIECE_BYTES} bytes")
                yield _decoder.decode(data)
    except (sqlite3.DatabaseError, msgspec.DecodeError, zlib.error, TypeError, ValueError) as error:
        raise Malformed(f"{path}: no tape of an engine: {error}") from None


def reach(path: Path) -> tuple[float, float]:
    """First and last second on a tape (Unix).

    Raises:
        Malformed: the file is missing, damaged or empty; names it.
    """
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as database:
            first, last = database.execute("SELECT min(at_s), max(at_s) FROM tape").fetchone()
    except sqlite3.DatabaseError as error:
        raise Malformed(f"{path}: no tape of an engine: {error}") from None
    if first is None:
        raise Malformed(f"{path}: the tape is empty; the engine has seen nothing yet")
    return first, last
