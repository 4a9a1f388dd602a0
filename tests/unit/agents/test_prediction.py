"""Prediction says when a limit will be crossed, only when it is clear."""

from engine.agents.prediction import Forecast, expects_recovery, forecasts
from engine.telemetry.samples import LinkSeen, StatusSeen
from engine.telemetry.window import Window
from engine.topology import FleetStatus
from engine.vocabulary import ServiceName, SignalKind
from tests.shop_stream import SHOP, START_MS, Harm, ShopStream


def test_a_rising_latency_crosses_when_the_line_says() -> None:
    """10 ms more each second from 200 ms on: 600 ms after 40 s, 1000 ms after 80 s."""
    window, requests, busy_ms = Window(SHOP), 0, 0
    for second in range(41):
        requests += 10
        busy_ms += 10 * (200 + 10 * second)
        at = START_MS + 1_000 * second
        window.add(LinkSeen(at, "orders", "payments", requests=requests, busy_ms=busy_ms))
        window.add(StatusSeen(at, FleetStatus(())))

    (forecast,) = forecasts(window, SHOP, START_MS + 40_000)

    assert forecast.signal.service == "payments"
    assert forecast.signal.kind is SignalKind.LATENCY
    assert abs(forecast.crosses_at_ms - (START_MS + 80_000)) < 5_000
    assert forecast.earliest_ms <= forecast.crosses_at_ms <= forecast.latest_ms


def test_is_calm_on_a_healthy_machine() -> None:
    stream, window = ShopStream(seed=3), Window(SHOP)
    said: list[Forecast] = []
    for _ in range(240):
        stream.live(1, window)
        said += forecasts(window, SHOP, stream.now_ms)

    assert said == []


def test_what_is_gone_does_not_come_back_by_itself() -> None:
    stream, window = ShopStream(), Window(SHOP)
    stream.live(30, window)
    stream.kill("payments")
    stream.live(5, window)

    assert expects_recovery(window, SHOP, ServiceName("payments"), stream.now_ms) is False


def test_what_has_stopped_failing_is_healing() -> None:
    stream, window = ShopStream(fail_share=0.0), Window(SHOP)
    stream.live(30, window)
    stream.harm["payments"] = Harm(error_share=0.6)
    stream.live(10, window)
    assert expects_recovery(window, SHOP, ServiceName("payments"), stream.now_ms) is False

    stream.harm["payments"] = Harm()
    stream.live(6, window)
    assert expects_recovery(window, SHOP, ServiceName("payments"), stream.now_ms) is True


def test_cannot_tell_without_trouble_or_from_a_stale_window() -> None:
    stream, window = ShopStream(fail_share=0.0), Window(SHOP)
    stream.live(30, window)

    assert expects_recovery(window, SHOP, ServiceName("payments"), stream.now_ms) is None
    assert expects_recovery(window, SHOP, ServiceName("nobody"), stream.now_ms) is None
    assert expects_recovery(window, SHOP, ServiceName("payments"), stream.now_ms + 9_000) is None
