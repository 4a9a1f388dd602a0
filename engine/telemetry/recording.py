"""Reads recordings: one folder for each stretch of telemetry, decoded strictly and lazily (a shell).

A folder holds ``recording.json`` (what was watched), ``metrics.csv.gz``, and perhaps
``logs.jsonl.gz`` and ``spans.jsonl.gz``. What is wrong in any of them is one ``Malformed`` that
names file, line and remedy. Points come in the order in which a live system would have learnt of
them: a span when it ended, not when it began.
"""

import csv
import gzip
import heapq
import math
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, NamedTuple

import msgspec

from engine.codec import Malformed
from engine.telemetry.context import Change, Limit, Page
from engine.telemetry.records import MAX_BODY, LogRecord, Point, Span
from engine.topology import Objective

HEADER = "recording.json"
METRICS = "metrics.csv.gz"
LOGS = "logs.jsonl.gz"
SPANS = "spans.jsonl.gz"
COLUMNS = ["t", "service", "metric", "value"]

MAX_HEADER_BYTES = 16 << 20
MAX_LINE_CHARACTERS = 1 << 20
MAX_LINES = 50_000_000
"""Lines of one file: a bound against a file that never ends, far beyond any recording."""
MAX_SERVICES = 20_000
MAX_SPAN_MS = 7 * 24 * 3_600_000
"""A span longer than a week is a mistake of its source."""

Told = Point | LogRecord | Span
"""What a recording holds."""

Text = Annotated[str, msgspec.Meta(max_length=4_096)]
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=512)]


class _Change(msgspec.Struct):
    t: float
    kind: Name
    ref: Name
    service: Text | None = None
    summary: Text | None = None
    files: list[Text] | None = None
    diff: str | None = None


class _Alert(msgspec.Struct):
    t: float
    service: Name
    metric: Text = ""
    summary: Text | None = None


class _Limit(msgspec.Struct):
    service: Name
    metric: Name
    limit: float
    direction: str = "above"


class _Header(msgspec.Struct):
    id: Name
    step_s: Annotated[float, msgspec.Meta(gt=0)]
    start: float
    end: float
    services: list[Name]
    calls: list[tuple[Name, Name]] = []
    alert: _Alert | None = None
    changes: list[_Change] = []
    limits: list[_Limit] = []
    source: Text = ""
    licence: Text = ""


class _Log(msgspec.Struct):
    t: float
    service: str
    severity: str
    body: str
    trace_id: str | None = None


class _Span(msgspec.Struct):
    t: float
    service: str
    name: str
    trace_id: str
    span_id: str
    duration_ms: Annotated[float, msgspec.Meta(ge=0, le=MAX_SPAN_MS)]
    parent_id: str | None = None
    error: bool = False
    detail: str | None = None


class Recording(msgspec.Struct, frozen=True):
    """What a recording says of itself; its points are read by ``points``."""

    folder: Path
    id: str
    step_s: float
    """Sampling period of the metrics, in seconds."""
    start_s: float
    end_s: float
    services: tuple[str, ...]
    calls: tuple[tuple[str, str], ...]
    """(caller, callee); empty where the topology has to be found from the spans."""
    page: Page | None
    changes: tuple[Change, ...]
    """In the order in which they were made."""
    limits: tuple[Limit, ...]
    objective: Objective | None = None
    """What its users were promised, where whoever replays it declares that; no file says so."""

    def points(self) -> Iterator[Told]:
        """Every point, in the order in which it can be known; reads the files as it goes.

        Raises:
            Malformed: a file is damaged or holds something else; names file and line.
        """
        known = {name: name for name in self.services}
        streams: list[Iterator[Told]] = [_samples(self.folder / METRICS, known)]
        if (self.folder / LOGS).exists():
            streams.append(_logs(self.folder / LOGS, known))
        if (self.folder / SPANS).exists():
            streams.append(_by_end(_spans(self.folder / SPANS, known)))
        return heapq.merge(*streams, key=known_at_s) if len(streams) > 1 else streams[0]


