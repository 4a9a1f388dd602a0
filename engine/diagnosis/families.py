"""What a metric measures, and of whom, by the words in its name (pure).

Names of metrics follow customs (OpenTelemetry's semantic conventions, Prometheus' naming rules,
CloudWatch): ``latency``, ``errors_total``, ``cpu_utilization``. The words only choose between a
few classes, of which each is read in its own way; a name that says nothing is read as an unknown
quantity. A name of another service inside a metric's name makes it a signal of the edge between
the two. Names of services mean nothing.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from enum import StrEnum
from typing import NamedTuple

MAX_NAME = 200


class Measure(StrEnum):
    """How a metric is read."""

    LATENCY = "latency"
    """Time: more is worse, and adds up along calls."""
    FAILURES = "failures"
    """What went wrong: more is worse, and adds up along calls."""
    AVAILABILITY = "availability"
    """What went right, as a share: less is worse."""
    TRAFFIC = "traffic"
    """How much is asked for; what it means depends on who stopped asking."""
    RESOURCE = "resource"
    """What a service uses: its own matter."""
    ACTIVITY = "activity"
    """What a service does below what is asked of it: bytes, system calls."""
    UNKNOWN = "unknown"


class Family(NamedTuple):
    """Metrics of the same name over all services."""

    name: str
    measure: Measure
    outward: bool
    """Whether it is measured where calls leave a service, so that it tells of others."""


class View(NamedTuple):
    """Whose trouble a signal shows, and who saw it."""

    family: Family
    subject: str
    witness: str
    """Another service than the subject where an edge was measured, else the subject."""


_WORDS: tuple[tuple[Measure, frozenset[str]], ...] = (
    (
        Measure.AVAILABILITY,
        frozenset(
            {
                "availability",
                "available",
                "success",
                "successes",
                "ok",
                "uptime",
                "up",
                "healthy",
                "ready",
            }
        ),
    ),
    (
        Measure.FAILURES,
        frozenset(
            {
                "error",
                "errors",
                "err",
                "fail",
                "failed",
                "failure",
                "failures",
                "fault",
                "faults",
                "exception",
                "exceptions",
                "5xx",
                "4xx",
                "500",
                "502",
                "503",
                "504",
                "timeout",
                "timeouts",
                "cancelled",
                "canceled",
                "rejected",
                "rejections",
                "refused",
                "dropped",
                "drops",
                "throttled",
                "throttles",
                "retry",
                "retries",
                "restarts",
                "oom",
                "oomkilled",
                "evicted",
                "aborted",
                "denied",
                "unavailable",
                "shed",
                "breached",
                "deadlocks",
            }
        ),
    ),
    (
        Measure.RESOURCE,
        frozenset(
            {
                "cpu",
                "memory",
                "mem",
                "rss",
                "heap",
                "gc",
                "disk",
                "fs",
                "inode",
                "inodes",
                "fd",
                "fds",
                "thread",
                "threads",
                "goroutines",
                "pool",
                "conn",
                "connections",
                "queue",
                "backlog",
                "lag",
                "depth",
                "swap",
                "load",
                "utilization",
                "saturation",
                "pending",
                "waiting",
                "capacity",
                "cache",
                "hit",
                "evictions",
                "usage",
                "used",
                "free",
                "quota",
                "sockets",
            }
        ),
    ),
    (
        Measure.ACTIVITY,
        frozenset(
            {"bytes", "syscall", "syscalls", "net", "network", "io", "iops", "pages", "packets"}
        ),
    ),
    (
        Measure.LATENCY,
        frozenset(
            {
                "latency",
                "duration",
                "time",
                "rt",
                "rtt",
                "delay",
                "elapsed",
                "p50",
                "p75",
                "p90",
                "p95",
                "p99",
                "p999",
                "response",
                "wait",
                "ms",
                "seconds",
                "milliseconds",
            }
        ),
    ),
    (
        Measure.TRAFFIC,
        frozenset(
            {
                "request",
                "requests",
                "req",
                "rps",
                "qps",
                "tps",
                "ops",
                "throughput",
                "calls",
                "hits",
                "invocations",
                "workload",
                "rate",
                "count",
                "total",
                "messages",
                "traffic",
                "orders",
                "logins",
                "sessions",
            }
        ),
    ),
)
_OUTWARD = frozenset({"client", "outbound", "upstream", "outgoing", "downstream", "egress"})
_SPLIT = re.compile(r"[^A-Za-z0-9]+|(?<=[a-z0-9])(?=[A-Z])")
_OTHER = "*"


def family(name: str) -> Family:
    """How metrics of this name are read."""
    words = {word.lower() for word in _SPLIT.split(name[:MAX_NAME]) if word}
    measure = next((measure for measure, known in _WORDS if words & known), Measure.UNKNOWN)
    return Family(name, measure, bool(words & _OUTWARD))


class Views:
    """Reads metrics of one system: remembers each name, and knows who calls whom."""

    def __init__(self, services: Sequence[str], callees: Mapping[str, Collection[str]]) -> None:
        longest_first = sorted(services, key=lambda name: (-len(name), name))
        names = "|".join(re.escape(name) for name in longest_first) or r"\Z\A"
        self._inside = re.compile(rf"(?<![A-Za-z0-9])(?:{names})(?![A-Za-z0-9])")
        self._callees = {caller: frozenset(called) for caller, called in callees.items()}
        self._families: dict[str, Family] = {}

    def of(self, service: str, metric: str) -> View:
        """Whose trouble ``metric`` of ``service`` shows."""
        found = self._inside.search(metric)
        if found is None or found[0] == service:
            return View(self._family(metric), service, service)
        other = found[0]
        name = metric.replace(other, _OTHER)
        # An edge tells of the one who is called.
        if service in self._callees.get(other, ()):
            return View(self._family(name), service, other)
        return View(self._family(name), other, service)

    def _family(self, name: str) -> Family:
        known = self._families.get(name)
        if known is None:
            known = self._families[name] = family(name)
        return known
