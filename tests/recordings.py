"""Writes small recordings, for tests of what reads them."""

import gzip
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

Row = tuple[float, str, str, float]


def write_recording(
    folder: Path,
    samples: Iterable[Row] = (),
    logs: Iterable[dict[str, Any]] | None = None,
    spans: Iterable[dict[str, Any]] | None = None,
    **header: object,
) -> Path:
    """A recording in ``folder``; ``header`` overrides what is usual there."""
    folder.mkdir(parents=True, exist_ok=True)
    usual: dict[str, Any] = {
        "id": folder.name,
        "source": "test",
        "licence": "none",
        "step_s": 60,
        "start": 0,
        "end": 3_600,
        "services": ["a", "b", "c"],
        "calls": [["a", "b"], ["b", "c"]],
    }
    (folder / "recording.json").write_text(json.dumps(usual | header))
    rows = ["t,service,metric,value", *(f"{t},{s},{m},{v}" for t, s, m, v in samples)]
    write_lines(folder / "metrics.csv.gz", rows)
    for name, records in (("logs", logs), ("spans", spans)):
        if records is not None:
            write_lines(folder / f"{name}.jsonl.gz", map(json.dumps, records))
    return folder


def write_lines(path: Path, lines: Iterable[str]) -> None:
    """``lines`` as a packed file."""
    path.write_bytes(gzip.compress("".join(f"{line}\n" for line in lines).encode()))


def log(t: float, service: str, body: str, severity: str = "INFO") -> dict[str, Any]:
    return {"t": t, "service": service, "severity": severity, "body": body, "trace_id": "t"}


def span(
    t: float, service: str, span_id: str, parent_id: str | None, duration_ms: float, **more: object
) -> dict[str, Any]:
    usual = {"name": "work", "trace_id": "t", "error": False}
    own = {"span_id": span_id, "parent_id": parent_id, "duration_ms": duration_ms}
    return {"t": t, "service": service, **usual, **own, **more}
