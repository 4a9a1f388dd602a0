"""What a drill measured comes from those who saw it, and nothing that is missing flatters."""

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from chaos.fleet.judge import SECOND_NS, Second, read_probe_log
from chaos.measure import (
    GREEN_SECONDS,
    impact_ns,
    recovery_ns,
    since,
)


def second(at_s: float, *, bad_at_s: float | None = None) -> Second:
    bad_ns = None if bad_at_s is None else int(bad_at_s * SECOND_NS)
    red = bad_ns is not None
    return Second(int(at_s * SECOND_NS), 0, 0 if red else 5, 5 if red else 0, not red, bad_ns)


def greens(first_s: float, count: int) -> list[Second]:
    return [second(first_s + place) for place in range(count)]


def test_impact_is_the_first_request_that_failed_after_the_injection() -> None:
    seconds = [second(1, bad_at_s=1.5), second(2), second(3, bad_at_s=3.25), second(4, bad_at_s=4)]

    assert impact_ns(seconds, 2 * SECOND_NS) == int(3.25 * SECOND_NS)


def test_a_failure_before_the_injection_is_no_impact() -> None:
    assert impact_ns([second(1, bad_at_s=1.5), *greens(2, 5)], 2 * SECOND_NS) is None


def test_recovery_begins_with_the_first_of_ten_green_seconds_on_end() -> None:
    seconds = [second(10, bad_at_s=10.5), second(11, bad_at_s=11), *greens(12, GREEN_SECONDS)]

    assert recovery_ns(seconds, int(10.5 * SECOND_NS)) == 12 * SECOND_NS


def test_nine_green_seconds_are_no_recovery_yet() -> None:
    seconds = [second(10, bad_at_s=10.5), *greens(11, GREEN_SECONDS - 1)]

    assert recovery_ns(seconds, int(10.5 * SECOND_NS)) is None


def test_one_red_second_begins_the_count_anew() -> None:
    seconds = [
        second(10, bad_at_s=10.5),
        *greens(11, GREEN_SECONDS - 1),
        second(20, bad_at_s=20.1),
        *greens(21, GREEN_SECONDS),
    ]

    assert recovery_ns(seconds, int(10.5 * SECOND_NS)) == 21 * SECOND_NS


def test_a_second_that_nobody_saw_breaks_the_run_of_green() -> None:
    seconds = [second(10, bad_at_s=10.5), *greens(11, 5), *greens(17, GREEN_SECONDS)]

    assert recovery_ns(seconds, int(10.5 * SECOND_NS)) == 17 * SECOND_NS


def test_green_seconds_before_the_impact_do_not_count() -> None:
    seconds = [*greens(0, 10), second(10, bad_at_s=10.5), *greens(11, 3)]

    assert recovery_ns(seconds, int(10.5 * SECOND_NS)) is None


@given(st.lists(st.booleans(), max_size=60), st.integers(0, 60))
def test_recovery_is_followed_by_ten_green_seconds_and_never_comes_before_the_impact(
    colours: list[bool], impact_s: int
) -> None:
    seconds = [
        second(at) if green else second(at, bad_at_s=at + 0.5) for at, green in enumerate(colours)
    ]

    recovery = recovery_ns(seconds, impact_s * SECOND_NS)

    windows = [
        at
        for at in range(len(colours) - GREEN_SECONDS + 1)
        if at >= impact_s and all(colours[at : at + GREEN_SECONDS])
    ]
    assert recovery == (windows[0] * SECOND_NS if windows else None)


def test_a_torn_line_is_left_out_wherever_it_stands() -> None:
    lines = [msgspec.json.encode(one) for one in greens(0, 3)]
    torn = lines[1][:17]

    assert read_probe_log(b"\n".join([*lines, torn])) == greens(0, 3)
    assert read_probe_log(b"\n".join([lines[0], torn + lines[1], lines[2], b""])) == [
        second(0),
        second(2),
    ]
    assert read_probe_log(b"\xff\xfe\n") == []


def test_seconds_are_told_to_the_millisecond_and_nothing_stays_nothing() -> None:
    assert since(1_234_567_890, 0) == 1.235
    assert since(None, 0) is None
