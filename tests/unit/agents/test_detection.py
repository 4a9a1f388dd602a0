"""Detection speaks within seconds of an impact and holds its tongue otherwise."""

import pytest

from engine.agents.detection import WARM_UP_MS, alarmed, anomalies, recovered, worse
from engine.telemetry.samples import AlertSeen
from engine.telemetry.window import Window
from engine.vocabulary import Anomaly, ServiceName, Signal, SignalKind
from tests.shop_stream import SHOP, Harm, ShopStream


def watched(seed: int, per_second: float = 15.0, seconds: int = 40) -> tuple[ShopStream, Window]:
    stream, window = ShopStream(seed=seed, per_second=per_second), Window(SHOP)
    stream.live(seconds, window)
    return stream, window


def alarm(window: Window, now_ms: int) -> str | None:
    return alarmed(anomalies(window, SHOP, now_ms), SHOP)


def seconds_to_alarm(stream: ShopStream, window: Window, cap: int = 15) -> int:
    for second in range(1, cap + 1):
        stream.live(1, window)
        if alarm(window, stream.now_ms):
            return second
    return 99


@pytest.mark.parametrize("seed", range(4))
def test_is_silent_on_a_healthy_noisy_machine(seed: int) -> None:
    """Single slow and failed requests, lost scrapes, and the machine standing still now and then."""
    stream, window = ShopStream(seed=seed), Window(SHOP)
    alarms = []
    for second in range(240):
        stream.live(1, window, lost=0.02)
        if second % 50 == 49:
            stream.stall(1_500)
        alarms += [alarm(window, stream.now_ms)]

    assert not any(alarms)


