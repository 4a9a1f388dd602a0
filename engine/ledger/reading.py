"""Reading what is to be verified, trusting nothing of it and changing nothing in it."""

import json
import sqlite3
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote

import msgspec

from engine.codec import Malformed, decode
from engine.consensus.certificate import Seal
from engine.consensus.committee import Committee
from engine.consensus.epochs import Epochs
from engine.consensus.evidence import Evidence
from engine.genesis import Genesis, objection_to
from engine.ledger.export import Export, read_export
from engine.signing import Ed25519Verifier
from engine.vocabulary import Certificate, Entry

T = TypeVar("T")

_SQLITE = b"SQLite format 3\0"
MAX_PROOF_BYTES = 4 << 20
"""A certificate or an evidence is a few kilobytes; a NEW-VIEW in an evidence may be longer."""


def read_any(path: Path) -> Export | Certificate | Evidence:
    """What is in a file: a ledger (SQLite or exported), a certificate or an evidence.

    Raises:
        Malformed: the file is missing or is none of these; names the file.
    """
    try:
        with path.open("rb") as file:
            start = file.read(len(_SQLITE))
    except OSError as error:
        raise Malformed(f"{path}: cannot read it: {error.strerror}") from None
    if start == _SQLITE:
        return read_database(path)
    if start.startswith(b'{"genesis"'):
        return read_export(path)
    return _read_proof(path)


def read_database(path: Path) -> Export:
    """The ledger in a SQLite file, opened read-only.

    Raises:
        Malformed: it is no ledger, or damaged; names the file.
    """
    try:
        database = sqlite3.connect(f"file:{quote(str(path.absolute()))}?mode=ro", uri=True)
        try:
            rows = database.execute(
                "SELECT entry, chain FROM entries ORDER BY sequence_number"
            ).fetchall()
            meta = dict(database.execute("SELECT name, value FROM meta").fetchall())
        finally:
            database.close()
        genesis = decode(_blob(meta.get("genesis")), Genesis)
        epochs = Epochs(Committee(genesis, Ed25519Verifier()))
        entries: list[Entry] = []
        for number, (blob, kept) in enumerate(rows, 1):
            entry = decode(_blob(blob), Entry)
            if entry.sequence_number != number:
                raise Malformed(f"entry {entry.sequence_number} stands where {number} is due")
            epochs.take(entry)
            if epochs.head[1] != kept:
                raise Malformed(f"entry {number}: its chain digest is not the one that it makes")
            entries.append(entry)
        seal = meta.get("seal")
        return Export(genesis, tuple(entries), None if seal is None else decode(_blob(seal), Seal))
    except (sqlite3.DatabaseError, Malformed, OverflowError) as error:
        raise Malformed(f"{path}: this is no whole ledger: {error}; take another copy") from None


def _blob(value: object) -> bytes:
    if not isinstance(value, bytes):
        raise Malformed("a value is missing, or is no bytes")
    return value


def _read_proof(path: Path) -> Certificate | Evidence:
    data = path.read_bytes()
    if len(data) > MAX_PROOF_BYTES:
        raise Malformed(f"{path}: {len(data)} bytes are no certificate, and no ledger starts so")
    kinds: tuple[type[Certificate], type[Evidence]] = (Certificate, Evidence)
    for kind in kinds:
        for decoded in (_from_json, decode):
            try:
                return decoded(data, kind)
            except Malformed:
                continue
    raise Malformed(f"{path}: this is no ledger, no export, no certificate and no evidence")


def _from_json(data: bytes, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(data, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Malformed(str(error)) from None


def write_proof(proof: Certificate | Evidence, path: Path) -> None:
    """Write a proof as readable JSON (bytes in base64), whole or not at all."""
    scratch = path.with_name(path.name + ".new")
    text = json.dumps(json.loads(msgspec.json.encode(proof)), indent=2)
    scratch.write_text(text + "\n")
    scratch.replace(path)


def read_keys(path: Path) -> list[Genesis]:
    """The geneses in a file of trusted keys: one genesis, or a list of them.

    Raises:
        Malformed: the file is missing or holds no genesis; names the file and the remedy.
    """
    try:
        found = msgspec.json.decode(path.read_bytes(), type=Genesis | list[Genesis])
    except OSError as error:
        raise Malformed(f"{path}: cannot read the trusted keys: {error.strerror}") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Malformed(
            f"{path}: no trusted keys: {error}; give the genesis.json of the run, or a list of them"
        ) from None
    geneses = [found] if isinstance(found, Genesis) else found
    for genesis in geneses:
        objection = objection_to(genesis)
        if objection:
            raise Malformed(f"{path}: {objection}; restore the file from the cluster")
    return geneses
