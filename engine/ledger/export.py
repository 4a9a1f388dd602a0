"""The canonical export of a ledger: one JSON object a line, the same bytes for the same ledger.

First the genesis, then each entry in order with its chain digest, last the seal that says where the
ledger ends.
"""

import base64
import binascii
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple, TypeVar

import msgspec

from engine.codec import Malformed, decode, encode
from engine.consensus.certificate import Seal
from engine.consensus.committee import Committee
from engine.consensus.epochs import Epochs
from engine.genesis import Genesis, objection_to
from engine.signing import Ed25519Verifier
from engine.vocabulary import Entry

T = TypeVar("T")

MAX_LINE = 4 << 20
"""Longest line that is read at all."""


class Export(NamedTuple):
    """A ledger as it was exported: nothing of it is verified yet."""

    genesis: Genesis
    entries: tuple[Entry, ...]
    seal: Seal | None


def lines_of(genesis: Genesis, entries: Iterable[Entry], seal: Seal | None) -> Iterator[str]:
    """The lines of the export."""
    yield _line({"genesis": _text(encode(genesis)), "cluster": genesis.cluster.hex()})
    epochs = Epochs(Committee(genesis, Ed25519Verifier()))
    for entry in entries:
        epochs.take(entry)
        yield _line(
            {
                "sequence_number": entry.sequence_number,
                "entry": _text(encode(entry)),
                "chain": epochs.head[1].hex(),
            }
        )
    if seal is not None:
        yield _line({"seal": _text(encode(seal))})


def write_export(path: Path, genesis: Genesis, entries: Iterable[Entry], seal: Seal | None) -> None:
    """Write the export, whole or not at all."""
    scratch = path.with_name(path.name + ".new")
    with scratch.open("w", encoding="ascii", newline="\n") as file:
        file.writelines(lines_of(genesis, entries, seal))
    scratch.replace(path)


def read_export(path: Path) -> Export:
    """The ledger in an exported file.

    Raises:
        Malformed: it is none; names the file and the line.
    """
    try:
        text = path.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError) as error:
        raise Malformed(f"{path}: cannot read the export: {error}") from None
    try:
        return parse_export(text)
    except Malformed as error:
        raise Malformed(f"{path}: {error}; export the ledger again") from None


def parse_export(text: str) -> Export:
    """The ledger in an export's text.

    Raises:
        Malformed: it is none; names the line.
    """
    lines = text.splitlines(keepends=True)
    genesis: Genesis | None = None
    entries: list[Entry] = []
    seal: Seal | None = None
    for number, line in enumerate(lines, 1):
        where = f"line {number}"
        if seal is not None:
            raise Malformed(f"{where}: nothing may follow the seal")
        fields = _fields(line, where)
        if number == 1:
            genesis = _decoded(fields, "genesis", Genesis, where)
            objection = objection_to(genesis)
            if objection:
                raise Malformed(f"{where}: {objection}")
        elif "entry" in fields:
            entry = _decoded(fields, "entry", Entry, where)
            if not 1 <= entry.sequence_number < 1 << 62:
                raise Malformed(f"{where}: no entry has number {entry.sequence_number}")
            entries.append(entry)
        else:
            seal = _decoded(fields, "seal", Seal, where)
    if genesis is None:
        raise Malformed("line 1: the genesis is missing")
    # What stands beside the encoded parts for people must be what they say, to the letter.
    for number, (line, due) in enumerate(
        zip(lines, lines_of(genesis, entries, seal), strict=True), 1
    ):
        if line != due:
            raise Malformed(f"line {number}: not the line that its own contents make")
    return Export(genesis, tuple(entries), seal)


def _line(fields: dict[str, str | int]) -> str:
    return json.dumps(fields, separators=(",", ":")) + "\n"


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _fields(line: str, where: str) -> dict[str, str | int]:
    if len(line) > MAX_LINE:
        raise Malformed(f"{where}: longer than {MAX_LINE} characters")
    try:
        return msgspec.json.decode(line, type=dict[str, str | int])
    except msgspec.DecodeError as error:
        raise Malformed(f"{where}: {error}") from None


def _decoded(fields: dict[str, str | int], name: str, kind: type[T], where: str) -> T:
    try:
        return decode(base64.b64decode(str(fields[name]), validate=True), kind)
    except KeyError:
        raise Malformed(f"{where}: no {name} where one is due") from None
    except (binascii.Error, Malformed) as error:
        raise Malformed(f"{where}: the {name} is damaged: {error}") from None
