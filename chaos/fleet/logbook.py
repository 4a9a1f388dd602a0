"""A service's log: one JSON object a line, a fixed template and typed fields beside it."""

import time
from pathlib import Path

import msgspec

MAX_BYTES = 8 << 20
"""A log larger than this is put aside as ``NAME.log.1``, replacing the one before it."""
MAX_FIELD_CHARACTERS = 200


class Logbook:
    """Appends lines to one file and keeps it bounded."""

    def __init__(self, path: Path, service: str, release: str) -> None:
        """Append to ``path`` as ``service``."""
        self._path = path
        self._service = service
        self._release = release
        self._file = path.open("ab", buffering=0)
        self._size = self._file.tell()

    def write(self, level: str, message: str, **fields: str | float) -> None:
        """One line: ``message`` is a fixed template, whatever varies is a field."""
        entry: dict[str, str | float] = {
            "ts": round(time.time(), 3),
            "level": level,
            "service": self._service,
            "release": self._release,
            "msg": message,
        }
        for name, value in fields.items():
            entry[name] = value[:MAX_FIELD_CHARACTERS] if isinstance(value, str) else value
        line = msgspec.json.encode(entry) + b"\n"
        if self._size + len(line) > MAX_BYTES:
            self._file.close()
            self._path.replace(self._path.with_name(self._path.name + ".1"))
            self._file = self._path.open("ab", buffering=0)
            self._size = 0
        self._file.write(line)
        self._size += len(line)

    def close(self) -> None:
        """Close the file."""
        self._file.close()
