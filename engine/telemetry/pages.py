"""From pages as they were scraped to observations (pure): what the collector writes down."""

import msgspec

from engine.telemetry.prometheus import Page
from engine.telemetry.samples import (
    LINK_ANSWERED_BYTES,
    LINK_ASKED_BYTES,
    LINK_CONNECT_FAILURES,
    LINK_CONNECTIONS,
    LINK_ERRORS,
    LINK_LATENCY_BUCKET,
    LINK_LATENCY_SUM,
    LINK_REQUESTS,
    PROCESS_START,
    SERVICE_ERRORS,
    SERVICE_INFO,
    SERVICE_REQUESTS,
    LinkSeen,
    ServiceSeen,
)
from engine.topology import FleetStatus

MAX_COUNT = 1 << 53
"""Above this a float no longer counts by ones; a counter beyond it is nonsense."""
MAX_RELEASE_CHARACTERS = 40

_status_decoder = msgspec.json.Decoder(FleetStatus)


def status_in(body: bytes) -> FleetStatus | None:
    """The fleet's status in an answer of its orchestrator; None when it is none."""
    try:
        return _status_decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


class _Counted:
    """One link's counters while a page is being read."""

    def __init__(self) -> None:
        self.values: dict[str, int] = {}
        self.finished = 0
        self.in_time = 0


def links_in(page: Page, at_ms: int, latency_ms: int) -> list[LinkSeen]:
    """The links of a proxy's page; late is what the bucket of ``latency_ms`` does not hold.

    Where no bucket ends exactly there, the smallest one above it is taken: fewer are late.
    """
    found: dict[tuple[str, str], _Counted] = {}
    buckets: dict[tuple[str, str], float] = {}
    for row in page.rows:
        caller, callee = row.labels.get("caller"), row.labels.get("callee")
        if not caller or not callee or not 0 <= row.value <= MAX_COUNT:
            continue
        link = (caller, callee)
        counted = found.setdefault(link, _Counted())
        if row.name == LINK_LATENCY_BUCKET:
            _take_bucket(counted, buckets, link, row.labels.get("le", ""), row.value, latency_ms)
        elif row.name == LINK_LATENCY_SUM:
            counted.values[row.name] = round(row.value * 1_000)
        else:
            counted.values[row.name] = int(row.value)
    return [_seen(at_ms, link, counted, link in buckets) for link, counted in found.items()]


def _take_bucket(
    counted: _Counted,
    buckets: dict[tuple[str, str], float],
    link: tuple[str, str],
    limit: str,
    value: float,
    latency_ms: int,
) -> None:
    if limit == "+Inf":
        counted.finished = int(value)
        return
    try:
        ends_ms = float(limit) * 1_000
    except ValueError:
        return
    if latency_ms <= ends_ms < buckets.get(link, float("inf")):
        buckets[link] = ends_ms
        counted.in_time = int(value)


def _seen(at_ms: int, link: tuple[str, str], counted: _Counted, timed: bool) -> LinkSeen:
    values = counted.values
    return LinkSeen(
        at_ms=at_ms,
        caller=link[0],
        callee=link[1],
        requests=values.get(LINK_REQUESTS, 0),
        errors=values.get(LINK_ERRORS, 0),
        late=max(0, counted.finished - counted.in_time) if timed else 0,
        busy_ms=values.get(LINK_LATENCY_SUM, 0),
        connections=values.get(LINK_CONNECTIONS, 0),
        connect_failures=values.get(LINK_CONNECT_FAILURES, 0),
        asked_bytes=values.get(LINK_ASKED_BYTES, 0),
        answered_bytes=values.get(LINK_ANSWERED_BYTES, 0),
    )


def service_in(page: Page, at_ms: int, service: str) -> ServiceSeen | None:
    """What a service's own page says; None when it says nothing that we know.

    ``service`` is whose page it is, never what a label claims. Counters with more labels (a
    route, a code) are summed.
    """
    sums = {SERVICE_REQUESTS: 0, SERVICE_ERRORS: 0}
    release, started_ms, known = "", 0, False
    for row in page.rows:
        if not 0 <= row.value <= MAX_COUNT:
            continue
        if row.name in sums:
            sums[row.name] += int(row.value)
        elif row.name == SERVICE_INFO and row.value == 1:
            release = row.labels.get("release", "")[:MAX_RELEASE_CHARACTERS]
        elif row.name == PROCESS_START:
            started_ms = round(row.value * 1_000)
        known = True
    if not known:
        return None
    return ServiceSeen(
        at_ms, service, sums[SERVICE_REQUESTS], sums[SERVICE_ERRORS], release, started_ms
    )
