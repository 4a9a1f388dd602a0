"""The timeline: what surrounds a moment, live and replayed alike, bounded and counted."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from controlroom.window.timeline import LONGEST_FLIGHT_S, Timeline
from engine.stream.state import ScreenState
from engine.vocabulary import AgentId, AuthorId, TraceEvent
from tests.story import story

A, B = AgentId(AuthorId("detection-1")), AgentId(AuthorId("diagnosis-1"))


def message(sent_ms: int, received_ms: int, refused: str = "") -> TraceEvent:
    return TraceEvent(
        A, B, "commit", 0, 7, b"12345678", sent_ms * 1_000_000, received_ms * 1_000_000, refused
    )


def test_an_empty_timeline_has_nothing_to_show() -> None:
    timeline = Timeline()

    assert timeline.is_empty
    assert timeline.states_around(5.0) == ()
    assert timeline.state_at(5.0) == ScreenState()
    assert list(timeline.messages(0, 100)) == []


def test_a_moment_is_surrounded_by_the_two_before_it_and_the_one_after() -> None:
    timeline = Timeline()
    for second in range(5):
        timeline.show(float(second), ScreenState(at_ms=second * 1000))

    assert [moment.t_s for moment in timeline.states_around(2.5)] == [1.0, 2.0, 3.0]
    assert [moment.t_s for moment in timeline.states_around(2.0)] == [1.0, 2.0, 3.0]
    assert [moment.t_s for moment in timeline.states_around(9.0)] == [3.0, 4.0]
    assert [moment.t_s for moment in timeline.states_around(-1.0)] == [0.0]
    assert timeline.state_at(2.5).at_ms == 2000
    assert timeline.state_at(-1.0).at_ms == 0


def test_a_message_is_under_way_from_its_sending_to_its_arrival() -> None:
    timeline = Timeline()
    timeline.hear([message(1_000, 2_000)])

    assert [sent.number for sent in timeline.messages(1.5, 1.6)] == [1]
    assert [sent.number for sent in timeline.messages(0.0, 1.0)] == [1]
    assert [sent.number for sent in timeline.messages(2.0, 3.0)] == [1]
    assert list(timeline.messages(0.0, 0.9)) == []
    assert list(timeline.messages(2.1, 3.0)) == []


def test_live_messages_are_moved_by_the_smallest_delay_that_a_batch_had() -> None:
    timeline = Timeline()
    timeline.hear([message(1_000, 1_010)], now_s=501.5)
    timeline.hear([message(2_000, 2_010)], now_s=502.2)

    first, second = timeline.messages(0.0, 1000.0)
    assert first.received_s == pytest.approx(501.5)
    assert second.received_s == pytest.approx(502.2)
    assert second.received_s - second.sent_s == pytest.approx(0.010)


def test_another_engine_brings_another_clock() -> None:
    timeline = Timeline()
    timeline.hear([message(0, 900_000)], now_s=900.0)
    timeline.begin_anew()
    timeline.hear([message(0, 5_000)], now_s=910.0)

    assert [sent.received_s for sent in timeline.messages(0, 2000)] == pytest.approx([900.0, 910.0])


@pytest.mark.parametrize("sent_ms", [0, 3_000, 2_000 - int(LONGEST_FLIGHT_S * 1000) - 1])
def test_a_sender_whose_stamp_cannot_be_believed_says_nothing_of_the_flight(sent_ms: int) -> None:
    timeline = Timeline()
    timeline.hear([message(sent_ms, 2_000)])

    (sent,) = timeline.messages(-1e9, 1e9)
    assert sent.sent_s == sent.received_s == 2.0


def test_a_refused_message_says_why() -> None:
    timeline = Timeline()
    timeline.hear([message(1_000, 1_001, "of an old view")])

    assert [sent.refused for sent in timeline.messages(0, 2)] == ["of an old view"]


def test_what_is_forgotten_is_counted() -> None:
    timeline = Timeline(max_moments=100, max_messages=200)
    for number in range(250):
        timeline.show(float(number), ScreenState(at_ms=number))
        timeline.hear([message(number, number + 1)] * 2)

    kept = len(timeline.messages(-1e9, 1e9))
    assert kept + timeline.messages_forgotten == timeline.counted == 500
    assert kept <= 200
    assert timeline.first_s == float(timeline.moments_forgotten)
    assert 249 - timeline.first_s < 100


def test_a_state_from_before_the_newest_is_not_taken() -> None:
    timeline = Timeline()
    timeline.show(5.0, ScreenState(at_ms=5))
    timeline.show(4.0, ScreenState(at_ms=4))

    assert timeline.last_s == 5.0
    assert timeline.state_at(9.0).at_ms == 5


def test_an_incident_leaves_one_mark_for_each_thing_that_happened() -> None:
    frames = story()
    timeline = Timeline()
    for state in frames:
        timeline.show(state.at_ms / 1000, state)

    assert [mark.entry for mark in timeline.marks()] == list(frames[-1].timeline)
    times = [mark.t_s for mark in timeline.marks()]
    assert times == sorted(times)
    assert times == pytest.approx([entry.at_ms / 1000 for entry in frames[-1].timeline])


def test_an_incident_that_comes_back_to_the_screen_is_not_marked_twice() -> None:
    frames = story()
    timeline = Timeline()
    timeline.show(1.0, frames[-1])
    timeline.show(2.0, replace(frames[-1], timeline=(), incident=None))
    timeline.show(3.0, frames[-1])

    assert len(timeline.marks()) == len(frames[-1].timeline)


@given(
    st.lists(st.tuples(st.integers(1, 5_000), st.integers(1, 5_000)), max_size=60),
    st.integers(0, 5_000),
    st.integers(0, 500),
)
def test_a_span_gives_exactly_the_messages_under_way_in_it(
    flights: list[tuple[int, int]], start_ms: int, length_ms: int
) -> None:
    timeline = Timeline()
    for flight in flights:
        timeline.hear([message(min(flight), max(flight))])
    end_ms = start_ms + length_ms

    found = [sent.number for sent in timeline.messages(start_ms / 1e3, end_ms / 1e3)]

    expected = {
        number
        for number, flight in enumerate(flights, 1)
        if min(flight) <= end_ms + 1e-6 and max(flight) >= start_ms - 1e-6
    }
    assert set(found) == expected
    assert len(found) == len(expected)
