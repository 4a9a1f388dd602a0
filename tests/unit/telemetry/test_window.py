"""A window keeps what it was shown, for two minutes, and knows how old it is."""

from engine.telemetry.pages import links_in, service_in, status_in
from engine.telemetry.prometheus import TextReader
from engine.telemetry.samples import (
    LINK_METRICS,
    SERVICE_METRICS,
    HealthAnswer,
    HealthSeen,
    LinkSeen,
    LogSeen,
    Missed,
    StatusSeen,
)
from engine.telemetry.series import SPAN_MS, LinkSeries
from engine.telemetry.window import MAX_ANSWERS, MAX_LOG_ROWS, MAX_MISSES, STALE_MS, Window
from engine.topology import FleetStatus
from engine.vocabulary import ServiceName
from tests.shop_stream import SHOP, START_MS, ShopStream

LINK = ("orders", ServiceName("payments"))


def link(second: float, requests: int, errors: int = 0) -> LinkSeen:
    return LinkSeen(START_MS + int(1_000 * second), *LINK, requests=requests, errors=errors)


def test_counts_only_what_lies_wholly_inside() -> None:
    series = LinkSeries()
    for second in range(5):
        series.add(link(second, 10 * second, second))

    counts = series.counts(START_MS + 1_500, START_MS + 4_000)

    assert (counts.requests, counts.errors, counts.span_ms) == (20, 2, 2_000)


def test_a_reset_counter_neither_drops_nor_bursts() -> None:
    series = LinkSeries()
    for second, requests in enumerate((100, 110, 4, 14)):
        series.add(link(second, requests))

    assert series.counts(START_MS, START_MS + 9_000).requests == 10 + 4 + 10
    assert series.resets == 1


def test_a_reading_out_of_order_is_refused_and_counted() -> None:
    window = Window(SHOP)
    window.add(link(5, 10))
    window.add(link(4, 20))

    assert window.late_dropped == 1


def test_a_gap_is_one_longer_step() -> None:
    series = LinkSeries()
    for second in (0, 1, 4):
        series.add(link(second, 10 * second))

    steps = series.steps(START_MS, START_MS + 9_000)

    assert [step.end_ms - step.begin_ms for step in steps] == [1_000, 3_000]


def test_readings_older_than_the_span_are_forgotten() -> None:
    series = LinkSeries()
    for second in range(300):
        series.add(link(second, second))

    assert series.first_ms is not None
    assert series.first_ms >= START_MS + 299_000 - SPAN_MS


def test_a_minute_of_failure_does_not_become_habit() -> None:
    series = LinkSeries()
    requests = errors = 0
    for second in range(180):
        requests += 10
        errors += 10 * (second >= 120)
        series.add(link(second, requests, errors))

    assert series.habit.error_share < 0.05


def test_habit_follows_a_change_that_stays() -> None:
    series = LinkSeries()
    for second in range(1_800):
        series.add(link(second, 10 * second, second))

    assert 0.05 < series.habit.error_share < 0.11


def test_what_the_manifest_does_not_name_is_dropped_and_counted() -> None:
    window = Window(SHOP)

    window.add(LinkSeen(START_MS, "orders", "payments; rm -rf /", requests=1))
    window.add(LinkSeen(START_MS, "payments", "orders", requests=1))
    window.add(HealthSeen(START_MS, "evil", HealthAnswer.REFUSED))
    window.add(LogSeen(START_MS, "evil", "error", "x", 1))

    assert window.unknown_dropped == 4
    assert window.size == 0


def test_is_stale_without_links_or_without_status() -> None:
    stream, window = ShopStream(), Window(SHOP)
    assert window.is_stale(stream.now_ms)
    stream.live(3, window)

    assert not window.is_stale(stream.now_ms)
    assert window.is_stale(stream.now_ms + STALE_MS + 1)
    window.add(link((stream.now_ms - START_MS) / 1_000 + 5, 1_000))
    assert window.is_stale(stream.now_ms + 5_000), "links alone do not make it fresh"


def test_knows_for_how_long_a_service_has_been_gone() -> None:
    stream, window = ShopStream(), Window(SHOP)
    stream.live(3, window)
    stream.kill("redis")
    stream.live(3, window)

    count, for_ms = window.dead_for("redis", stream.now_ms)

    assert count == 3
    assert 1_900 <= for_ms <= 2_100
    assert window.dead_for("payments", stream.now_ms)[0] == 0


def test_never_grows_beyond_its_rings() -> None:
    window = Window(SHOP)
    services, links = len(SHOP.service), len(SHOP.call)
    most = links * (SPAN_MS // 900) + services * (2 * MAX_ANSWERS + MAX_LOG_ROWS) + MAX_MISSES
    stream = ShopStream(per_second=5)
    stream.live(200, window)
    for number in range(5_000):
        window.add(LogSeen(stream.now_ms, "orders", "error", f"template {number}", 1))
        window.add(Missed(stream.now_ms, "links"))

    assert window.size <= most


def test_late_is_what_the_objectives_bucket_does_not_hold() -> None:
    page = b"""
link_requests_total{caller="orders",callee="payments"} 10
link_errors_total{caller="orders",callee="payments"} 2
link_latency_seconds_bucket{caller="orders",callee="payments",le="0.5"} 3
link_latency_seconds_bucket{caller="orders",callee="payments",le="1.0"} 7
link_latency_seconds_bucket{caller="orders",callee="payments",le="2.5"} 9
link_latency_seconds_bucket{caller="orders",callee="payments",le="+Inf"} 10
link_latency_seconds_sum{caller="orders",callee="payments"} 5.25
link_connections_total{caller="cart",callee="redis"} 4
link_connect_failures_total{caller="cart",callee="redis"} 1
"""
    seen = links_in(TextReader(LINK_METRICS).read(page), START_MS, 1_000)

    assert seen == [
        LinkSeen(START_MS, *LINK, requests=10, errors=2, late=3, busy_ms=5_250),
        LinkSeen(START_MS, "cart", "redis", connections=4, connect_failures=1),
    ]


def test_a_page_without_its_last_bucket_says_nothing_of_lateness() -> None:
    page = b'link_latency_seconds_bucket{caller="a",callee="b",le="1.0"} 7\n'

    (seen,) = links_in(TextReader(LINK_METRICS).read(page), START_MS, 1_000)

    assert seen.late == 0


def test_a_services_own_page_is_read_under_its_own_name() -> None:
    page = b"""
service_info{service="gateway",release="1.2.3"} 1
service_requests_total{route="/a"} 3
service_requests_total{route="/b"} 4
service_errors_total{route="/a"} 1
process_start_time_seconds 1.7e+09
"""
    seen = service_in(TextReader(SERVICE_METRICS).read(page), START_MS, "orders")

    assert seen is not None
    assert (seen.service, seen.requests, seen.errors) == ("orders", 7, 1)
    assert (seen.release, seen.started_ms) == ("1.2.3", 1_700_000_000_000)


def test_a_status_that_is_none_is_none() -> None:
    assert status_in(b"") is None
    assert status_in(b"\xff{") is None
    assert status_in(b"[" * 100_000) is None
    assert status_in(b'{"services":[]}') == FleetStatus(())


def test_a_status_of_unknown_services_is_dropped_and_counted() -> None:
    window = Window(SHOP)
    stream = ShopStream()
    status = FleetStatus(
        tuple(
            type(s)(ServiceName("x" + s.name), s.alive, s.generation)
            for s in stream.status.values()
        )
    )
    window.add(StatusSeen(START_MS, status))

    assert window.unknown_dropped == len(stream.status)
    assert window.status("xorders") is None
