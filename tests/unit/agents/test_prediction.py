"""Prediction says when something will be used up, only when it is clear, and what heals by itself."""

from engine.agents.prediction import Forecast, expects_recovery, forecasts
from engine.telemetry.window import Window
from engine.vocabulary import ServiceName, Signal, SignalKind
from tests.shop_stream import CATALOG, SHOP, Harm, ShopStream


def leaking(seconds: int, files_a_second: int = 5) -> tuple[ShopStream, Window]:
    """A minute at some thirty open files of 256; then a release of catalog closes none."""
    stream, window = ShopStream(seed=3), Window(SHOP)
    stream.live(60, window)
    stream.release("catalog", "1.3.0", Harm(leaked_files=files_a_second))
    stream.live(seconds, window)
    return stream, window


def test_a_leak_is_foreseen_with_the_time_that_is_left() -> None:
    stream, window = leaking(30)

    (forecast,) = forecasts(window, stream.now_ms)

    left_ms = 1_000 * (256 - stream.files[CATALOG]) / 5
    assert forecast.signal == Signal(ServiceName("catalog"), SignalKind.FILES)
    assert abs(forecast.crosses_at_ms - stream.now_ms - left_ms) < 0.25 * left_ms
    assert forecast.earliest_ms <= forecast.crosses_at_ms <= forecast.latest_ms
    assert abs(stream.now_ms - forecast.began_ms - 30_000) < 6_000
    assert forecast.anomaly.expected_permille < 200 < forecast.anomaly.observed_permille


def test_a_leak_is_foreseen_long_before_anything_fails() -> None:
    stream, window = leaking(0)
    seconds = 0
    while not forecasts(window, stream.now_ms):
        stream.live(1, window)
        seconds += 1

    assert stream.files[CATALOG] < 256 * 0.65
    assert seconds < 32


def test_a_forecast_ends_with_its_leak_and_the_next_leak_is_news_again() -> None:
    stream, window = leaking(30)
    for _ in range(2):
        stream.restart("catalog")
        stream.live(3, window)
        assert forecasts(window, stream.now_ms) == ()

        stream.harm["catalog"] = Harm(leaked_files=5)
        stream.live(30, window)
        assert forecasts(window, stream.now_ms)


def test_says_nothing_from_a_stale_window() -> None:
    stream, window = leaking(30)

    assert forecasts(window, stream.now_ms)
    assert forecasts(window, stream.now_ms + 10_000) == ()


def test_is_calm_on_a_healthy_machine_and_when_files_come_and_go() -> None:
    stream, window = ShopStream(seed=3), Window(SHOP)
    said: list[Forecast] = []
    for second in range(240):
        # A busy hour opens connections, and closes them: a swing of fifty files.
        stream.harm["gateway"] = Harm(leaked_files=5 if second % 40 < 10 else 0)
        if second % 40 == 20:
            stream.restart("gateway")
        stream.live(1, window)
        said += forecasts(window, stream.now_ms)

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
