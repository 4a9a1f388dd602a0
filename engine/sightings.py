"""Sightings: what the engine saw of fleet and swarm, second by second, kept to be replayed.

The log says what was claimed, decided and done; it never holds telemetry. So that a replay shows
the traffic, the health and the agents' phases of that time too, the engine keeps them beside the
log: bounded, unverified, for screens only, like the trace.
"""

import sqlite3
import zlib
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import msgspec
from msgspec.structs import replace

from engine.codec import Malformed
from engine.side_store import begin_anew, open_or_begin
from engine.stream.state import ScreenState

EVERY_MS = 1_000
MAX_KEPT = 7_200
"""Two hours, about 6 MB."""
MAX_BYTES = 1 << 20
"""Of one sighting, unpacked: 500 agents take 150 kB."""
_SCHEMA = """
CREATE TABLE IF NOT EXISTS sightings (
    id INTEGER PRIMARY KEY, seen_ns INTEGER NOT NULL, state BLOB NOT NULL
) STRICT;
"""
_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(ScreenState)


class Sightings:
    """Keeps a state a second; forgets the oldest."""

    def __init__(self, path: Path) -> None:
        """Open the file at ``path``; a damaged one is begun anew, since it proves nothing."""
        self._path = path
        self._db = open_or_begin(path, _SCHEMA)
        self._kept_ms = -EVERY_MS
        self.dropped = 0
        """Sightings that could not be kept."""

    def see(self, state: ScreenState, now_ns: int) -> None:
        """Keep what ``state`` shows beyond the log, unless a second has not passed yet."""
        now_ms = now_ns // 1_000_000
        if now_ms - self._kept_ms < EVERY_MS:
            return
        self._kept_ms = now_ms
        try:
            self._db.execute(
                "INSERT INTO sightings (seen_ns, state) VALUES (?, ?)", (now_ns, _packed(state))
            )
            self._db.execute(
                "DELETE FROM sightings WHERE id <= (SELECT MAX(id) FROM sightings) - ?", (MAX_KEPT,)
            )
        except sqlite3.OperationalError:
            self.dropped += 1
        except sqlite3.DatabaseError:
            self.dropped += 1
            self._db = begin_anew(self._db, self._path, _SCHEMA)

    def close(self) -> None:
        """Close the file."""
        self._db.close()


def read_sightings(path: Path) -> Iterator[tuple[int, ScreenState]]:
    """Every sighting in a file, oldest first, with its CLOCK_MONOTONIC nanoseconds.

    Raises:
        Malformed: the file is missing or damaged; names it.
    """
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as database:
            rows = database.execute("SELECT seen_ns, state FROM sightings ORDER BY id").fetchall()
        for seen_ns, blob in rows:
            yield int(seen_ns), _unpacked(blob)
    except (sqlite3.DatabaseError, msgspec.DecodeError, zlib.error, TypeError, ValueError) as error:
        raise Malformed(f"{path}: no sightings of an engine: {error}") from None


def _packed(state: ScreenState) -> bytes:
    """The parts of a state that no log tells; of the SLO's history, the newest second."""
    slo = state.slo and replace(state.slo, history=state.slo.history[-1:])
    seen = replace(state, slo=slo, incident=None, timeline=(), ledger=())
    return zlib.compress(_encoder.encode(seen), 1)


def _unpacked(blob: bytes) -> ScreenState:
    packer = zlib.decompressobj()
    data = packer.decompress(blob, MAX_BYTES)
    if packer.unconsumed_tail or not packer.eof:
        raise Malformed(f"a sighting is cut off, or has over {MAX_BYTES} bytes")
    return _decoder.decode(data)
