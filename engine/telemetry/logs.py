"""Log tails: from bytes of a file that grows, rotates or vanishes to counted templates.

A line is one JSON object with ``level``, ``msg`` and perhaps ``exception`` (a type's name). The
service is the one whose file it is, never what the line claims. Every part that is variable by its
form is masked to a typed placeholder (``engine.telemetry.templates``), after secrets and personal
data have gone, so that no raw text gets any further.
"""

import os
from pathlib import Path

import msgspec

from engine.telemetry.templates import typed

MAX_LINE_BYTES = 8_192
MAX_POLL_BYTES = 64 * 1_024
"""Read at most this much in one look; what a log has grown beyond it is skipped and counted."""
MAX_TEMPLATES = 64
"""Different templates kept for one service and look."""
MAX_TEMPLATE_CHARACTERS = 120
MAX_MASKED = 512
LEVELS = frozenset({"debug", "info", "warning", "error", "critical"})


class LogLine(msgspec.Struct, frozen=True):
    """What is kept of one line."""

    level: str
    template: str


class _Raw(msgspec.Struct):
    level: str = ""
    msg: str = ""
    exception: str | None = None


_decoder = msgspec.json.Decoder(_Raw)


def mask(text: str) -> str:
    """``text`` with a typed placeholder for each variable part, on one line, cut to length."""
    masked = typed(text[: 4 * MAX_TEMPLATE_CHARACTERS])
    return " ".join(masked.split())[:MAX_TEMPLATE_CHARACTERS]


class LineAssembler:
    """Joins chunks of a file to whole lines; drops and counts what is too long."""

    def __init__(self) -> None:
        self.dropped = 0
        self._rest = b""
        self._skipping = False

    def feed(self, chunk: bytes) -> list[bytes]:
        """The lines that ``chunk`` completes, without their ends."""
        *whole, rest = (self._rest + chunk).split(b"\n")
        if self._skipping and whole:
            whole.pop(0)
            self._skipping = False
        kept = [line for line in whole if len(line) <= MAX_LINE_BYTES]
        self.dropped += len(whole) - len(kept)
        if self._skipping or len(rest) > MAX_LINE_BYTES:
            self.dropped += not self._skipping
            self._skipping, rest = True, b""
        self._rest = rest
        return kept

    def restart(self, *, mid_line: bool) -> None:
        """Forget a half line: the file is another one now, or part of it was skipped."""
        self.dropped += bool(self._rest)
        self._rest = b""
        self._skipping = mid_line


class TemplateCounter:
    """Counts lines by level and template, over all looks at one service's log."""

    def __init__(self) -> None:
        self.unreadable = 0
        self.overflowed = 0
        self._counts: dict[tuple[str, str], int] = {}
        self._masked: dict[str, str] = {}

    def count(self, line: bytes) -> None:
        """Take one line in; an unreadable one, or one template too many, only raises a counter."""
        if not line.strip():
            return
        try:
            raw = _decoder.decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            self.unreadable += 1
            return
        level = raw.level.lower()
        if level not in LEVELS or not raw.msg:
            self.unreadable += 1
            return
        self.add(level, f"{raw.msg} [{raw.exception}]" if raw.exception else raw.msg)

    def add(self, level: str, text: str) -> None:
        """Count one line of a known level, or one template too many as such."""
        key = (level, self._template(text))
        if key not in self._counts and len(self._counts) >= MAX_TEMPLATES:
            self.overflowed += 1
            return
        self._counts[key] = self._counts.get(key, 0) + 1

    def take(self) -> dict[tuple[str, str], int]:
        """The counts by (level, template) since the last ``take``."""
        counts, self._counts = self._counts, {}
        return counts

    def _template(self, text: str) -> str:
        masked = self._masked.get(text)
        if masked is None:
            masked = mask(text)
            if len(self._masked) >= MAX_MASKED:
                self._masked.clear()
            self._masked[text] = masked
        return masked


class Tail:
    """Follows one file from its end, through growth, rotation, truncation and absence (a shell)."""

    def __init__(self, path: Path) -> None:
        self.skipped_bytes = 0
        self._path = path
        self._inode: int | None = None
        self._offset = 0
        self._first = True
        self._lines = LineAssembler()

    @property
    def dropped(self) -> int:
        """Lines dropped because they were too long or lost in a rotation."""
        return self._lines.dropped

    def poll(self) -> list[bytes]:
        """The whole lines written since the last look; none while the file is not there."""
        try:
            status = self._path.stat()
        except OSError:
            self._first = False
            return []
        if self._inode is None and self._first:
            # What was written before we came belongs to nobody's window.
            self._inode, self._offset = status.st_ino, status.st_size
            self._lines.restart(mid_line=False)
        elif status.st_ino != self._inode or status.st_size < self._offset:
            self._inode, self._offset = status.st_ino, 0
            self._lines.restart(mid_line=False)
        self._first = False
        behind = status.st_size - self._offset
        if behind <= 0:
            return []
        return self._read(behind)

    def _read(self, behind: int) -> list[bytes]:
        if behind > MAX_POLL_BYTES:
            self.skipped_bytes += behind - MAX_POLL_BYTES
            self._offset += behind - MAX_POLL_BYTES
            self._lines.restart(mid_line=True)
        try:
            with self._path.open("rb") as file:
                # The file may have been replaced since stat: read only the one that was measured.
                if os.fstat(file.fileno()).st_ino != self._inode:
                    return []
                file.seek(self._offset)
                chunk = file.read(MAX_POLL_BYTES)
        except OSError:
            return []
        self._offset += len(chunk)
        return self._lines.feed(chunk)
