"""Diagnostics of our own processes: structured lines on stderr or in a file, never on stdout."""

import logging
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

import structlog


def log_to_stderr(process: str) -> None:
    """Write every event as one JSON line, with the name of this process, to what its parent keeps."""
    _log_to(sys.stderr, process)


@contextmanager
def logging_to(path: Path, process: str) -> Generator[None]:
    """The same into a file, for a process whose terminal belongs to somebody else."""
    before = structlog.get_config()
    with path.open("a", buffering=1) as file:
        _log_to(file, process)
        try:
            yield
        finally:
            structlog.configure(**before)
            structlog.contextvars.unbind_contextvars("process")


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
