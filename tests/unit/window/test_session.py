"""Everything behind the window without a window: panels, details, choosing, following."""

import pytest

from controlroom.window.cards import Card, council_card, incident_card, legend_card, words_of
from controlroom.window.inspecting import details
from controlroom.window.scene.model import Frame
from controlroom.window.scene.picking import Picked
from controlroom.window.session import LATE_S, Session
from controlroom.window.transport import BEHIND_S
from engine.stream import recording as recorded
from engine.stream.connection import Connected, Happened, Received, Waiting
from engine.stream.recording import Recording
from engine.stream.state import ScreenState
from engine.stream.wire import Event, Lane, Snapshot
from tests import story
from tests.window.rounds import FIVE, Writer

START_S = 500.0
ROUND_S = START_S + 1.0


def recording(*, lying: bool = False) -> Recording:
    writer = Writer()
    if lying:
        writer.lie(ROUND_S, 113, FIVE[3])
    else:
        writer.round(ROUND_S, 113, FIVE[3], view=3)
    frames = story.story()
    return Recording(
        "ledger.sqlite",
        tuple(
            recorded.Frame(int((START_S + (it.at_ms - story.START_MS) / 1000) * 1e9), it)
            for it in frames
        ),
        tuple(sent.event for sent in writer.records),
    )


def shown(session: Session, seconds: float) -> Frame:
    """The frame of a recording at so many seconds."""
    session.transport.position(0.0)
    session.transport.pause(0.0)
    session.transport.scrub(START_S + seconds, 0.0)
    frame, _ = session.frame(1.0, 1280, 720)
    return frame


def words(card: Card | None) -> str:
    assert card is not None
    return words_of(card)


def test_a_recording_shows_the_state_of_its_time() -> None:
    session = Session(recording())

    assert shown(session, 0.5).state.incident is None
    assert shown(session, 4.5).state.incident is not None
    assert shown(session, 999.0).state.incident is not None
    assert session.store.live == ScreenState()


def test_messages_of_a_recording_are_in_the_frame() -> None:
    session = Session(recording())

    frame = shown(session, 1.3)

    assert len(frame.heads) > 0
    assert frame.tally is not None
    assert frame.tally.sequence_number == 113


def test_a_live_window_shows_what_came_a_little_later() -> None:
    session = Session()
    session.take([Received(Snapshot(1, 1, story.calm()), int(100e9))], [Connected("ws://")], 100.0)
    writer = Writer()
    writer.round(40.0, 112, FIVE[0])
    events = tuple(Event(Lane.TRACE, trace=it.event) for it in writer.records)
    session.take([], [Happened(events, 7)], 100.2)

    frame, _ = session.frame(100.2 + BEHIND_S, 800, 600)

    assert frame.state == story.calm()
    assert session.timeline.messages_lost == 7
    assert session.timeline.counted == len(writer.records)
    later, _ = session.frame(100.2 + BEHIND_S + LATE_S + 0.1, 800, 600)
    assert len(later.heads) > 0


def test_another_engine_does_not_confuse_the_clock() -> None:
    session = Session()
    for epoch in (1, 2):
        received = Received(Snapshot(epoch, 1, story.calm()), int(epoch * 100e9))
        session.take([received], [Waiting("gone", 0, 1), Connected("ws://")], epoch * 100.0)

    assert session.store.epoch == 2
    assert session.timeline.last_s == 200.0


def test_choosing_dims_what_has_nothing_to_do_with_it() -> None:
    session = Session(recording())
    shown(session, 4.0)

    session.choose("service:redis")
    assert session.scene.focus == {"service:redis", "service:cart", "link:cart>redis"}

    session.choose("")
    assert session.scene.focus == frozenset()
    assert session.find("payments")[0] == "service:payments"
    assert session.find("  ") == ()


def test_agents_are_visited_in_turn() -> None:
    session = Session(recording())
    shown(session, 4.0)

    seen = []
    for _ in range(6):
        thing = session.next_agent(1)
        place = session.place_of(thing)
        assert place is not None
        session.visit(Picked(thing, place), 1.0)
        seen.append(thing)

    assert seen[0] == seen[5] == "agent:detection-1"
    assert len(set(seen)) == 5
    assert session.orbit.view.follows == seen[5]


@pytest.mark.parametrize(
    ("thing", "said"),
    [
        ("agent:resolution-1", "restart payments, low risk"),
        ("service:payments", "exited: signal 9"),
        ("link:orders>payments", "orders → payments"),
        ("role:detection", "detection × 1"),
        ("actuator", "Obeys certificates"),
        ("incident", "payments crash 0.97"),
    ],
)
def test_the_drawer_tells_what_is_known(thing: str, said: str) -> None:
    session = Session(recording())
    frame = shown(session, 4.2)

    assert said in words(details(thing, frame)).replace("\n", " ").replace("  ", " ")


@pytest.mark.parametrize("thing", ["", "agent:nobody", "service:nothing", "link:a>b", "message:1"])
def test_the_drawer_says_nothing_of_what_is_not_there(thing: str) -> None:
    assert details(thing, shown(Session(recording()), 4.2)) is None


def test_a_contradiction_shows_both_digests_side_by_side() -> None:
    session = Session(recording(lying=True))
    frame = shown(session, 1.3)
    numbers = [
        int(number)
        for number, twin in zip(frame.messages.number, frame.messages.twin, strict=True)
        if twin
    ]
    assert numbers

    sent = session.message(numbers[0])
    said = words(details(f"message:{numbers[0]}", frame, sent))

    assert "CONTRADICT EACH OTHER" in said
    assert "5be1d04a7f3a91c2" in said
    assert "c0ffee11d00dfeed" in said


def test_panels_say_what_holds() -> None:
    session = Session(recording())

    quiet = incident_card(shown(session, 0.1).state)
    assert "No incident" in words(quiet)
    deciding = shown(session, 6.0)
    assert "restart payments" in words(incident_card(deciding.state))
    assert "quorum 4" in words(council_card(deciding))
    assert "pre-prepare" in words(legend_card(deciding))
    assert "no data" in words(incident_card(ScreenState()))


def test_every_kind_of_health_has_a_glyph_and_a_word() -> None:
    said = words(legend_card(shown(Session(recording()), 1.0)))

    for word in ("✓ ok", "! warn", "✖ broken", "? unknown"):
        assert word in said
