"""What is drawn off screen: baselines for Mesa's software renderer, and what holds on any card.

The pictures are small and without smooth edges; ``REBASE=1`` in the environment draws them anew.
A baseline is compared closely on the renderer that made it, and loosely on any other.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import imageio.v3 as iio
import numpy as np
import pytest
from msgspec.structs import replace

from controlroom.window.scene.eye import Eye, overview
from controlroom.window.scene.model import Frame, Scene
from controlroom.window.scene.offscreen import Picture, Studio
from controlroom.window.scene.palette import BAD, GOLD, OK, TWIN
from engine.stream.state import Health, ScreenState
from tests.story import calm, failing
from tests.window.rounds import FIVE, Writer
from tests.window.scene.test_recorded import Played

BASELINES = Path(__file__).parent / "baselines"
MADE_BY = (BASELINES / "renderer.txt").read_text().strip()
WIDTH, HEIGHT = 400, 240
EYE = overview(WIDTH, HEIGHT)
CLOSE, LOOSE = 2.0, 9.0
"""Mean difference of a channel, 0 to 255, that a picture may have from its baseline."""


class Stand:
    """A recording and a studio that draws it."""

    def __init__(self, name: str) -> None:
        self.played = Played(name)
        self.studio = Studio(self.played.scene.buffers, WIDTH, HEIGHT, samples=0)

    def at(self, t_s: float) -> tuple[Picture, Frame]:
        """The picture so many seconds after the beginning."""
        t_s += self.played.timeline.first_s
        known = [it for it in self.played.timeline.states_around(t_s) if it.t_s <= t_s]
        frame = self.played.scene.frame(t_s, known[-1] if known else None, EYE)
        return self.studio.picture(EYE), frame


@pytest.fixture(scope="module")
def liar() -> Iterator[Stand]:
    stand = Stand("equivocating-primary")
    yield stand
    stand.studio.close()


@pytest.fixture(scope="module")
def plain() -> Iterator[Stand]:
    stand = Stand("kill-payments")
    yield stand
    stand.studio.close()


def near(picture: Picture, colour: tuple[int, int, int], within: int = 60) -> int:
    """How many pixels have about this colour."""
    apart = np.abs(picture.astype(int) - np.array(colour)).sum(axis=-1)
    return int((apart < within).sum())


def around(picture: Picture, eye: Eye, place: np.ndarray, pixels: int = 26) -> Picture:
    """What is to be seen about a place of the scene."""
    (x, y), _ = (it[0] for it in eye.project(place[None]))
    top, left = max(0, int(y) - pixels), max(0, int(x) - pixels)
    return picture[top : int(y) + pixels, left : int(x) + pixels]


def moments(stand: Stand) -> dict[str, float]:
    """When what is to be seen in a recording, in seconds from its beginning."""
    first = stand.played.timeline.first_s
    it = stand.played.at(stand.played.timeline.last_s - first).episode
    assert it is not None
    rows = stand.played.scene.messages.rows
    found = {
        "quiet": it.opened_s - 5.0 - first,
        "incident": it.opened_s + 0.7 - first,
        "certificate": it.sealed_s + 0.3 - first,
        "action": it.acted_s + 0.35 - first,
        "recovery": it.closed_s + 0.8 - first,
    }
    if rows.twin.any():
        found["equivocation"] = float(rows.leave_s[rows.twin > 0].min()) + 0.3 - first
    return found


@pytest.mark.parametrize("name", ["quiet", "incident", "certificate", "action", "recovery"])
def test_a_moment_looks_like_its_baseline(plain: Stand, name: str) -> None:
    picture, _ = plain.at(moments(plain)[name])

    compare(picture, name, plain.studio.renderer_name)


@pytest.mark.parametrize("name", ["equivocation"])
def test_a_lie_looks_like_its_baseline(liar: Stand, name: str) -> None:
    picture, _ = liar.at(moments(liar)[name])

    compare(picture, name, liar.studio.renderer_name)


def compare(picture: Picture, name: str, renderer: str) -> None:
    path = BASELINES / f"{name}.png"
    if os.environ.get("REBASE"):
        iio.imwrite(path, picture, optimize=True)
        (BASELINES / "renderer.txt").write_text(renderer + "\n")
    wanted = iio.imread(path)
    assert wanted.shape == picture.shape
    apart = float(np.abs(wanted.astype(int) - picture.astype(int)).mean())
    limit = CLOSE if renderer == MADE_BY else LOOSE
    assert apart <= limit, f"{name} on {renderer} is {apart:.2f} apart from {MADE_BY}"


# --- what must be seen, whoever draws it ----------------------------------------------------------


def test_two_tales_are_seen_in_two_colours_only_while_they_fly(liar: Stand) -> None:
    t_s = moments(liar)["equivocation"]

    before, _ = liar.at(t_s - 3.0)
    during, _ = liar.at(t_s)

    assert near(during, TWIN, 120) > near(before, TWIN, 120) + 20
    assert near(during, BAD, 120) > near(before, BAD, 120) + 20


def test_the_convicted_agent_stands_red_where_the_model_says(liar: Stand) -> None:
    picture, frame = liar.at(20.0)
    row = frame.seats.row_of["detection-1"]

    assert near(around(picture, EYE, frame.agents[row]), BAD, 150) > 60


def test_the_failing_service_is_red_and_the_recovered_one_is_not(plain: Stand) -> None:
    found = moments(plain)
    broken, frame = plain.at(found["incident"])
    place = frame.ground.places[frame.ground.row_of["payments"]]
    mended, _ = plain.at(found["recovery"])

    assert near(around(broken, EYE, place), BAD, 150) > 40
    assert near(around(mended, EYE, place), BAD, 150) < 10


def test_the_certificate_is_gold_on_its_way_to_the_actuator(plain: Stand) -> None:
    found = moments(plain)

    without, _ = plain.at(found["quiet"])
    with_it, _ = plain.at(found["certificate"])

    assert near(with_it, GOLD, 110) > near(without, GOLD, 110) + 25


def test_gauges_turn_green_when_a_quorum_has_voted(plain: Stand) -> None:
    rows = plain.played.scene.messages.rows
    first = plain.played.timeline.first_s
    last_s = float(rows.arrive_s[rows.sequence_number == 1].max()) - first

    young, _ = plain.at(float(rows.leave_s[rows.sequence_number == 1].min()) - first + 0.2)
    full, frame = plain.at(last_s + 0.05)

    assert frame.tally is not None
    assert frame.tally.commits.min() >= 4
    assert near(full, OK, 90) > near(young, OK, 90) + 200


def _drawn(state: ScreenState, focus: frozenset[str] = frozenset()) -> Picture:
    scene = Scene()
    scene.show(0.0, state)
    scene.focus = focus
    writer = Writer()
    writer.round(1.0, 1, FIVE[0])
    scene.hear(writer.records)
    from controlroom.window.timeline import Moment

    scene.frame(1.6, Moment(0.0, state), EYE)
    studio = Studio(scene.buffers, WIDTH, HEIGHT, samples=0)
    picture = studio.picture(EYE)
    studio.close()
    return picture


def test_what_is_not_in_focus_is_held_back() -> None:
    state = failing(calm())

    whole, focused = _drawn(state), _drawn(state, frozenset({"agent:detection-1"}))

    assert focused.astype(int).sum() < 0.93 * whole.astype(int).sum()


def test_health_is_told_by_more_than_colour() -> None:
    ill = calm()
    services = {
        name: replace(row, health=Health.BROKEN) if name == "cart" else row
        for name, row in ill.services.items()
    }

    well, broken = _drawn(calm()), _drawn(replace(ill, services=services))

    # In grey alone the cross and the dashes still make a difference.
    apart = np.abs(well.mean(axis=-1) - broken.mean(axis=-1))
    assert int((apart > 20).sum()) > 40
