"""What any system may tell of itself, one value a record: the common currency of all doors (pure).

A door turns its protocol into these and knows nothing else; what lies behind it, live windows and
recordings alike, knows no protocol. Names in here are what the sender claims: the manifest decides
at the window's entrance whether they mean anything.
"""

from enum import StrEnum

import msgspec

MAX_NAME = 200
"""Characters kept of a name of a service, metric or span; a longer one is no name."""
MAX_BODY = 4_096
"""Characters kept of a log line."""


class Kind(StrEnum):
    """How the values of a metric follow each other."""

    GAUGE = "gauge"
    """Each stands for itself."""
    COUNTER = "counter"
    """Counted since a start; begins again at 0 with its process."""
    DELTA = "delta"
    """Counted since the last one."""


class Point(msgspec.Struct, frozen=True, gc=False):
    """One value of one metric."""

    t: float
    """Unix seconds."""
    service: str
    metric: str
    value: float
    """Finite."""
    kind: Kind = Kind.GAUGE


class LogRecord(msgspec.Struct, frozen=True, gc=False):
    """One log line."""

    t: float
    service: str
    severity: str
    """debug, info, warning, error or critical."""
    body: str
    trace_id: str = ""


class Span(msgspec.Struct, frozen=True, gc=False):
    """One piece of work within a trace."""

    t: float
    """When it began."""
    service: str
    name: str
    trace_id: str
    span_id: str
    parent_id: str
    """Empty at the root."""
    duration_ms: float
    error: bool
    detail: str = ""
    """What the span says of its error."""

    @property
    def end_s(self) -> float:
        """When it ended: the first moment at which anybody can know of it."""
        return self.t + self.duration_ms / 1_000


class Alert(msgspec.Struct, frozen=True, gc=False):
    """A page that went off, or was resolved, in another system."""

    t: float
    service: str
    name: str
    firing: bool
    fingerprint: str
    """The same for all messages about one alert."""


Record = Point | LogRecord | Span | Alert


class Batch(msgspec.Struct, frozen=True):
    """What one message of a door held."""

    records: tuple[Record, ...]
    rejected: int = 0
    """Records that could not be used."""
    why: str = ""
    """Of the first of these."""
