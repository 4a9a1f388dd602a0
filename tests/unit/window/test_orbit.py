"""The camera: what a hand does, and how it flies, in numbers."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from controlroom.window.orbit import (
    FARTHEST,
    FLIGHT_S,
    HIGHEST,
    LOWEST,
    MAX_REACH,
    NEAREST,
    Orbit,
    pose_of,
)
from controlroom.window.scene.eye import look

pixels = st.floats(-4_000, 4_000)


def test_a_pose_and_the_eye_that_sees_it_are_the_same() -> None:
    eye = look((3.0, -4.0, 5.0), (0.5, 0.25, 1.0), 800, 600)

    assert pose_of(eye).place == pytest.approx((3.0, -4.0, 5.0))


@given(st.lists(st.tuples(st.sampled_from(["turn", "pan", "zoom"]), pixels, pixels), max_size=20))
def test_no_hand_can_lose_the_scene(deeds: list[tuple[str, float, float]]) -> None:
    orbit = Orbit()
    for deed, x, y in deeds:
        match deed:
            case "turn":
                orbit.turn(x, y, 0.0)
            case "pan":
                orbit.pan(x, y, 600, 0.0)
            case _:
                orbit.zoom(x / 100, 0.0)
    pose = orbit.pose(0.0)

    assert LOWEST <= pose.elevation <= HIGHEST
    assert NEAREST <= pose.distance <= FARTHEST
    assert max(map(abs, pose.goal)) <= MAX_REACH
    assert np.isfinite(orbit.eye(800, 600, 0.0).view_projection).all()


def test_it_flies_there_in_its_time_and_stays() -> None:
    orbit = Orbit()
    start = orbit.pose(0.0)
    orbit.go_to("agent:x", (4.0, 0.0, 2.0), 10.0)

    assert orbit.pose(10.0) == start
    halfway = orbit.pose(10.0 + FLIGHT_S / 2)
    assert start.distance > halfway.distance > orbit.pose(99.0).distance
    assert orbit.pose(10.0 + FLIGHT_S).goal == (4.0, 0.0, 2.0)
    assert orbit.view.follows == "agent:x"


def test_what_is_followed_stays_in_the_middle() -> None:
    orbit = Orbit()
    orbit.go_to("agent:x", (4.0, 0.0, 2.0), 0.0)
    orbit.keep_up((5.0, 1.0, 2.0), 5.0)

    assert orbit.pose(5.0).goal == (5.0, 1.0, 2.0)

    orbit.turn(10, 0, 5.0)
    assert orbit.view.follows == ""


def test_it_turns_the_shorter_way() -> None:
    orbit = Orbit()
    orbit.turn(-1_200, 0.0, 0.0)
    before = orbit.pose(0.0).azimuth
    orbit.home(1280, 720, 0.0)

    turned = abs(orbit.pose(FLIGHT_S * 0.999).azimuth - before)
    assert turned <= math.pi + 0.01


def test_reduced_motion_cuts_instead_of_flying() -> None:
    orbit = Orbit(still=True)
    orbit.go_to("agent:x", (4.0, 0.0, 2.0), 10.0)

    assert orbit.pose(10.0).goal == (4.0, 0.0, 2.0)


def test_an_overview_stays_one_when_the_window_changes() -> None:
    orbit = Orbit()
    wide = orbit.pose(0.0).distance
    orbit.fit(600, 900, 0.0, 5.2)

    assert orbit.pose(0.0).distance > wide

    orbit.zoom(3, 0.0)
    held = orbit.pose(0.0)
    orbit.fit(1280, 720, 0.0, 5.2)
    assert orbit.pose(0.0) == held


@pytest.mark.parametrize("covered", [0.1, 0.2, 0.3])
def test_an_overview_keeps_clear_of_what_lies_over_the_lowest_part_of_the_picture(
    covered: float,
) -> None:
    width, height = 1280, 720
    orbit, plain = Orbit(), Orbit()
    orbit.covered = covered
    foot = np.array([[0.6, -5.1, -2.7]])
    for it in (orbit, plain):
        it.fit(width, height, 0.0, 5.2)
    free, _ = orbit.eye(width, height, 0.0).project(foot)
    whole, _ = plain.eye(width, height, 0.0).project(foot)

    assert whole[0, 1] > 0.75 * height
    assert free[0, 1] <= (1.0 - covered) * whole[0, 1] + 0.02 * height