def find(folder: Path) -> list[Path]:
    """The folders of all recordings under ``folder``, itself included, in order.

    Raises:
        Malformed: there is none.
    """
    if not folder.is_dir():
        raise Malformed(f"{folder}: no such folder; name one that holds recordings")
    found = sorted(path.parent for path in folder.rglob(HEADER))
    if not found:
        raise Malformed(f"{folder}: no {HEADER} anywhere below; name a folder of recordings")
    return found


def read(folder: Path) -> Recording:
    """What the recording in ``folder`` says of itself.

    Raises:
        Malformed: its header or its metrics are missing, or the header is wrong.
    """
    path = folder / HEADER
    try:
        if path.stat().st_size > MAX_HEADER_BYTES:
            raise Malformed(f"{path}: over {MAX_HEADER_BYTES} bytes; this is no header")
        header = msgspec.json.decode(path.read_bytes(), type=_Header)
    except OSError as error:
        raise Malformed(f"{path}: cannot be read: {error.strerror}; record it again") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Malformed(f"{path}: {error}; compare it with the format's description") from None
    objection = _objection_to(header)
    if objection:
        raise Malformed(f"{path}: {objection}")
    if not (folder / METRICS).exists():
        raise Malformed(f"{folder / METRICS}: missing; every recording has metrics")
    return _recording(folder, header)


def _objection_to(header: _Header) -> str:
    times = [header.start, header.end, *(change.t for change in header.changes)]
    if header.alert is not None:
        times.append(header.alert.t)
    if not all(map(_is_time, times)) or not math.isfinite(header.step_s):
        return "a time is no count of Unix seconds; write it as one"
    if header.end < header.start:
        return f"it ends at {header.end} before it starts at {header.start}; exchange them"
    names = set(header.services)
    if not names or len(header.services) > MAX_SERVICES:
        return f"{len(header.services)} services; a recording has 1 to {MAX_SERVICES}"
    if len(names) < len(header.services):
        return "a service is listed twice in 'services'; remove one"
    for caller, callee in header.calls:
        for name in (caller, callee):
            if name not in names:
                return f"a call names {name!r}, which is not among its services; add it there"
    if any(limit.direction not in ("above", "below") for limit in header.limits):
        return "the direction of a limit is 'above' or 'below'; write one of them"
    return ""


def _is_time(value: float) -> bool:
    return math.isfinite(value) and abs(value) < 1e12


def _recording(folder: Path, header: _Header) -> Recording:
    alert = header.alert
    changes = [
        Change(
            at_s=change.t,
            kind=change.kind,
            ref=change.ref,
            service=change.service or "",
            summary=change.summary or "",
            files=tuple(change.files or ()),
            diff=change.diff or "",
        )
        for change in header.changes
    ]
    return Recording(
        folder=folder,
        id=header.id,
        step_s=header.step_s,
        start_s=header.start,
        end_s=header.end,
        services=tuple(header.services),
        calls=tuple(dict.fromkeys(header.calls)),
        page=None
        if alert is None
        else Page(alert.t, alert.service, alert.metric, alert.summary or ""),
        changes=tuple(sorted(changes, key=lambda change: change.at_s)),
        limits=tuple(
            Limit(limit.service, limit.metric, limit.limit, limit.direction == "above")
            for limit in header.limits
        ),
    )


# --- files, line by line -------------------------------------------------------------------------


class _Place(NamedTuple):
    """A line of a file, for complaints."""

    path: Path
    number: int

    def wrong(self, what: str) -> Malformed:
        """The complaint: what is wrong here, and what to do about it."""
        return Malformed(f"{self.path}:{self.number}: {what}; mend or remove the line")


