"""A declared promise to users pages while a recording's requests break it, and only then."""

from pathlib import Path

from engine.evaluate.promises import BURNING, MOST_ENTRIES, Promises
from engine.evaluate.senses import Alarm, Forecast
from engine.evaluate.watching import Watch
from engine.telemetry.recording import Recording
from engine.telemetry.records import Span
from engine.topology import OUTSIDE, Objective

PROMISE = Objective(OUTSIDE, 990, 1_000, 5_000)
BEGIN_S = 1_700_000_040.0
HOUR_S = 3_600


def request(at_s: float, *, bad: bool, service: str = "front", parent: str = "") -> Span:
    took_ms = 1_500.0 if bad else 20.0
    return Span(
        at_s - took_ms / 1_000, service, "serve", f"{at_s}", f"{at_s}", parent, took_ms, False
    )


def minutes(promises: Promises, first: int, last: int, *, bad: bool, parent: str = "") -> None:
    for minute in range(first, last):
        for second in range(0, 60, 5):
            promises.add(request(BEGIN_S + 60 * minute + second, bad=bad, parent=parent))


def test_slow_requests_burn_the_budget_and_fine_ones_do_not() -> None:
    promises = Promises(PROMISE)
    minutes(promises, 0, 60, bad=False)
    assert promises.paging() == []

    minutes(promises, 60, 75, bad=True)
    ((service, burn),) = promises.paging()
    assert service == "front"
    assert burn > 14.4


def test_only_what_comes_from_outside_is_a_request_of_a_user() -> None:
    promises = Promises(PROMISE)
    minutes(promises, 0, 75, bad=True, parent="other")

    assert promises.paging() == []


def test_services_beyond_the_most_are_counted() -> None:
    promises = Promises(PROMISE)
    for place in range(MOST_ENTRIES + 3):
        promises.add(request(BEGIN_S, bad=False, service=f"service-{place}"))

    assert promises.dropped == 3


def alarms(objective: Objective | None) -> list[Alarm]:
    """Two services; every fourth request of one is slow, which is its habit from the beginning."""
    recording = Recording(
        Path(),
        "r",
        60.0,
        BEGIN_S,
        BEGIN_S + 2 * HOUR_S,
        ("front", "back"),
        (),
        None,
        (),
        (),
        objective,
    )
    watch = Watch(recording)
    said: list[Alarm | Forecast] = []
    for place in range(2 * HOUR_S // 5):
        at_s = BEGIN_S + 5 * place
        said += watch.advance(at_s, [request(at_s, bad=place % 4 == 0)])
    return [alarm for alarm in said if isinstance(alarm, Alarm)]


def test_what_was_always_bad_pages_where_a_promise_is_declared_and_is_habit_where_none_is() -> None:
    assert alarms(None) == []

    found = alarms(PROMISE)
    assert {(alarm.service, alarm.metric) for alarm in found} == {("front", BURNING)}
