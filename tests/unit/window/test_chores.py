"""Labels and panels are looked after often enough, and hardly ever in one frame."""

from collections import Counter
from itertools import pairwise

from controlroom.window.chores import LABELS_S, LONGEST_S, PANELS_S, Chore, Chores

FRAME_S = 1 / 60


def longest_gap(times: list[float]) -> float:
    return max(b - a for a, b in pairwise(times))


def test_with_a_still_camera_both_are_done_in_frames_of_their_own() -> None:
    chores = Chores()
    done = [(n * FRAME_S, chores.due(n * FRAME_S, "here")) for n in range(600)]

    assert Counter(chore for _, chore in done[1:])[Chore.BOTH] == 0
    assert longest_gap([t for t, it in done if it.places_labels]) <= LABELS_S + 2 * FRAME_S
    assert longest_gap([t for t, it in done if it.refreshes_panels]) <= PANELS_S + 2 * FRAME_S


def test_with_a_moving_camera_labels_move_in_every_frame_and_panels_still_speak() -> None:
    chores = Chores()
    done = [(n * FRAME_S, chores.due(n * FRAME_S, n)) for n in range(600)]

    assert all(chore.places_labels for _, chore in done)
    assert longest_gap([t for t, it in done if it.refreshes_panels]) <= LONGEST_S + 2 * FRAME_S
