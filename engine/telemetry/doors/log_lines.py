"""Log lines as journald, JSON loggers and plain files write them, to records (pure).

The service is the one whose file it is, never what a line claims. Nothing here decides what may be
kept of a line: masking and redaction happen behind the door, once for all doors.
"""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from enum import StrEnum

import msgspec

from engine.telemetry.loudness import LOUD, UNEASY, has_form_of_failure, of_level
from engine.telemetry.records import MAX_BODY, LogRecord
from engine.telemetry.structured import LEVELS, MESSAGES, THROWN, first_text
from engine.telemetry.templates import typed

MILLIS_FROM = 1e11
"""A larger number is Unix milliseconds; above a thousand times that, micro-, then nanoseconds."""
_PLAIN = re.compile(
    r"\[?(?P<time>\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d{1,9})?(?:Z|[+-]\d\d:?\d\d)?)\]?\s+(?P<rest>.*)",
    re.DOTALL,
)
_LEVEL = re.compile(
    r"(?:\[?\b(TRACE|DEBUG|INFO|NOTICE|WARN(?:ING)?|ERR(?:OR)?|CRIT(?:ICAL)?|FATAL|PANIC)\b\]?)",
    re.IGNORECASE,
)
_SEVERITIES = {
    "trace": "debug",
    "debug": "debug",
    "info": "info",
    "notice": "info",
    "warn": "warning",
    "warning": "warning",
    "err": "error",
    "error": "error",
    "crit": "critical",
    "critical": "critical",
    "fatal": "critical",
    "panic": "critical",
    "alert": "critical",
    "emerg": "critical",
}
_PRIORITIES = ("critical", "critical", "critical", "error", "warning", "info", "info", "debug")
"""By syslog's numbers (RFC 5424): 0 emergency to 7 debug."""


class Format(StrEnum):
    """How a log is written."""

    JSON = "json"
    """One object a line."""
    JOURNALD = "journald"
    """``journalctl --output=json``."""
    PLAIN = "plain"
    """A time, a level and words, as most loggers print them."""


def read(line: bytes, form: Format, service: str, now_s: float) -> LogRecord | None:
    """The record in ``line``; None where there is none. ``now_s`` dates what carries no time."""
    return _READERS[form](line, service, now_s)


def _json(line: bytes, service: str, now_s: float) -> LogRecord | None:
    found = _object(line)
    body = first_text(found, MESSAGES)
    if not body:
        return None
    thrown = first_text(found, THROWN)
    if thrown:
        body = f"{body} [{thrown}]"
    severity = _severity(first_text(found, LEVELS), body)
    at = _time(_first(found, "ts", "time", "timestamp", "t", "@timestamp"))
    trace = _first(found, "trace_id", "traceId")
    return LogRecord(
        now_s if at is None else at,
        service,
        severity,
        body[:MAX_BODY],
        trace[:64] if isinstance(trace, str) else "",
    )


def _journald(line: bytes, service: str, now_s: float) -> LogRecord | None:
    found = _object(line)
    message = found.get("MESSAGE")
    if isinstance(message, list):
        # journalctl writes what is no UTF-8 as a list of byte values.
        try:
            message = bytes(message).decode(errors="replace")
        except (TypeError, ValueError):
            return None
    if not isinstance(message, str) or not message:
        return None
    priority = found.get("PRIORITY")
    known = isinstance(priority, str) and len(priority) == 1 and priority in "01234567"
    severity = _PRIORITIES[int(priority)] if known and isinstance(priority, str) else "info"
    micros = found.get("__REALTIME_TIMESTAMP")
    dated = isinstance(micros, str) and micros.isascii() and micros.isdigit() and len(micros) < 20
    at = int(micros) / 1e6 if dated and isinstance(micros, str) else now_s
    return LogRecord(at, service, severity, message[:MAX_BODY])


def _plain(line: bytes, service: str, now_s: float) -> LogRecord | None:
    text = line.decode(errors="replace").strip()
    if not text:
        return None
    match, at = _PLAIN.match(text), now_s
    if match is not None:
        dated = _time(match["time"].replace(",", "."))
        if dated is not None:
            text, at = match["rest"], dated
    level = _LEVEL.search(text[:64])
    severity = _severity(level[1] if level is not None else "", text)
    if level is not None:
        text = (text[: level.start()] + text[level.end() :]).strip(" :-|")
    return LogRecord(at, service, severity, text[:MAX_BODY]) if text else None


_READERS: dict[Format, Callable[[bytes, str, float], LogRecord | None]] = {
    Format.JSON: _json,
    Format.JOURNALD: _journald,
    Format.PLAIN: _plain,
}


def _severity(level: str, body: str) -> str:
    """The severity of a logger's word for it; of a line without one by its form."""
    known = _SEVERITIES.get(level.lower())
    if known is not None:
        return known
    loudness = of_level(level)
    if loudness == LOUD or has_form_of_failure(typed(body)):
        return "error"
    return "warning" if loudness == UNEASY else "info"


def _object(line: bytes) -> dict[str, object]:
    try:
        return msgspec.json.decode(line, type=dict[str, object])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}


def _first(found: dict[str, object], *keys: str) -> object:
    return next((found[key] for key in keys if key in found), None)


def _time(value: object) -> float | None:
    """Unix seconds of what a logger wrote as a time; None where it is none."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        seconds = float(value)
        while seconds > MILLIS_FROM:
            seconds /= 1_000
        return seconds if seconds > 0 else None
    if not isinstance(value, str):
        return None
    try:
        found = datetime.fromisoformat(value)
    except ValueError:
        return None
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
