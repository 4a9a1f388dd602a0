"""What becomes of a slow client, and what one that comes back is given."""

import pytest

from engine.stream.pace import Pace, TokenBucket, Verdict, class_for
from engine.stream.publication import NOWHERE, RING, Cursor, EventRing, Publication
from engine.stream.state import ScreenState
from engine.stream.wire import BINARY, JSON, Delta, Event, Lane, Resume, decode_from_server
from tests.story import story
from tests.unit.stream.frames import messages_in

NOTE = Event(Lane.TIMELINE, "shop/checkout#1", timeline=story()[-1].timeline[0])
LANES = (Lane.TIMELINE,)


@pytest.mark.parametrize(("asked", "given"), [(60, 60), (59, 20), (20, 20), (7, 5), (1, 1), (0, 1)])
def test_a_client_gets_the_fastest_class_that_it_can_take(asked: int, given: int) -> None:
    assert class_for(asked) == given


def test_a_stalled_client_is_demoted_then_evicted() -> None:
    pace = Pace(20, 0.0)
    verdicts = {at: pace.stalled(at) for at in (1.0, 2.0, 3.1, 5.2, 7.3, 11.2)}

    assert verdicts[2.0] is Verdict.KEEP
    assert verdicts[3.1] is Verdict.DEMOTED
    assert verdicts[5.2] is Verdict.DEMOTED
    assert verdicts[11.2] is Verdict.EVICT
    assert pace.hz == 1


def test_too_many_demotions_in_a_minute_end_a_client() -> None:
    pace = Pace(60, 0.0)
    verdicts = []
    for began in (0.0, 4.0, 8.0, 12.0):
        pace.acked = began
        pace.stalled(began)
        verdicts.append(pace.stalled(began + 2.5))
        pace.drained(began + 2.6)

    assert verdicts[-1] is Verdict.EVICT


def test_a_client_that_keeps_up_again_gets_its_rate_back() -> None:
    pace = Pace(20, 0.0)
    pace.stalled(0.0)
    assert pace.stalled(2.5) is Verdict.DEMOTED
    pace.acked = 40.0

    assert pace.drained(30.0) is Verdict.KEEP
    assert pace.drained(33.0) is Verdict.PROMOTED
    assert pace.hz == 20


def test_a_client_that_never_says_what_it_shows_is_slow_but_stays() -> None:
    pace = Pace(20, 0.0)
    verdicts = [pace.drained(at / 2) for at in range(200)]

    assert verdicts.count(Verdict.DEMOTED) == 2
    assert Verdict.EVICT not in verdicts
    assert pace.hz == 1


def test_nothing_is_held_against_a_client_that_nobody_could_hear() -> None:
    silent, stalled = Pace(20, 0.0), Pace(20, 0.0)
    stalled.stalled(0.0)
    for pace in (silent, stalled):
        pace.begin_anew(60.0)

    assert silent.drained(62.0) is Verdict.KEEP
    assert silent.drained(63.5) is Verdict.DEMOTED
    assert stalled.stalled(61.0) is Verdict.KEEP
    assert stalled.stalled(62.5) is Verdict.DEMOTED


def test_a_bucket_lets_a_burst_through_and_then_a_rate() -> None:
    bucket = TokenBucket(2, 3, 0.0)

    assert [bucket.take(0.0) for _ in range(4)] == [True, True, True, False]
    assert bucket.take(0.6)
    assert not bucket.take(0.7)


# --- states --------------------------------------------------------------------------------------


def _publication() -> Publication:
    publication = Publication(7)
    for number, frame in enumerate(story()):
        publication.offer(frame)
        assert publication.commit(number, number)
    return publication


@pytest.mark.parametrize("form", [BINARY, JSON])
@pytest.mark.parametrize("seq", range(1, 15))
def test_who_comes_back_in_time_gets_one_merged_delta(form: str, seq: int) -> None:
    publication = _publication()
    cursor = publication.cursor(Resume(7, seq))

    frames, after = publication.bundle(form, (), cursor)
    (message,) = messages_in(frames, story()[seq - 1], 7, seq)

    assert message == publication.current
    assert after == Cursor(publication.current.seq, 0)


def test_what_two_clients_need_alike_is_made_once() -> None:
    publication = _publication()
    first, second = (publication.cursor(Resume(7, 3)) for _ in range(2))

    assert publication.bundle(BINARY, (), first) is publication.bundle(BINARY, (), second)
    assert publication.encoded == 1


@pytest.mark.parametrize("resume", [None, Resume(6, 3), Resume(7, 99), Resume(7, 0), Resume(7, -5)])
def test_who_has_nothing_of_this_epoch_gets_a_snapshot(resume: Resume | None) -> None:
    assert _publication().cursor(resume).seq == NOWHERE


def test_a_state_that_has_left_the_ring_is_a_snapshot() -> None:
    publication = Publication(7)
    for number in range(1, RING + 10):
        publication.offer(ScreenState(at_ms=number))
        assert publication.commit(number, number)
    frame, _ = publication.bundle(JSON, (), publication.cursor(Resume(7, 3)))

    assert not isinstance(decode_from_server(frame[frame.index(b"{") :]), Delta)


def test_a_state_that_differs_only_in_time_waits_for_the_heartbeat() -> None:
    publication = Publication(7)
    publication.offer(ScreenState(at_ms=1))
    assert publication.commit(0.0, 0)
    publication.offer(ScreenState(at_ms=2))

    assert not publication.commit(0.5, 0)
    assert publication.commit(1.0, 0)


# --- events --------------------------------------------------------------------------------------


def test_the_ring_counts_what_has_left_it() -> None:
    ring = EventRing(size=3)
    ring.extend([NOTE] * 5)

    assert (ring.first, ring.last) == (3, 5)
    assert ring.after(3, 10) == [NOTE, NOTE]


@pytest.mark.parametrize("form", [BINARY, JSON])
def test_every_event_arrives_once_and_in_order_however_many_there_are(form: str) -> None:
    publication = _publication()
    cursor = publication.cursor(None)
    batch = Event(Lane.LEDGER, ledger=story()[-1].ledger[0])
    publication.happened([NOTE, batch] * 700)

    told: list[Event] = []
    while not publication.is_current(cursor, LANES):
        frames, cursor = publication.bundle(form, LANES, cursor)
        for message in messages_in(frames):
            told += getattr(message, "events", ())

    assert told == [NOTE] * 700
    assert cursor.eseq == 1400


def test_what_left_the_ring_before_a_client_came_back_is_told() -> None:
    publication = _publication()
    publication.events = EventRing(size=10)
    publication.happened([NOTE] * 25)
    cursor = publication.cursor(Resume(7, 0, 4))

    said, after = publication.bundle(JSON, LANES, cursor)

    assert b'"op":"events_lost","first":5,"last":15' in said
    assert after.eseq == 25
