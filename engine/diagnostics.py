"""Diagnostics of our own processes: structured lines on stderr or in a file, never on stdout."""

import logging
import sys
from pathlib import Path
from typing import TextIO

import structlog


def log_to_stderr(process: str) -> None:
    """Write every event as one JSON line, with the name of this process, to what its parent keeps."""
    _log_to(sys.stderr, process)


def log_to_file(path: Path, process: str) -> None:
    """The same into a file, for a process whose terminal belongs to somebody else."""
    _log_to(path.open("a", buffering=1), process)


def _log_to(file: TextIO, process: str) -> None:
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso"),
            structlog.processors.dict_tracebacks,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(file),
        cache_logger_on_first_use=False,
    )
    structlog.contextvars.bind_contextvars(process=process)
