"""Reads what we need of Prometheus' text exposition format (version 0.0.4), fast and bounded.

Telemetry is data: whatever is malformed or too much is dropped and counted, and nothing here
decides what a name means (``engine.telemetry.window`` matches names against the manifest).
A series keeps its name between scrapes, so a reader remembers how it read the part of a line
before the value; the second scrape of a page costs a dictionary look-up a line.
"""

import math
import re

import msgspec

MAX_PAGE_BYTES = 1 << 20
MAX_LINES = 20_000
MAX_LINE_BYTES = 4_096
MAX_LABELS = 16
MAX_REMEMBERED = 4_096
"""Series remembered between scrapes; beyond this, lines are read anew each time."""

_SERIES = re.compile(r"([A-Za-z_:][A-Za-z0-9_:]*)(?:\{(.*)\})?\Z", re.DOTALL)
_LABEL = re.compile(r'\s*([A-Za-z_][A-Za-z0-9_]*)\s*=\s*"((?:[^"\\]|\\.)*)"\s*(?:,|\Z)', re.DOTALL)
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)


class Row(msgspec.Struct, frozen=True):
    """One sample line."""

    name: str
    labels: dict[str, str]
    value: float


class Page(msgspec.Struct, frozen=True):
    """The wanted rows of one page, and how many lines could not be read."""

    rows: tuple[Row, ...]
    dropped: int


Series = tuple[str, dict[str, str]]


class TextReader:
    """Reads pages of the text format, keeping only rows named in ``wanted``."""

    def __init__(self, wanted: frozenset[str]) -> None:
        self._wanted = wanted
        self._remembered: dict[bytes, Series | None] = {}

    def read(self, page: bytes) -> Page:
        """The wanted rows of ``page``; never raises, whatever the bytes are.

        A page over ``MAX_PAGE_BYTES`` or ``MAX_LINES`` is read up to there; the cut counts as a
        dropped line, for a half page must not pass for a whole one.
        """
        dropped = 0
        if len(page) > MAX_PAGE_BYTES:
            page, dropped = page[: page.rfind(b"\n", 0, MAX_PAGE_BYTES) + 1], 1
        lines = page.split(b"\n", MAX_LINES)
        if len(lines) > MAX_LINES and lines.pop():
            dropped += 1
        rows = []
        for raw in lines:
            line = raw.strip()
            if not line or line.startswith(b"#"):
                continue
            row, bad = self._row(line)
            dropped += bad
            if row is not None:
                rows.append(row)
        return Page(tuple(rows), dropped)

    def _row(self, line: bytes) -> tuple[Row | None, bool]:
        """The row in ``line``, or None; and whether the line could not be read."""
        if len(line) > MAX_LINE_BYTES:
            return None, True
        head, numbers = _split(line)
        try:
            series = self._remembered[head]
        except KeyError:
            try:
                series = self._series(head)
            except ValueError:
                return None, True
            if len(self._remembered) < MAX_REMEMBERED:
                self._remembered[head] = series
        if series is None:
            return None, False
        value = _number(numbers)
        return (None, True) if value is None else (Row(series[0], series[1], value), False)

    def _series(self, head: bytes) -> Series | None:
        """Name and labels in the part before the value; None when its name is not wanted."""
        match = _SERIES.match(head.decode())
        if match is None:
            raise ValueError("no series")
        if match[1] not in self._wanted:
            return None
        return match[1], _labels(match[2] or "")


def _split(line: bytes) -> tuple[bytes, list[bytes]]:
    """The series of a line, and the words after it: a value and perhaps a time stamp."""
    brace = line.rfind(b"}")
    if brace >= 0:
        return line[: brace + 1], line[brace + 1 :].split()
    words = line.split()
    return words[0], words[1:]


def _labels(text: str) -> dict[str, str]:
    """The labels between the braces; raises ValueError when they are malformed or too many."""
    labels: dict[str, str] = {}
    place = 0
    while place < len(text):
        match = _LABEL.match(text, place)
        if match is None or match[1] in labels or len(labels) >= MAX_LABELS:
            raise ValueError("labels")
        value = match[2]
        labels[match[1]] = _ESCAPE.sub(_unescape, value) if "\\" in value else value
        place = match.end()
    return labels


def _unescape(match: re.Match[str]) -> str:
    return "\n" if match[1] == "n" else match[1]


def _number(words: list[bytes]) -> float | None:
    """The value, when it is a finite number and at most a time stamp follows."""
    if not 1 <= len(words) <= 2:
        return None
    try:
        value = float(words[0])
    except ValueError:
        return None
    return value if math.isfinite(value) else None
