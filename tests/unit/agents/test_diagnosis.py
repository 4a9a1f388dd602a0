"""Diagnosis blames the service whose trouble no call of its own explains."""

import pytest

from engine.agents.diagnosis import rank
from engine.telemetry.window import Window
from engine.vocabulary import FaultKind, SignalKind
from tests.shop_stream import SHOP, Harm, ShopStream

SERVICES = [spec.name for spec in SHOP.service]
WITH_RELEASES = [spec.name for spec in SHOP.service if spec.kind == "http"]


def after(seed: int, **harm: Harm) -> tuple[ShopStream, Window]:
    """A window that has watched a healthy minute; then ``harm`` begins."""
    stream, window = ShopStream(seed=seed), Window(SHOP)
    stream.live(60, window)
    stream.harm.update(harm)
    return stream, window


def best(window: Window, now_ms: int) -> tuple[str, FaultKind]:
    first = rank(window, SHOP, now_ms).hypotheses[0]
    return first.service, first.kind


@pytest.mark.parametrize("service", SERVICES)
def test_a_killed_process_is_a_crash_of_that_service(service: str) -> None:
    stream, window = after(1)
    stream.kill(service)
    stream.live(4, window)

    found = rank(window, SHOP, stream.now_ms)

    assert (found.hypotheses[0].service, found.hypotheses[0].kind) == (service, FaultKind.CRASH)
    assert found.hypotheses[0].probability_permille > 900
    assert sum(h.probability_permille for h in found.hypotheses) <= 1_000


@pytest.mark.parametrize("seed", [0, 1, 2, 4, 5])
def test_a_process_that_was_seen_gone_once_already_leads_as_a_crash(seed: int) -> None:
    stream, window = after(seed)
    stream.kill("payments")
    stream.live(1, window)

    assert best(window, stream.now_ms) == ("payments", FaultKind.CRASH)


def test_clears_the_callers_that_fail_because_of_it() -> None:
    stream, window = after(2)
    stream.kill("payments")
    stream.live(5, window)

    found = rank(window, SHOP, stream.now_ms)

    assert {h.service for h in found.ruled_out} == {"gateway", "orders"}
    assert all(e.weight_permille < 0 for h in found.ruled_out for e in h.evidence)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("service", WITH_RELEASES)
def test_a_bad_release_is_found_on_every_service(service: str, seed: int) -> None:
    stream, window = after(seed)
    stream.release(service, "1.1.0", Harm(error_share=0.34))
    stream.live(8, window)

    assert best(window, stream.now_ms) == (service, FaultKind.BAD_DEPLOY)


@pytest.mark.parametrize("decoy", ["gateway", "catalog", "orders", "cart"])
def test_a_harmless_release_beside_a_crash_does_not_win(decoy: str) -> None:
    stream, window = after(3)
    stream.release(decoy, "1.0.1")
    stream.kill("payments")
    stream.live(4, window)

    assert best(window, stream.now_ms) == ("payments", FaultKind.CRASH)


def test_of_two_releases_the_one_that_fails_is_blamed() -> None:
    stream, window = after(4)
    stream.release("orders", "1.0.1")
    stream.release("inventory", "2.0.0", Harm(error_share=0.4))
    stream.live(8, window)

    found = rank(window, SHOP, stream.now_ms)

    assert best(window, stream.now_ms) == ("inventory", FaultKind.BAD_DEPLOY)
    assert "orders" in {h.service for h in found.ruled_out}


def test_errors_long_after_a_release_are_not_blamed_on_it() -> None:
    stream, window = after(5)
    stream.release("cart", "1.0.1")
    stream.live(90, window)
    stream.harm["cart"] = Harm(error_share=0.5)
    stream.live(8, window)

    assert best(window, stream.now_ms) == ("cart", FaultKind.ERRORS)


@pytest.mark.parametrize("service", WITH_RELEASES)
def test_a_process_that_does_not_answer_hangs(service: str) -> None:
    stream, window = after(6)
    stream.harm[service] = Harm(hung=True)
    stream.live(5, window)

    assert best(window, stream.now_ms) == (service, FaultKind.HANG)


def test_a_database_is_blamed_when_its_callers_fail_together() -> None:
    stream, window = after(7, postgres=Harm(error_share=0.6))
    stream.live(8, window)

    assert best(window, stream.now_ms) == ("postgres", FaultKind.ERRORS)


def test_late_answers_are_traced_to_where_the_time_is_spent() -> None:
    stream, window = after(8, payments=Harm(delay_ms=1_200))
    stream.live(8, window)

    assert best(window, stream.now_ms) == ("payments", FaultKind.SLOW)


def test_is_inconclusive_when_nothing_stands_out() -> None:
    stream, window = after(9)

    for _ in range(60):
        stream.live(1, window)
        assert rank(window, SHOP, stream.now_ms).hypotheses == ()


def test_is_inconclusive_when_telemetry_is_stale() -> None:
    stream, window = after(10)
    stream.kill("payments")
    stream.live(4, window)

    assert rank(window, SHOP, stream.now_ms + 10_000).hypotheses == ()


def test_quotes_the_error_template_that_is_new() -> None:
    stream, window = after(11)
    stream.fail_share = 0.0
    stream.live(130, window)
    stream.release("catalog", "1.1.0", Harm(error_share=0.5))
    stream.live(6, window)

    first = rank(window, SHOP, stream.now_ms).hypotheses[0]

    quoted = [e for e in first.evidence if e.signal.kind is SignalKind.LOGS]
    assert [(e.signal.service, e.template) for e in quoted] == [
        ("catalog", "request failed [<text>]")
    ]
