"""Cuts recordings from a tape: yesterday's incident as tomorrow's test (a shell).

A recording is one folder in the format that ``recording`` reads and ``main.py evaluate`` replays.
It is written beside its place and moved there whole, so that there is never half a recording.
"""

import csv
import gzip
import io
import shutil
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec

from engine.codec import Malformed
from engine.telemetry.recording import COLUMNS, HEADER, LOGS, METRICS, SPANS, Told
from engine.telemetry.records import LogRecord, Point, Span
from engine.telemetry.tape import Piece, pieces
from engine.topology import FleetStatus, Manifest

SOURCE = "recorded by Incident Commander from a live fleet"


class Cut(msgspec.Struct, frozen=True):
    """What was recorded."""

    folder: Path
    points: int
    logs: int
    spans: int
    unknown: int
    """Records of services that the manifest does not name: left out."""


def cut(
    tape: Path,
    manifest: Manifest,
    from_s: float,
    to_s: float,
    folder: Path,
    *,
    identity: str = "",
    step_s: float = 1.0,
    licence: str = "",
) -> Cut:
    """Write what ``tape`` holds of ``from_s..to_s`` (Unix seconds) to the new folder ``folder``.

    Raises:
        Malformed: the folder exists, the tape is damaged, or it holds nothing of that time.
    """
    if folder.exists():
        raise Malformed(f"{folder}: exists already; name a folder that does not")
    found = list(pieces(tape, from_s, to_s))
    known: set[str] = {spec.name for spec in manifest.service}
    points = _told(found, known, lambda piece: piece.points)
    logs = _told(found, known, lambda piece: piece.logs)
    spans = _told(found, known, lambda piece: piece.spans)
    if not points:
        raise Malformed(f"{tape}: holds no metrics between {from_s:.0f} and {to_s:.0f}")
    unknown = sum(len(p.points) + len(p.logs) + len(p.spans) for p in found)
    unknown -= len(points) + len(logs) + len(spans)
    statuses = [piece.status for piece in found if piece.status is not None]
    header = {
        "id": identity or folder.name,
        "source": SOURCE,
        "licence": licence,
        "step_s": step_s,
        "start": points[0].t,
        "end": points[-1].t,
        "services": [spec.name for spec in manifest.service],
        "calls": [[c.caller, c.callee] for c in manifest.call if c.caller in known],
        "changes": _changes(statuses, points[0].t, points[-1].t),
    }
    with _in_place(folder) as scratch:
        (scratch / HEADER).write_bytes(msgspec.json.format(msgspec.json.encode(header)) + b"\n")
        _write_metrics(scratch / METRICS, points)
        if logs:
            _write_lines(scratch / LOGS, logs)
        if spans:
            _write_lines(scratch / SPANS, spans)
    return Cut(folder, len(points), len(logs), len(spans), unknown)


def _told(
    found: Sequence[Piece], known: set[str], part: Callable[[Piece], Sequence[Told]]
) -> list[Told]:
    """One kind of record of all seconds, of services that are known, by time."""
    told = [record for piece in found for record in part(piece) if record.service in known]
    return sorted(told, key=lambda record: record.t)


def _changes(
    statuses: Sequence[FleetStatus], start_s: float, end_s: float
) -> list[dict[str, object]]:
    """The releases that went live in that time; what ran from the start is no change."""
    if not statuses:
        return []
    found: list[dict[str, object]] = []
    for status in statuses[-1].services:
        for before, after in zip(status.changes, status.changes[1:], strict=False):
            at_s = after.live_since_ms / 1_000
            if start_s <= at_s <= end_s:
                summary = f"{before.release} -> {after.release}"
                found.append(
                    {
                        "t": at_s,
                        "service": status.name,
                        "kind": "deploy",
                        "ref": f"{status.name}@{after.release}",
                        "summary": summary,
                    }
                )
    return sorted(found, key=lambda change: (change["t"], change["ref"]))


@contextmanager
def _in_place(folder: Path) -> Generator[Path]:
    """A scratch folder that becomes ``folder`` when all went well, and goes when it did not."""
    scratch = folder.with_name(f".{folder.name}.part")
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)
    try:
        yield scratch
        scratch.rename(folder)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _write_metrics(path: Path, points: Sequence[Told]) -> None:
    with _packed(path) as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(COLUMNS)
        for point in points:
            assert isinstance(point, Point)
            rows.writerow((f"{point.t:.3f}", point.service, point.metric, f"{point.value:.10g}"))


def _write_lines(path: Path, records: Sequence[Told]) -> None:
    with _packed(path) as file:
        for record in records:
            assert isinstance(record, LogRecord | Span)
            fields = {key: value for key, value in msgspec.structs.asdict(record).items() if value}
            fields["t"] = record.t
            if isinstance(record, Span):
                fields |= {"parent_id": record.parent_id or None, "error": record.error}
                fields["duration_ms"] = record.duration_ms
            file.write(msgspec.json.encode(fields).decode() + "\n")


@contextmanager
def _packed(path: Path) -> Generator[io.TextIOWrapper]:
    # No name and no time in the archive: the same stretch is the same bytes.
    with (
        path.open("wb") as raw,
        gzip.GzipFile("", "wb", fileobj=raw, mtime=0) as packed,
        io.TextIOWrapper(packed, encoding="utf-8", newline="") as text,
    ):
        yield text
