"""What is observed of a fleet, one value an observation, and the metric names it is read from.

The proxies' Prometheus text carries, for each link::

    link_requests_total{caller="orders",callee="payments"}            answered or failed requests
    link_errors_total{caller,callee}          of these: 5xx, refused, reset, timed out
    link_latency_seconds_bucket{caller,callee,le}   cumulative histogram; an le equal to the
                                              objective's latency in seconds (1.0), and +Inf
    link_latency_seconds_sum{caller,callee}   seconds spent in all of them (optional)
    link_connections_total{caller,callee}     connections opened (TCP links)
    link_connect_failures_total{caller,callee}      not opened: refused, reset or timed out
    link_asked_bytes_total{caller,callee}     bytes on the way there (optional)
    link_answered_bytes_total{caller,callee}  bytes on the way back (optional)

Connections are counted on every link, but only where no requests are do they say how it goes.
Each service's own text has ``service_requests_total``, ``service_errors_total``,
``service_info{release}`` and ``process_start_time_seconds``. Nothing else is read.
"""

from enum import StrEnum

import msgspec

from engine.topology import FleetStatus
from engine.vocabulary import SignalKind

LINK_REQUESTS = "link_requests_total"
LINK_ERRORS = "link_errors_total"
LINK_LATENCY_BUCKET = "link_latency_seconds_bucket"
LINK_LATENCY_SUM = "link_latency_seconds_sum"
LINK_CONNECTIONS = "link_connections_total"
LINK_CONNECT_FAILURES = "link_connect_failures_total"
LINK_ASKED_BYTES = "link_asked_bytes_total"
LINK_ANSWERED_BYTES = "link_answered_bytes_total"
LINK_METRICS = frozenset(
    {
        LINK_REQUESTS,
        LINK_ERRORS,
        LINK_LATENCY_BUCKET,
        LINK_LATENCY_SUM,
        LINK_CONNECTIONS,
        LINK_CONNECT_FAILURES,
        LINK_ASKED_BYTES,
        LINK_ANSWERED_BYTES,
    }
)

SERVICE_REQUESTS = "service_requests_total"
SERVICE_ERRORS = "service_errors_total"
SERVICE_INFO = "service_info"
PROCESS_START = "process_start_time_seconds"
SERVICE_METRICS = frozenset({SERVICE_REQUESTS, SERVICE_ERRORS, SERVICE_INFO, PROCESS_START})


class HealthAnswer(StrEnum):
    """What came of asking a service whether it is well."""

    WELL = "well"
    """200."""
    UNWELL = "unwell"
    """Another status."""
    REFUSED = "refused"
    """Nobody accepts the connection."""
    SILENT = "silent"
    """No answer in time."""


class LinkSeen(msgspec.Struct, frozen=True, gc=False):
    """A link's counters, as its proxy has counted them since it started."""

    at_ms: int
    caller: str
    callee: str
    requests: int = 0
    errors: int = 0
    late: int = 0
    """Requests slower than the objective allows."""
    busy_ms: int = 0
    """Time spent in all requests; 0 where the proxy does not say."""
    connections: int = 0
    connect_failures: int = 0
    asked_bytes: int = 0
    answered_bytes: int = 0


class ServiceSeen(msgspec.Struct, frozen=True, gc=False):
    """What a service says of itself."""

    at_ms: int
    service: str
    requests: int
    errors: int
    release: str
    started_ms: int


class HealthSeen(msgspec.Struct, frozen=True, gc=False):
    """What came of one health question."""

    at_ms: int
    service: str
    answer: HealthAnswer


class StatusSeen(msgspec.Struct, frozen=True):
    """What the orchestrator says of all services."""

    at_ms: int
    status: FleetStatus


class LogSeen(msgspec.Struct, frozen=True, gc=False):
    """How often one template stood in a service's log since the last look."""

    at_ms: int
    service: str
    level: str
    template: str
    count: int


class AlertSeen(msgspec.Struct, frozen=True, gc=False):
    """Another system's alert about a service fires, or has ended."""

    at_ms: int
    service: str
    fingerprint: str
    """The same for everything that is said of one alert."""
    firing: bool


class LevelSeen(msgspec.Struct, frozen=True, gc=False):
    """How much of something bounded a service uses."""

    at_ms: int
    service: str
    kind: SignalKind
    share: float
    """Of all there is."""


class Missed(msgspec.Struct, frozen=True, gc=False):
    """A scrape that brought nothing: the gap is seen, not guessed over."""

    at_ms: int
    source: str
    """``links``, ``status`` or ``metrics``."""


Observation = (
    LinkSeen | ServiceSeen | HealthSeen | StatusSeen | LogSeen | AlertSeen | LevelSeen | Missed
)