def _lines(path: Path) -> Iterator[str]:
    """The lines of a gzip file of UTF-8 text, with their ends."""
    number = 0
    try:
        with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
            while line := file.readline(MAX_LINE_CHARACTERS):
                number += 1
                if number > MAX_LINES:
                    raise _Place(path, number).wrong(f"over {MAX_LINES} lines")
                if len(line) == MAX_LINE_CHARACTERS and not line.endswith("\n"):
                    raise _Place(path, number).wrong(f"over {MAX_LINE_CHARACTERS} characters")
                yield line
    except (OSError, EOFError, zlib.error) as error:
        raise Malformed(f"{path}: after line {number}: {error}; pack the file again") from None
    except UnicodeDecodeError:
        raise _Place(path, number + 1).wrong("no UTF-8") from None


def _samples(path: Path, known: dict[str, str]) -> Iterator[Point]:
    """The metric samples; ``known`` are the recording's services, by name."""
    rows = csv.reader(_lines(path), strict=True)
    metrics: dict[str, str] = {}
    last_s = -math.inf
    try:
        if next(rows, None) != COLUMNS:
            raise _Place(path, 1).wrong(f"the header is not {','.join(COLUMNS)}")
        for row in rows:
            try:
                written, service, metric, number = row
                at_s, value = float(written), float(number)
            except ValueError:
                raise _Place(path, rows.line_num).wrong("not a time, two names, a number") from None
            if not last_s <= at_s < 1e12 or not math.isfinite(value) or not metric:
                raise _Place(path, rows.line_num).wrong(
                    "times do not ascend" if at_s < last_s else "a number that is none, or no name"
                )
            last_s = at_s
            if service not in known:
                raise _Place(path, rows.line_num).wrong(f"{service!r} is not among its services")
            # One string for each name, however often it is written.
            yield Point(at_s, known[service], metrics.setdefault(metric, metric), value)
    except csv.Error as error:
        raise _Place(path, rows.line_num).wrong(str(error)) from None


def _records(path: Path, kind: type[_Log] | type[_Span], known: dict[str, str]) -> Iterator[object]:
    decoder = msgspec.json.Decoder(kind)
    last_s = -math.inf
    for number, line in enumerate(_lines(path), start=1):
        try:
            record = decoder.decode(line)
        except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
            raise _Place(path, number).wrong(str(error)) from None
        if not last_s <= record.t < 1e12:
            raise _Place(path, number).wrong("times do not ascend")
        if record.service not in known:
            raise _Place(path, number).wrong(f"{record.service!r} is not among its services")
        last_s = record.t
        yield record


def _logs(path: Path, known: dict[str, str]) -> Iterator[LogRecord]:
    for raw in _records(path, _Log, known):
        assert isinstance(raw, _Log)
        yield LogRecord(
            raw.t, known[raw.service], raw.severity, raw.body[:MAX_BODY], raw.trace_id or ""
        )


def _spans(path: Path, known: dict[str, str]) -> Iterator[Span]:
    for raw in _records(path, _Span, known):
        assert isinstance(raw, _Span)
        yield Span(
            t=raw.t,
            service=known[raw.service],
            name=raw.name,
            trace_id=raw.trace_id,
            span_id=raw.span_id,
            parent_id=raw.parent_id or "",
            duration_ms=raw.duration_ms,
            error=raw.error,
            detail=raw.detail or "",
        )


def known_at_s(told: Told) -> float:
    """When anybody could first know of it."""
    return told.end_s if isinstance(told, Span) else told.t


def _by_end(spans: Iterable[Span]) -> Iterator[Span]:
    """The spans in the order of their ends; those under way are held back, as the system did."""
    under_way: list[tuple[float, int, Span]] = []
    for place, span in enumerate(spans):
        while under_way and under_way[0][0] <= span.t:
            yield heapq.heappop(under_way)[2]
        heapq.heappush(under_way, (span.end_s, place, span))
    while under_way:
        yield heapq.heappop(under_way)[2]


__all__ = ["Recording", "Told", "find", "known_at_s", "read"]
