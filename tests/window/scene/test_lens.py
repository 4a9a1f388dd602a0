import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from controlroom.window.scene.lens import LONGEST_S, SHORTEST_S, drawn, flights

times = st.floats(-5.0, 20.0, allow_nan=False)


@given(times, times)
def test_what_came_first_is_drawn_first(a: float, b: float) -> None:
    first, second = drawn(np.array([min(a, b), max(a, b)]))

    assert first <= second


@given(st.floats(0.0, 20.0))
def test_nothing_is_drawn_before_it_happened(since: float) -> None:
    assert drawn(np.array([since]))[0] >= since


def test_a_hop_of_milliseconds_can_be_seen_and_seconds_stay_seconds() -> None:
    hop, long = drawn(np.array([0.003, 6.0]))

    assert hop > 0.3
    assert long == 6.0


@given(st.floats(0.0, 1e5), st.floats(0.0, 0.05), st.floats(0.0, 30.0))
def test_a_flight_is_never_too_short_to_be_seen_nor_endless(
    start: float, after: float, took: float
) -> None:
    sent = np.array([start + after])

    leave, arrive = flights(np.array([start]), sent, sent + took)

    assert SHORTEST_S - 1e-6 <= (arrive - leave)[0] <= LONGEST_S + 1e-6
