"""Resolution names the run it saw, goes back to what really ran, and repeats nothing."""

from engine.agents.diagnosis import rank
from engine.agents.resolution import RESTART, ROLL_BACK, plan
from engine.catalogue import objection_to
from engine.telemetry.window import Window
from engine.vocabulary import (
    FaultKind,
    Generation,
    Hypothesis,
    Plan,
    RestartService,
    Risk,
    RollBack,
    ServiceName,
)
from tests.shop_stream import SHOP, Harm, ShopStream

Tried = frozenset[tuple[ServiceName, str]]
NOTHING_TRIED: Tried = frozenset()
PAYMENTS, ORDERS = ServiceName("payments"), ServiceName("orders")


def seen() -> tuple[ShopStream, Window]:
    stream, window = ShopStream(seed=1), Window(SHOP)
    stream.live(40, window)
    return stream, window


def planned(
    stream: ShopStream, window: Window, *hypotheses: Hypothesis, tried: Tried = NOTHING_TRIED
) -> Plan | None:
    return plan(hypotheses, window, SHOP, stream.now_ms, stream.now_ms + 30_000, tried)


def live_run(window: Window) -> Generation:
    status = window.status("payments")
    assert status is not None
    assert status.generation is not None
    return status.generation


def test_a_crash_is_restarted_as_the_run_that_the_status_names() -> None:
    stream, window = seen()
    stream.kill("payments")
    stream.live(4, window)

    found = planned(stream, window, *rank(window, SHOP, stream.now_ms).hypotheses)

    assert found is not None
    assert found.actions == (RestartService(PAYMENTS, live_run(window)),)
    assert found.risk is Risk.LOW
    assert found.blast_radius == ("gateway", "orders", "payments")
    assert objection_to(found, SHOP) == ""


def test_a_bad_release_goes_back_to_the_one_before() -> None:
    stream, window = seen()
    stream.release("payments", "1.1.0")
    stream.release("payments", "1.2.0", Harm(error_share=0.5))
    stream.live(8, window)

    found = planned(stream, window, *rank(window, SHOP, stream.now_ms).hypotheses)

    assert found is not None
    (action,) = found.actions
    assert isinstance(action, RollBack)
    assert (action.service, action.to_release) == ("payments", "1.1.0")
    assert found.undo


def test_errors_are_rolled_back_after_a_change_and_restarted_without_one() -> None:
    stream, window = seen()
    errors = Hypothesis(PAYMENTS, FaultKind.ERRORS, 900)

    without = planned(stream, window, errors)
    stream.release("payments", "1.1.0")
    stream.live(2, window)
    after = planned(stream, window, errors)

    assert without is not None
    assert after is not None
    assert isinstance(without.actions[0], RestartService)
    assert isinstance(after.actions[0], RollBack)


def test_what_was_tried_is_not_tried_again() -> None:
    stream, window = seen()
    stream.release("payments", "1.1.0")
    stream.live(2, window)
    errors = Hypothesis(PAYMENTS, FaultKind.ERRORS, 600)
    other = Hypothesis(ORDERS, FaultKind.HANG, 300)

    first = planned(stream, window, errors, other, tried=frozenset({(PAYMENTS, ROLL_BACK)}))
    both = frozenset({(PAYMENTS, ROLL_BACK), (PAYMENTS, RESTART)})
    second = planned(stream, window, errors, other, tried=both)
    last = planned(stream, window, errors, other, tried=both | {(ORDERS, RESTART)})

    assert first is not None
    assert isinstance(first.actions[0], RestartService)
    assert second is not None
    assert second.actions[0].service == "orders"
    assert last is None


def test_plans_nothing_for_the_improbable_the_unknown_or_from_a_stale_window() -> None:
    stream, window = seen()
    crash = Hypothesis(PAYMENTS, FaultKind.CRASH, 900)

    assert planned(stream, window) is None
    assert planned(stream, window, Hypothesis(PAYMENTS, FaultKind.CRASH, 40)) is None
    assert planned(stream, window, Hypothesis(ServiceName("x"), FaultKind.CRASH, 900)) is None
    assert plan((crash,), window, SHOP, stream.now_ms + 9_000, stream.now_ms, NOTHING_TRIED) is None


def test_there_is_no_way_back_for_a_release_that_was_the_first() -> None:
    stream, window = seen()

    assert planned(stream, window, Hypothesis(PAYMENTS, FaultKind.BAD_DEPLOY, 900)) is None


def test_never_goes_back_to_a_release_that_was_rolled_back() -> None:
    stream, window = seen()
    stream.release("payments", "1.1.0", Harm(error_share=0.5))
    stream.live(3, window)
    stream.release("payments", "1.0.0")
    stream.live(3, window)

    found = planned(stream, window, Hypothesis(PAYMENTS, FaultKind.ERRORS, 900))

    assert found is not None
    assert isinstance(found.actions[0], RestartService)
    assert planned(stream, window, Hypothesis(PAYMENTS, FaultKind.BAD_DEPLOY, 900)) is None
