"""Runs that this project recorded, drawn whole: what really happened is what is seen."""

from pathlib import Path

import numpy as np
import pytest
from msgspec.structs import replace

from controlroom.window.scene.bands import Bands
from controlroom.window.scene.buffers import Points
from controlroom.window.scene.episode import Episode, episode
from controlroom.window.scene.eye import overview
from controlroom.window.scene.incident import Brush, draw
from controlroom.window.scene.labels import labels, placed
from controlroom.window.scene.messages import Fate
from controlroom.window.scene.model import Frame, Scene
from controlroom.window.scene.palette import GOLD
from controlroom.window.timeline import Timeline
from engine.playback import read_recording
from engine.stream.state import Health

INCIDENTS = Path(__file__).parents[3] / "assets" / "incidents"
EYE = overview(1280, 720)


class Played:
    """A recording with its scene."""

    def __init__(self, name: str, *, still: bool = False) -> None:
        self.recording = read_recording(INCIDENTS / name / "ledger.sqlite")
        self.timeline, self.scene = Timeline(), Scene(still=still)
        moments = [(frame.at_ns / 1e9, frame.state) for frame in self.recording.frames]
        for t_s, state in moments:
            self.timeline.show(t_s, state)
            self.scene.show(t_s, state)
        self.scene.hear(self.timeline.hear(self.recording.messages))

    def at(self, t_s: float) -> Frame:
        """The frame ``t_s`` seconds after the recording's first state."""
        t_s += self.timeline.first_s
        known = [moment for moment in self.timeline.states_around(t_s) if moment.t_s <= t_s]
        return self.scene.frame(t_s, known[-1] if known else None, EYE)


@pytest.fixture(scope="module")
def liar() -> Played:
    """The primary tells two tales while payments is dead."""
    return Played("equivocating-primary")


def test_every_record_of_a_real_drill_is_drawn_once_or_counted(liar: Played) -> None:
    messages = liar.scene.messages
    seen: dict[int, list[int]] = {}

    for step in range(int((liar.timeline.last_s - liar.timeline.first_s + 16) * 30)):
        rows = messages.under_way(liar.timeline.first_s - 1.0 + step / 30)
        for number in rows.number[rows.records > 0].tolist():
            seen.setdefault(number, []).append(step)

    drawn_alone = len(seen)
    assert drawn_alone + messages.folded + messages.strangers == len(liar.recording.messages)
    assert all(steps[-1] - steps[0] + 1 == len(steps) for steps in seen.values())


def test_only_the_liar_is_shown_as_one(liar: Played) -> None:
    seats = liar.at(9.0).seats

    liars = {seats.ids[sender] for sender, *_ in liar.scene.messages.contradictions}

    assert liars == {"detection-1"}


def test_the_two_tales_are_seen_with_both_digests(liar: Played) -> None:
    rows = liar.scene.messages.rows
    first = float(rows.leave_s[rows.twin > 0].min()) - liar.timeline.first_s

    frame = liar.at(first + 0.3)

    assert {1, 2} <= set(frame.messages.twin.tolist())
    badge = next(label for label in labels(frame, EYE) if label.title.startswith("≠"))
    assert badge.id == "agent:detection-1"
    assert badge.sub.count("≠") == 1


def test_the_convicted_agent_leaves_the_ring_and_the_view_turns_it(liar: Played) -> None:
    before, after = liar.at(6.0), liar.at(20.0)
    row = before.seats.row_of["detection-1"]

    assert before.outside[row] == 0.0
    assert after.outside[row] == 1.0
    reach = np.hypot(after.agents[:, 0], after.agents[:, 1])
    assert np.argmax(reach) == row
    heads = [
        max(zip(f.agents[:, 1].tolist(), f.seats.ids, strict=True))[1] for f in (before, after)
    ]
    assert heads[0] == "detection-1"
    assert heads[1] == after.state.swarm.primary if after.state.swarm else False


def test_what_the_convicted_one_says_is_refused_and_says_why(liar: Played) -> None:
    refused = liar.scene.messages.rows
    refused = refused.where(refused.fate == Fate.REFUSED)

    reasons = {liar.scene.messages.reasons[number] for number in refused.number.tolist()}

    assert "its sender is convicted" in reasons


def test_certificate_and_action_come_in_order_and_never_before_they_happened(liar: Played) -> None:
    frame = liar.at(20.0)
    it = frame.episode
    assert it is not None

    told = {entry.kind: entry.at_ms for entry in frame.state.timeline}
    shift = liar.timeline.state_at(frame.t_s).at_ms / 1000 - max(
        moment.t_s for moment in liar.timeline.states_around(frame.t_s) if moment.t_s <= frame.t_s
    )
    assert len(it.signatures) >= it.quorum == 4
    assert all(word.at_s < it.sealed_s for word in it.signatures[: it.quorum])
    assert it.sealed_s >= told["certificate"] / 1000 - shift
    assert it.acted_s >= told["acted"] / 1000 - shift
    assert it.opened_s < it.sealed_s < it.carried_s <= it.acted_s < it.struck_s
    assert (it.service, it.target) == ("payments", "payments")


