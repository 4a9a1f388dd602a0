"""The tokens that were signed for others, and those of them that were taken back.

A token proves itself; what lies here is for people, who want to know what is about, and for the
engine, which must turn away what was revoked before its time.
"""

import os
import secrets
from pathlib import Path

import msgspec

from engine.codec import Malformed
from engine.stream.access import MAX_NAME, Grant, sign
from engine.stream.token import read_token

ID_BYTES = 8
MAX_REVOKED_BYTES = 1 << 20


class Issued:
    """The folder of what was issued for one run, and its list of what was revoked.

    Args:
        root: file of the token that all others are signed from.
        folder: holds, for each token, its claims and, unless it was put elsewhere, the token.
        revoked: one identifier and the end of its token's time a line.
    """

    def __init__(self, root: Path, folder: Path, revoked: Path) -> None:
        self._root = root
        self._folder = folder
        self._revoked = revoked

    def issue(self, grant: Grant, to: Path | None = None) -> Path:
        """Sign a token for ``grant``; the file of mode 0600 that it lies in.

        Raises:
            Malformed: the name is taken or not usable, the file exists, or this run has no token.
        """
        _check_name(grant.name)
        root = read_token(self._root)
        self._folder.mkdir(mode=0o700, exist_ok=True)
        marked = Grant(grant.scope, grant.name, grant.expires_ms, secrets.token_hex(ID_BYTES))
        record = self._record(grant.name)
        _write_new(record, msgspec.json.encode(marked), f"{grant.name} is issued already")
        file = to or self._folder / f"{grant.name}.token"
        try:
            _write_new(file, (sign(root, marked) + "\n").encode(), f"{file} exists already")
        except (Malformed, OSError):
            record.unlink()
            raise
        return file

    def all(self) -> list[Grant]:
        """What was issued and not revoked, by name; some of it may be over.

        Raises:
            Malformed: a record is damaged.
        """
        return [self._read(record) for record in sorted(self._folder.glob("*.json"))]

    def revoke(self, name: str, now_ms: int) -> Grant:
        """Take back the token ``name``: a running engine closes its connections within a second.

        Raises:
            Malformed: there is none of that name.
        """
        _check_name(name)
        record = self._record(name)
        if not record.exists():
            raise Malformed(f"no token {name} was issued for this run; see: main.py token list")
        grant = self._read(record)
        kept = {
            marked: until
            for marked, until in read_revoked(self._revoked).items()
            if not until or until > now_ms
        }
        lines = [f"{marked} {until}\n" for marked, until in kept.items()]
        scratch = self._revoked.with_suffix(".tmp")
        scratch.unlink(missing_ok=True)
        _write_new(scratch, "".join([*lines, f"{grant.id} {grant.expires_ms}\n"]).encode(), "")
        scratch.replace(self._revoked)
        record.unlink()
        (self._folder / f"{name}.token").unlink(missing_ok=True)
        return grant

    def _record(self, name: str) -> Path:
        return self._folder / f"{name}.json"

    def _read(self, record: Path) -> Grant:
        try:
            return msgspec.json.decode(record.read_bytes(), type=Grant)
        except (OSError, msgspec.DecodeError) as error:
            raise Malformed(f"{record}: no record of a token: {error}; remove it") from None


class Revocations:
    """What was revoked, read again whenever the file has changed."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._seen: tuple[int, int] | None = None
        self._revoked: frozenset[str] = frozenset()

    def refresh(self) -> bool:
        """Look at the file; whether it has changed since the last time."""
        if self._path is None:
            return False
        try:
            about = self._path.stat()
        except OSError:
            return False
        seen = about.st_mtime_ns, about.st_ino
        if seen == self._seen:
            return False
        self._revoked = frozenset(read_revoked(self._path))
        self._seen = seen
        return True

    def __contains__(self, grant: Grant) -> bool:
        return grant.id in self._revoked


def read_revoked(path: Path) -> dict[str, int]:
    """Identifiers in the file ``path`` and when their tokens end; lines that say nothing are passed over."""
    try:
        text = path.read_bytes()[:MAX_REVOKED_BYTES].decode("ascii", errors="replace")
    except OSError:
        return {}
    pairs = (line.split() for line in text.splitlines())
    return {pair[0]: int(pair[1]) for pair in pairs if len(pair) == 2 and pair[1].isdecimal()}


def _check_name(name: str) -> None:
    plain = name.replace("-", "").replace("_", "")
    if not (plain.isascii() and plain.isalnum() and len(name) <= MAX_NAME):
        raise Malformed(
            f"{name!r} is no name of a token: 1 to {MAX_NAME} letters, digits, - and _ without spaces"
        )


def _write_new(path: Path, data: bytes, complaint: str) -> None:
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise Malformed(f"{complaint}; revoke it first, or take another name") from None
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
