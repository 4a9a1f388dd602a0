"""What a log line says that is itself an object, or begins with ``key=value`` pairs (pure).

Loggers write for machines, and what collects their output often hands the whole line on as the
text. Its level and its words then stand in quotes, where nothing counts that a user could have
written; so they are taken out by their names. Nothing else of such a line is kept: the other
fields are what varies. An object's fields are the logger's own, since it escapes what users write;
of pairs only those at the beginning are, before the first whose name is not one of a logger's.
"""

import re
from collections.abc import Mapping

import msgspec

from engine.telemetry.loudness import LOUD, of_level

MESSAGES = ("msg", "message", "body", "log", "event", "@message", "@m", "@mt", "short_message")
LEVELS = ("level", "severity", "lvl", "log.level", "levelname", "severity_text", "@l")
THROWN = (
    "exception",
    "exception.type",
    "exc_type",
    "error.type",
    "exc_info",
    "stack_trace",
    "stack",
)
"""What loggers call each part: zap, logrus, bunyan, structlog, Serilog, GELF, ECS, Docker's files."""
_HEADS = frozenset(
    (*MESSAGES, *LEVELS, "time", "ts", "t", "timestamp", "date", "caller", "logger", "source")
)
"""Names of the pairs with which a logger begins a line."""
MOST_THROWN = 200
"""Characters of an exception that are kept with the words."""
NESTED = 2
"""Lines within lines: a container's runtime wraps what its program wrote."""

_PAIR = re.compile(r'\s*([A-Za-z@][\w.@-]*)=("(?:[^"\\]|\\.)*"|[^\s"]*)(?=\s|$)')
_ESCAPED = re.compile(r'\\(["\\])')


def opened(line: str, nested: int = NESTED) -> str:
    """What ``line`` says, after ``ERROR:`` where its own level says that; itself if it is plain."""
    start = line.lstrip()[:1]
    found = _object(line) if start == "{" else _pairs(line) if "=" in line else {}
    if not found:
        return line
    said = first_text(found, MESSAGES)
    thrown = first_text(found, THROWN)
    level = first_text(found, LEVELS)
    if not (said or thrown):
        return line
    inner = opened(said.rstrip(), nested - 1) if nested > 1 else said
    if thrown:
        inner = f"{inner} [{thrown[:MOST_THROWN]}]"
    return f"ERROR: {inner}" if of_level(level) == LOUD else inner


def first_text(found: Mapping[str, object], names: tuple[str, ...]) -> str:
    """The first of the named fields that is a text and says something; else empty."""
    texts = (found.get(name) for name in names)
    return next((text for text in texts if isinstance(text, str) and text), "")


def _object(line: str) -> Mapping[str, object]:
    try:
        return msgspec.json.decode(line, type=dict[str, object])
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        return {}


def _pairs(line: str) -> Mapping[str, object]:
    found: dict[str, object] = {}
    end = 0
    while (pair := _PAIR.match(line, end)) is not None and pair[1] in _HEADS:
        end = pair.end()
        value = pair[2]
        if value.startswith('"'):
            value = _ESCAPED.sub(r"\1", value[1:-1])
        found.setdefault(pair[1], value)
    return found