def test_the_same_moment_is_the_same_picture_whatever_was_drawn_before(liar: Played) -> None:
    buffers = liar.scene.buffers
    liar.at(14.2)
    once = [buffer.places[:].copy() for buffer in (buffers.splats, buffers.heads, buffers.ribbons)]
    counts = [buffers.splats.count, buffers.heads.count, buffers.ribbons.count]

    liar.at(3.0)
    liar.at(21.0)
    liar.at(14.2)

    assert counts == [buffers.splats.count, buffers.heads.count, buffers.ribbons.count]
    assert np.array_equal(once[0][: counts[0]], buffers.splats.places[: counts[0]])
    assert np.array_equal(once[1][: counts[1]], buffers.heads.places[: counts[1]])


def test_only_what_a_liar_kept_from_the_others_is_missing(liar: Played) -> None:
    lacks = liar.scene.messages.lacks.values()

    assert {lack.saying.sender for lack in lacks} <= {"detection-1"}
    assert len(lacks) == 3
    assert Played("kill-payments").scene.messages.lacks == {}


def test_an_action_that_was_not_done_is_neither_gold_nor_told_as_done(liar: Played) -> None:
    moment = liar.timeline.states_around(liar.timeline.first_s + 20.0)[0]
    done = episode(moment.t_s, moment.state)
    entries = tuple(
        replace(entry, outcome="not-done") if entry.kind == "acted" else entry
        for entry in moment.state.timeline
    )
    failed = episode(moment.t_s, replace(moment.state, timeline=entries))
    assert done is not None
    assert failed is not None
    assert (done.outcome, failed.outcome) == ("done", "not-done")

    gold = [_golden(liar, it) for it in (done, failed)]

    assert gold[0] > 0
    assert gold[1] == 0


def test_no_label_of_another_thing_lies_over_a_service_that_fails(liar: Played) -> None:
    frame = liar.at(12.0)
    found = placed(labels(frame, EYE), EYE, lambda label: (7.0 * len(label.title), 30.0))
    row = frame.ground.row_of["payments"]
    at, _ = EYE.project(frame.ground.places[row][None])
    x, y = at[0].tolist()
    assert frame.state.services["payments"].health is Health.BROKEN

    over = [
        it.label.id
        for it in found
        if abs(it.x - x) < 3.5 * len(it.label.title) and it.y < y < it.y + 30.0
    ]

    assert over == []


def _golden(played: Played, it: Episode) -> int:
    """Golden bodies and lights on and over the service while the action strikes."""
    bands, splats, heads = Bands(), Points(4_096), Points(512)
    place = np.array((2.0, 0.0, -2.0))
    brush = Brush(bands, splats, heads, still=False)
    draw(it, it.struck_s + 0.4, lambda _: place, lambda _: None, brush)
    near = np.linalg.norm(splats.places[: splats.count, :2] - place[:2], axis=1) < 1.5
    return int((splats.colours[: splats.count][near][:, :3] == GOLD).all(axis=1).sum())


def test_nothing_moves_with_reduced_motion_but_everything_is_there() -> None:
    still = Played("kill-payments", still=True)
    rows = still.scene.messages.rows
    t_s = float(rows.leave_s[len(rows.leave_s) // 2]) - still.timeline.first_s + 0.1

    one, other = still.at(t_s), still.at(t_s + 0.05)

    both = np.intersect1d(one.messages.number, other.messages.number)
    assert len(both)
    places = [f.heads[np.isin(f.messages.number, both)] for f in (one, other)]
    assert np.allclose(places[0], places[1])


@pytest.mark.parametrize("name", ["equivocating-primary", "kill-payments"])
def test_labels_do_not_cover_each_other_at_any_time(name: str) -> None:
    played = Played(name)

    for step in range(0, 24, 3):
        frame = played.at(float(step))
        found = placed(labels(frame, EYE), EYE, lambda label: (7.0 * len(label.title), 30.0))
        boxes = [(p.x - 3.5 * len(p.label.title), p.y, 7.0 * len(p.label.title)) for p in found]
        assert len(found) >= 10
        for i, (x, y, wide) in enumerate(boxes):
            for other_x, other_y, other_wide in boxes[i + 1 :]:
                apart = abs(y - other_y) >= 30 or x + wide <= other_x or other_x + other_wide <= x
                assert apart
