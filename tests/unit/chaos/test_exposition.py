"""Our metrics text, read back by the reference parser."""

from prometheus_client.parser import text_string_to_metric_families

from chaos.exchange import Failure, Finding
from chaos.fleet.exposition import Histogram, page, sample
from chaos.links import Link, text_of


def test_buckets_are_cumulative_and_end_with_all_of_them() -> None:
    histogram = Histogram()
    for seconds in (0.001, 0.9, 1.0, 7.0):
        histogram.observe(seconds)

    text = page([("took_seconds", "histogram", histogram.lines("took_seconds", {"a": 'b"\\'}))])
    (family,) = text_string_to_metric_families(text)
    buckets = {s.labels["le"]: s.value for s in family.samples if s.name.endswith("_bucket")}

    assert (buckets["0.5"], buckets["1.0"], buckets["2.5"], buckets["+Inf"]) == (1, 3, 3, 4)
    assert family.samples[0].labels["a"] == 'b"\\'


def test_a_sample_without_labels_has_no_braces() -> None:
    assert sample("up", {}, 1) == "up 1"


def test_a_link_says_how_many_requests_failed_and_why() -> None:
    link = Link("orders", "payments", 1, http=True)
    link.count([Finding(0.1, None), Finding(0.2, Failure.STATUS), Finding(0.3, Failure.REFUSED)])

    values = {
        (s.name, s.labels.get("reason", s.labels.get("le", ""))): s.value
        for family in text_string_to_metric_families(text_of([link]))
        for s in family.samples
    }

    assert values["link_requests_total", ""] == 3
    assert values["link_errors_total", ""] == 2
    assert values["link_failures_total", "refused"] == 1
    assert values["link_latency_seconds_bucket", "1.0"] == 3


def test_a_tcp_link_counts_connections_and_bytes_only() -> None:
    link = Link("cart", "redis", 1, http=False)
    link.connections, link.bytes_asked = 2, 30

    text = text_of([link])

    assert 'link_connections_total{caller="cart",callee="redis"} 2' in text
    assert 'link_asked_bytes_total{caller="cart",callee="redis"} 30' in text
    assert "link_requests_total{" not in text
