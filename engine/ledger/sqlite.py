"""A ledger in one SQLite file: entries with their commit certificates, chained, append-only.

Receipt stamps stand in a column of their own: they serve measurement, and no fold reads them.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

from engine.clock import Clock, SystemClock
from engine.codec import Malformed, decode, encode
from engine.consensus.certificate import Seal
from engine.consensus.committee import Committee
from engine.consensus.epochs import Epochs, Kept
from engine.genesis import Genesis
from engine.signing import Ed25519Verifier, Verifier
from engine.vocabulary import Entry

_SCHEMA = """
CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS entries (
    sequence_number INTEGER PRIMARY KEY,
    entry BLOB NOT NULL,
    chain BLOB NOT NULL,
    received_ns INTEGER NOT NULL,
    received_ms INTEGER NOT NULL
) STRICT;
"""


_INSERT = (
    "INSERT INTO entries (sequence_number, chain, entry, received_ns, received_ms) "
    "VALUES (?, ?, ?, ?, ?)"
)


class LedgerDamaged(ValueError):
    """A ledger file that cannot be used; the message names the file and the remedy."""


class SqliteLedger:
    """The ledger of one replica or follower."""

    def __init__(
        self,
        path: Path,
        genesis: Genesis,
        *,
        clock: Clock | None = None,
        verifier: Verifier | None = None,
    ) -> None:
        """Open the ledger of the founding ``genesis`` in the file ``path``, or begin it there.

        Raises:
            LedgerDamaged: the file is torn, tampered with, or of another cluster.
        """
        self._path = path
        self._genesis = genesis
        self._committee = Committee(genesis, verifier or Ed25519Verifier())
        self._clock = clock or SystemClock()
        try:
            self._database = sqlite3.connect(path, isolation_level=None)
            self._database.execute("PRAGMA journal_mode=WAL")
            self._database.execute("PRAGMA synchronous=NORMAL")
            self._database.executescript(_SCHEMA)
            self._check_genesis()
            self._epochs = self._check_head()
        except sqlite3.DatabaseError as error:
            raise self._damaged(f"SQLite says: {error}") from None

    def _damaged(self, why: str) -> LedgerDamaged:
        return LedgerDamaged(
            f"{self._path}: this ledger cannot be used: {why}; "
            "move it away, and it is fetched again from the other agents"
        )

    def _check_genesis(self) -> None:
        encoded = encode(self._genesis)
        self._database.execute("INSERT OR IGNORE INTO meta VALUES ('genesis', ?)", (encoded,))
        (kept,) = self._database.execute("SELECT value FROM meta WHERE name='genesis'").fetchone()
        if kept != encoded:
            raise self._damaged("it is of another cluster")

    def _check_head(self) -> Epochs:
        count, last = self._database.execute(
            "SELECT count(*), coalesce(max(sequence_number), 0) FROM entries"
        ).fetchone()
        if count != last:
            raise self._damaged(f"it has {count} entries, but the last one is number {last}")
        if last == 0:
            return Epochs(self._committee)
        rows = self._database.execute(
            "SELECT entry, chain FROM entries WHERE sequence_number >= ? ORDER BY sequence_number",
            (last - 1,),
        ).fetchall()
        previous = self._genesis.cluster if last == 1 else rows[0][1]
        entry, chain = self._decode(rows[-1][0]), rows[-1][1]
        epochs = Epochs(self._committee, head=(last, chain), kept=self._kept())
        if entry.sequence_number != last or not epochs.follows(previous, entry, chain):
            raise self._damaged(f"entry {last} does not fit the chain")
        return epochs

    def _kept(self) -> Kept:
        row = self._database.execute("SELECT value FROM meta WHERE name='epochs'").fetchone()
        try:
            return Kept() if row is None else decode(row[0], Kept)
        except Malformed as error:
            raise self._damaged(f"its epochs: {error}") from None

    def _decode(self, blob: bytes) -> Entry:
        try:
            return decode(blob, Entry)
        except Malformed as error:
            raise self._damaged(str(error)) from None

    # --- EntryStore ----------------------------------------------------------------------------

    def append(self, entries: Sequence[Entry], received_ns: int) -> None:
        """Add the next entries, all or none of them.

        Raises:
            ValueError: they are not the next ones in sequence.
        """
        first = self._epochs.head[0] + 1
        for number, entry in enumerate(entries, first):
            if entry.sequence_number != number:
                raise ValueError(
                    f"{self._path}: entry {entry.sequence_number} cannot follow {number - 1}"
                )
        revision, received_ms = self._epochs.revision, self._clock.unix_ms()
        with self._database:
            self._database.execute("BEGIN IMMEDIATE")
            for entry in entries:
                self._epochs.take(entry)
                row = (*self._epochs.head, encode(entry), received_ns, received_ms)
                self._database.execute(_INSERT, row)
            if self._epochs.revision != revision:
                # What changes the epochs is remembered with its entry, or not at all.
                kept = encode(self._epochs.kept())
                self._database.execute("INSERT OR REPLACE INTO meta VALUES ('epochs', ?)", (kept,))

    def sync(self) -> None:
        """Have everything that was appended on the disk."""
        # A commit in this mode syncs SQLite's own log, and so all that stands in it before.
        self._database.execute("PRAGMA synchronous=FULL")
        self._database.execute(
            "INSERT OR REPLACE INTO meta VALUES ('synced', ?)", (encode(self._epochs.head[0]),)
        )
        self._database.execute("PRAGMA synchronous=NORMAL")

    def read(self, first: int, limit: int) -> Sequence[Entry]:
        """Up to ``limit`` entries from sequence number ``first`` on."""
        rows = self._database.execute(
            "SELECT entry FROM entries WHERE sequence_number >= ? ORDER BY sequence_number LIMIT ?",
            (first, limit),
        )
        return [self._decode(blob) for (blob,) in rows]

    def read_rows(self, first: int, limit: int) -> list[tuple[int, bytes, bytes, int]]:
        """Up to ``limit`` rows from number ``first`` on, as they are kept.

        Each is the number, the encoded entry, its chain digest, and the Unix milliseconds of its
        receipt.
        """
        return self._database.execute(
            "SELECT sequence_number, entry, chain, received_ms FROM entries "
            "WHERE sequence_number >= ? ORDER BY sequence_number LIMIT ?",
            (first, limit),
        ).fetchall()

    def chain_at(self, number: int) -> bytes | None:
        """The chain digest after entry ``number``; None where there is no such entry."""
        if number == 0:
            return self._genesis.cluster
        row = self._database.execute(
            "SELECT chain FROM entries WHERE sequence_number = ?", (number,)
        ).fetchone()
        return None if row is None else bytes(row[0])

    @property
    def head(self) -> tuple[int, bytes]:
        """Sequence number and chain digest of the last entry; ``(0, cluster)`` when empty."""
        return self._epochs.head

    @property
    def epochs(self) -> Epochs:
        """Whose signatures count, by epoch, as far as this ledger goes."""
        return self._epochs

    # --- reading it whole ----------------------------------------------------------------------

    @property
    def genesis(self) -> Genesis:
        """The constitution this ledger begins with."""
        return self._genesis

    def read_all(self) -> Iterator[Entry]:
        """Every entry, in order."""
        for entry, _, _ in self._rows():
            yield entry

    def read_stamped(self) -> Iterator[tuple[Entry, int]]:
        """Every entry with the Unix milliseconds of its receipt."""
        for entry, _, received_ms in self._rows():
            yield entry, received_ms

    def _rows(self) -> Iterator[tuple[Entry, int, int]]:
        # In pages: whoever reads may append meanwhile.
        following = 1
        while True:
            rows = self._database.execute(
                "SELECT entry, received_ns, received_ms FROM entries "
                "WHERE sequence_number >= ? ORDER BY sequence_number LIMIT 256",
                (following,),
            ).fetchall()
            for blob, received_ns, received_ms in rows:
                yield self._decode(blob), received_ns, received_ms
            if len(rows) < 256:
                return
            following += 256

    # --- the seal --------------------------------------------------------------------------------

    def keep_seal(self, seal: Seal) -> None:
        """Keep a quorum's word that the ledger ends at its head; replaces an older one."""
        self._database.execute("INSERT OR REPLACE INTO meta VALUES ('seal', ?)", (encode(seal),))

    @property
    def seal(self) -> Seal | None:
        """The newest seal, which may be older than the head."""
        row = self._database.execute("SELECT value FROM meta WHERE name='seal'").fetchone()
        return None if row is None else decode(row[0], Seal)

    def close(self) -> None:
        """Close the file."""
        self._database.close()


