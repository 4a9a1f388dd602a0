"""The presentation: which sentences an incident tells, and that there is time to read them."""

import itertools

from controlroom.window.captions import DWELL_S, HELD, LONGEST_S, Cue, Presenter, Said, cues, pace
from controlroom.window.timeline import Mark, Timeline
from engine.stream.state import ScreenState, TimelineEntry
from tests.story import START_MS, calm, story


def told() -> tuple[Timeline, list[Cue]]:
    timeline = Timeline()
    for state in story():
        timeline.show((state.at_ms - START_MS) / 1000, state)
    return timeline, cues(timeline.marks())


def test_an_incident_is_told_from_its_detection_to_its_end() -> None:
    _, found = told()

    assert [cue.caption.eyebrow for cue in found] == [
        "DETECTED", "DIAGNOSED", "PROPOSED", "ASSESSED", "DECIDED", "CERTIFIED", "ACTED",
        "VERIFYING", "CLOSED",
    ]  # fmt: skip


def test_what_was_read_long_enough_makes_room_for_what_has_happened() -> None:
    timeline, found = told()
    presenter = Presenter()
    now_s, t_s = 0.0, timeline.first_s
    read: list[tuple[str, float]] = []
    while now_s < 90.0:
        state = timeline.state_at(t_s)
        said = presenter.step(now_s, t_s, found, state)
        if not read or read[-1][0] != said.caption.eyebrow:
            read.append((said.caption.eyebrow, now_s))
        t_s = min(timeline.last_s, t_s + 0.125 * pace(said, state))
        now_s += 0.125

    order = [eyebrow for eyebrow, _ in read if eyebrow not in ("NOW", "INCIDENT", "")]
    assert order == [cue.caption.eyebrow for cue in found]
    for (eyebrow, begun_s), (_, ended_s) in itertools.pairwise(read):
        assert ended_s - begun_s >= DWELL_S or eyebrow not in order


def test_no_sentence_is_said_before_it_has_happened() -> None:
    timeline, found = told()
    presenter = Presenter()
    presenter.step(0.0, timeline.first_s, found, calm())

    said = presenter.step(50.0, found[0].at_s - 0.01, found, calm())

    assert said.caption.title == "All is well"


def test_whoever_scrubs_is_told_where_he_is() -> None:
    timeline, found = told()
    presenter = Presenter()
    presenter.step(0.0, timeline.last_s, found, story()[-1])

    back = presenter.step(0.1, found[2].at_s, found, story()[5])

    assert back.caption == found[2].caption
    assert back.waiting == 0


def test_a_sentence_that_nothing_follows_leaves() -> None:
    timeline, found = told()
    presenter = Presenter()
    presenter.step(0.0, timeline.last_s, found, story()[-1])

    later = presenter.step(LONGEST_S + 1.0, timeline.last_s, found, story()[-1])

    assert later.caption.title == "All is well"


def test_a_recording_is_slowed_down_while_sentences_wait() -> None:
    _, found = told()
    presenter = Presenter()
    presenter.step(0.0, found[0].at_s, found, calm())
    said = presenter.step(0.1, found[4].at_s, found, story()[8])

    assert said.waiting == 4
    assert pace(said, story()[8]) == HELD


def test_what_is_said_is_what_is_on_screen() -> None:
    timeline, found = told()
    presenter = Presenter()
    now_s, t_s = 0.0, timeline.first_s
    late: list[float] = []
    while t_s < timeline.last_s:
        state = timeline.state_at(t_s)
        said = presenter.step(now_s, t_s, found, state)
        late += [t_s - cue.at_s for cue in found if cue.at_s <= t_s][-1:] * bool(said.waiting)
        t_s = min(timeline.last_s, t_s + 0.125 * pace(said, state))
        now_s += 0.125

    # What waits to be said has just happened: the picture hardly goes on without its words.
    assert max(late, default=0.0) < 0.25


def test_a_live_presentation_comes_back_to_the_present() -> None:
    _, found = told()
    reading = Said(found[0].caption, 0, 2.0)

    assert pace(Said(found[0].caption, 3, 2.0), story()[8], live=True) == HELD
    assert pace(reading, story()[8], live=True) == 1.0
    assert pace(Said(found[-1].caption, 0), calm(), live=True) > 1.0


def test_an_action_that_was_not_done_is_not_told_as_done() -> None:
    def told_of(outcome: str) -> str:
        entry = TimelineEntry(0, 1, "acted", "actuator", "step 1", outcome)
        return cues([Mark(1.0, entry, "shop/checkout#1")])[0].caption.title

    assert "carries it out" in told_of("done")
    assert "could not" in told_of("not-done")
    assert "Nobody knows" in told_of("unknown")


def test_a_conviction_is_told_and_strange_kinds_are_not() -> None:
    def mark(kind: str, text: str) -> Mark:
        return Mark(1.0, TimelineEntry(0, 1, kind, "council", text), "shop/checkout#1")

    (cue,) = cues([mark("noted", "hello"), mark("convicted", "detection-1: two PREPAREs")])

    assert cue.caption.title == "detection-1 lied, and it is proven"


def test_before_anything_is_known_it_waits() -> None:
    said = Presenter().step(0.0, 0.0, [], ScreenState())

    assert said.caption.title == "Waiting for an engine"
