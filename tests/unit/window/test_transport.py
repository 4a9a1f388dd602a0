"""The transport: three states, a speed, and a position that is a function of the clock."""

import pytest

from controlroom.window.timeline import Timeline
from controlroom.window.transport import BEHIND_S, LEAD_S, SPEEDS, Mode, Transport
from tests.story import START_MS, story


def recorded() -> Timeline:
    timeline = Timeline()
    for state in story():
        timeline.show((state.at_ms - START_MS) / 1000, state)
    return timeline


def replay() -> Transport:
    transport = Transport(recorded(), live=False)
    transport.skip_quiet = False
    return transport


def test_a_live_window_follows_a_little_behind() -> None:
    transport = Transport(recorded(), live=True)

    assert transport.mode is Mode.FOLLOWING
    assert transport.position(100.0) == 100.0 - BEHIND_S


def test_a_recording_plays_from_its_beginning_and_stops_at_its_end() -> None:
    transport = replay()
    timeline = recorded()

    assert transport.position(50.0) == timeline.first_s
    assert transport.position(51.5) == timeline.first_s + 1.5
    assert transport.position(50.0 + 1e4) == timeline.last_s
    assert transport.mode is Mode.PAUSED


def test_a_recording_that_has_ended_plays_again_from_its_beginning() -> None:
    transport = replay()
    transport.position(0.0)
    transport.position(1e4)

    transport.toggle(2e4)

    assert transport.mode is Mode.PLAYING
    assert transport.position(2e4 + 1) == recorded().first_s + 1


def test_what_is_paused_stays() -> None:
    transport = Transport(recorded(), live=True)
    transport.pause(10.0)

    assert transport.position(11.0) == transport.position(99.0) == 10.0 - BEHIND_S

    transport.follow(99.0)
    assert transport.position(99.0) == 99.0 - BEHIND_S


@pytest.mark.parametrize("speed", SPEEDS)
def test_speed_scales_time_from_where_it_was_changed(speed: float) -> None:
    transport = replay()
    transport.position(0.0)
    t_s = transport.position(1.0)

    transport.faster(SPEEDS.index(speed) - SPEEDS.index(1.0), 1.0)

    assert transport.speed == speed
    assert transport.position(1.0) == t_s
    assert transport.position(1.1) == pytest.approx(t_s + 0.1 * speed)


def test_speeds_have_ends() -> None:
    transport = replay()
    transport.faster(99, 0.0)
    assert transport.speed == 16.0
    transport.faster(-99, 0.0)
    assert transport.speed == 0.25


def test_a_live_window_that_plays_faster_than_time_catches_up_and_follows() -> None:
    transport = Transport(recorded(), live=True)
    transport.pause(10.0)
    transport.play(20.0)
    transport.faster(2, 20.0)

    assert transport.shown(20.1).mode is Mode.PLAYING
    transport.position(40.0)
    assert transport.shown(40.0).mode is Mode.FOLLOWING


def test_steps_go_from_one_thing_that_happened_to_the_next() -> None:
    transport = replay()
    times = sorted({mark.t_s for mark in recorded().marks()})

    transport.position(0.0)
    transport.step(1, 0.0)
    assert transport.position(5.0) == times[0]
    transport.step(1, 5.0)
    assert transport.position(5.0) == times[1]
    transport.step(-1, 5.0)
    assert transport.position(5.0) == times[0]
    transport.step(-1, 5.0)
    assert transport.position(5.0) == recorded().first_s
    transport.step(999, 5.0)
    assert transport.position(5.0) == times[-1]
    assert transport.mode is Mode.PAUSED


def test_scrubbing_stays_within_what_is_known() -> None:
    transport = replay()
    transport.position(0.0)
    transport.scrub(-5.0, 1.0)
    assert transport.position(1.0) == recorded().first_s
    transport.scrub(1e9, 1.0)
    assert transport.position(1.0) == recorded().last_s


def test_quiet_stretches_are_skipped_to_just_before_the_next_thing() -> None:
    frames = story()
    timeline = Timeline()
    timeline.show(0.0, frames[0])
    timeline.show(600.0, frames[3])
    first_thing_s = timeline.marks()[0].t_s
    transport = Transport(timeline, live=False)

    assert transport.skip_quiet
    assert transport.position(0.0) == pytest.approx(first_thing_s - LEAD_S)
    assert transport.position(0.5) == pytest.approx(first_thing_s - LEAD_S + 0.5)


def test_nothing_is_skipped_while_things_happen() -> None:
    transport = Transport(recorded(), live=False)
    start_s = transport.position(0.0)

    positions = [transport.position(tenth / 10) for tenth in range(1, 60)]

    assert positions == pytest.approx(
        [min(start_s + tenth / 10, recorded().last_s) for tenth in range(1, 60)]
    )


def test_a_live_window_that_is_slowed_down_plays_and_comes_back_by_itself() -> None:
    transport = Transport(recorded(), live=True)
    transport.pace(0.5, 100.0)
    assert transport.position(102.0) == pytest.approx(100.0 - BEHIND_S + 1.0)
    assert transport.shown(102.0).mode is Mode.PLAYING

    transport.pace(2.0, 102.0)
    assert transport.position(110.0) == 110.0 - BEHIND_S
    assert transport.shown(110.0).mode is Mode.FOLLOWING
    assert transport.speed == 1.0