def open_ledger(path: Path) -> SqliteLedger:
    """The existing ledger in a file, with the genesis that it names itself: trust nothing yet.

    Raises:
        LedgerDamaged: the file is missing, or is no ledger.
    """
    if not path.is_file():
        raise LedgerDamaged(f"{path}: there is no ledger here")
    try:
        database = sqlite3.connect(path)
        try:
            row = database.execute("SELECT value FROM meta WHERE name='genesis'").fetchone()
        finally:
            database.close()
        if row is None:
            raise LedgerDamaged(f"{path}: this ledger has no genesis")
        return SqliteLedger(path, decode(row[0], Genesis))
    except (sqlite3.DatabaseError, Malformed) as error:
        raise LedgerDamaged(f"{path}: this is no ledger: {error}") from None


def read_received(path: Path, first: int, limit: int = 256) -> list[tuple[Entry, int]]:
    """Entries from number ``first`` on with their receipt stamps (CLOCK_MONOTONIC ns).

    For whoever watches the ledger that another process writes: opens it read-only for this look.

    Raises:
        sqlite3.Error: there is no ledger yet, or it cannot be read.
    """
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
        rows = database.execute(
            "SELECT entry, received_ns FROM entries "
            "WHERE sequence_number >= ? ORDER BY sequence_number LIMIT ?",
            (first, limit),
        ).fetchall()
    return [(decode(blob, Entry), received_ns) for blob, received_ns in rows]