def test_says_nothing_while_it_warms_up() -> None:
    stream, window = ShopStream(harm={"payments": Harm(error_share=1.0)}), Window(SHOP)
    stream.live(WARM_UP_MS // 1_000 - 1, window)

    assert anomalies(window, SHOP, stream.now_ms) == ()
    stream.live(4, window)
    assert alarm(window, stream.now_ms), "a fleet that was never well is not well"


def test_says_nothing_from_a_stale_window() -> None:
    stream, window = watched(1)
    stream.kill("payments")
    stream.live(4, window)

    assert anomalies(window, SHOP, stream.now_ms)
    assert anomalies(window, SHOP, stream.now_ms + 10_000) == ()


def test_hears_another_systems_alert_while_it_cannot_say_anything_itself() -> None:
    stream, window = ShopStream(seed=1), Window(SHOP)
    stream.live(1, window)

    window.add(AlertSeen(stream.now_ms, "payments", "page", firing=True))
    assert alarm(window, stream.now_ms) == "payments", "an agent that has just begun"
    blind_ms = stream.now_ms + 60_000
    assert window.is_stale(blind_ms)
    assert alarm(window, blind_ms) == "payments", "an agent whose own questions are not answered"
    window.add(AlertSeen(blind_ms, "payments", "page", firing=False))
    assert alarm(window, blind_ms) is None


@pytest.mark.parametrize("service", [spec.name for spec in SHOP.service])
def test_sees_a_killed_process_within_three_seconds(service: str) -> None:
    stream, window = watched(2)
    stream.kill(service)

    assert seconds_to_alarm(stream, window) <= 3


def test_sees_a_total_failure_of_one_link_within_three_seconds() -> None:
    delays = []
    for seed in range(10):
        stream, window = watched(seed, per_second=10.0)
        stream.harm["cart"] = Harm(error_share=1.0)
        delays.append(seconds_to_alarm(stream, window))

    assert sorted(delays)[5] <= 3
    assert max(delays) <= 6


def test_sees_a_third_of_one_services_answers_failing() -> None:
    delays = []
    for seed in range(10):
        stream, window = watched(seed, per_second=25.0)
        stream.release("payments", "1.1.0", Harm(error_share=0.34))
        delays.append(seconds_to_alarm(stream, window))

    assert sorted(delays)[5] <= 3
    assert max(delays) <= 6


def test_sees_lateness_that_lasts() -> None:
    stream, window = watched(3)
    stream.harm["payments"] = Harm(delay_ms=1_200)

    assert seconds_to_alarm(stream, window) <= 6


def test_sees_a_process_that_hangs() -> None:
    stream, window = watched(3)
    stream.harm["inventory"] = Harm(hung=True)

    assert seconds_to_alarm(stream, window) <= 4


def test_one_failed_scrape_of_status_is_no_death() -> None:
    stream, window = watched(4)
    stream.kill("catalog")
    stream.live(1, window)
    stream.restart("catalog")
    stream.live(1, window)

    assert alarm(window, stream.now_ms) is None


def test_alarms_about_the_promise_when_customers_suffer() -> None:
    outside = Anomaly(
        Signal(ServiceName("gateway"), SignalKind.ERRORS, "customers"), 300, 5, 40, 960
    )
    inside = Anomaly(Signal(ServiceName("payments"), SignalKind.ERRORS, "orders"), 900, 5, 40, 999)

    assert alarmed((inside, outside), SHOP) == "checkout"
    assert alarmed((inside,), SHOP) == "payments"
    assert alarmed((), SHOP) is None


def test_recovers_only_in_a_window_of_its_own() -> None:
    stream, window = watched(5)
    stream.kill("payments")
    stream.live(6, window)
    stream.restart("payments")
    acted_ms = stream.now_ms

    assert not recovered(window, SHOP, acted_ms, stream.now_ms)
    stream.live(2, window)
    assert not recovered(window, SHOP, acted_ms, stream.now_ms), "two seconds prove nothing"
    stream.live(5, window)
    assert recovered(window, SHOP, acted_ms, stream.now_ms)
    assert not recovered(window, SHOP, acted_ms, stream.now_ms + 10_000), "stale"


def test_has_not_recovered_while_a_service_is_gone_or_requests_fail() -> None:
    stream, window = watched(6)
    stream.kill("payments")
    since_ms = stream.now_ms
    stream.live(8, window)
    assert not recovered(window, SHOP, since_ms, stream.now_ms)

    stream.restart("payments")
    stream.harm["payments"] = Harm(error_share=0.5)
    since_ms = stream.now_ms
    stream.live(8, window)
    assert not recovered(window, SHOP, since_ms, stream.now_ms)


def test_has_not_recovered_without_traffic() -> None:
    stream, window = watched(7)
    stream.per_second = 0.0
    since_ms = stream.now_ms
    stream.live(8, window)

    assert not recovered(window, SHOP, since_ms, stream.now_ms)


def test_is_worse_when_more_fails_than_before_the_action() -> None:
    stream, window = watched(8)
    stream.harm["payments"] = Harm(error_share=0.3)
    stream.live(12, window)
    before_ms = stream.now_ms
    stream.harm["gateway"] = Harm(error_share=0.9)
    stream.live(6, window)

    assert worse(window, SHOP, before_ms, before_ms, stream.now_ms)


def test_is_not_worse_when_it_is_as_bad_or_better() -> None:
    stream, window = watched(9)
    stream.harm["payments"] = Harm(error_share=0.5)
    stream.live(12, window)
    before_ms = stream.now_ms
    for _ in range(8):
        stream.live(1, window)
        assert not worse(window, SHOP, before_ms, before_ms, stream.now_ms)
    stream.harm["payments"] = Harm()
    for _ in range(8):
        stream.live(1, window)
        assert not worse(window, SHOP, before_ms, before_ms, stream.now_ms)


def test_is_worse_when_a_service_has_gone_since() -> None:
    stream, window = watched(10)
    before_ms = stream.now_ms
    stream.kill("redis")
    stream.live(6, window)

    assert worse(window, SHOP, before_ms, before_ms, stream.now_ms)


def test_lateness_needs_more_than_the_two_worst_scrapes() -> None:
    """What taught this: a stall of the machine made single slow requests look like a trend."""
    stream, window = watched(11)
    for _ in range(2):
        stream.stall(1_500)
        stream.live(1, window)

    assert alarm(window, stream.now_ms) is None


def test_recovers_after_an_outage_of_a_store_however_many_connections_it_was_asked_for() -> None:
    stream, window = ShopStream(seed=5), Window(SHOP)
    stream.live(60, window)
    stream.kill("postgres")
    stream.live(40, window)
    stream.restart("postgres")
    since_ms = stream.now_ms

    stream.live(30, window)

    assert recovered(window, SHOP, since_ms, stream.now_ms)
    assert anomalies(window, SHOP, stream.now_ms) == ()
