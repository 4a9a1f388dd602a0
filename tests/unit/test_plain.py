"""The story as lines: golden, without repetition, safe for any terminal."""

from datetime import UTC
from itertools import pairwise

from msgspec.structs import replace

from controlroom.plain import Teller, lines
from engine.stream.connection import Connected, LinkEvent, Received, Waiting
from engine.stream.state import Health, ScreenState, TimelineEntry
from engine.stream.wire import Snapshot
from tests.story import START_MS, calm, story

GOLDEN = """\
14:13:20  fleet         green: 8 services
14:13:20  swarm         ready: 5 agents, quorum 4, resolution-1 leads
14:13:20  slo           checkout green; 100 % good in the last 10 s
14:13:22  fleet         orders is broken
14:13:22  fleet         payments is broken: exited: signal 9
14:13:22  slo           checkout red; 62 % good in the last 10 s
14:13:22  opened        detection-1: checkout fails: orders errors 49 % (habit 0 %), 3 signals
14:13:22  corroborated  diagnosis-1: sees it too: orders errors 47 %
14:13:22  corroborated  prediction-1: sees it too: gateway errors 12 %
14:13:23  diagnosed     diagnosis-1: payments crash 0.97 (liveness of payments +4.2, errors \
orders>payments +3.1), orders errors 0.02, postgres slow 0.01; ruled out: gateway crash
14:13:23  proposed      resolution-1: restart payments, low risk, undo none, reaches 3 services
14:13:24  assessed      detection-1: accept: orders errors 51 % in its window (habit 0 %)
14:13:24  assessed      diagnosis-1: accept: its ranking names payments
14:13:24  assessed      prediction-1: abstain: no forecast for payments
14:13:25  assessed      resolution-1: accept: its own plan
14:13:25  assessed      communication-1: accept: the log says: connection refused by payments
14:13:26  decided       council: accepted, 4 of 5 (3 needed)
14:13:26  certificate   council: 5be1d04a5be1 signed by 4 of 5
14:13:26  acted         actuator: step 0 done, now pid 4242
14:13:27  fleet         green: 8 services
14:13:34  slo           checkout green; 100 % good in the last 10 s
14:13:34  recovered     detection-1: attempt 1: its window is back to habit
14:13:34  recovered     diagnosis-1: attempt 1: its window is back to habit
14:13:34  recovered     prediction-1: attempt 1: its window is back to habit
14:13:34  closed        shop/checkout#1: recovered, 11.8 s after it was opened
"""


def _told(frames: list[ScreenState]) -> list[str]:
    return [
        line for old, new in pairwise([ScreenState(), *frames]) for line in lines(old, new, UTC)
    ]


def test_the_story_is_told_in_these_words() -> None:
    assert "\n".join(_told(story())) + "\n" == GOLDEN


def test_nothing_is_told_twice_when_states_are_left_out_or_repeated() -> None:
    frames = story()

    jumped = _told([frames[0], frames[6], frames[6], frames[-1], frames[-1]])

    assert len(jumped) == len(set(jumped))
    assert [line for line in jumped if " closed " in line]


def test_the_same_state_again_is_worth_no_line() -> None:
    for frame in story():
        assert lines(frame, replace(frame, at_ms=frame.at_ms + 1000), UTC) == []


def test_freezing_a_new_leader_and_notices_are_told() -> None:
    state = calm()
    assert state.swarm is not None
    after = replace(
        state,
        swarm=replace(state.swarm, frozen=True, view=4, primary="detection-1"),
        notices=("telemetry is stale",),
    )

    assert [line[10:] for line in lines(state, after, UTC)] == [
        "swarm         view 4: detection-1 leads",
        "frozen        all automation",
        "notice        telemetry is stale",
    ]


def test_a_new_epoch_is_told_with_its_policy() -> None:
    state = calm()
    assert state.swarm is not None
    epoch, policy = state.swarm.epoch + 1, "low ask, medium ask, high ask"

    after = replace(state, swarm=replace(state.swarm, epoch=epoch, policy=policy))

    assert [line[10:] for line in lines(state, after, UTC)] == [
        f"swarm         epoch {epoch} begins; policy {policy}"
    ]


def test_a_service_that_only_warns_is_not_broken() -> None:
    state = calm()
    services = state.services | {"cart": replace(state.services["cart"], health=Health.WARN)}

    assert lines(state, replace(state, services=services), UTC) == []


def test_no_text_can_give_the_terminal_an_order() -> None:
    state = calm()
    evil = TimelineEntry(START_MS, 1, "noted", "anna", "\x1b[2J\x9b31m\nfake line\r")

    (line,) = lines(state, replace(state, timeline=(evil,)), UTC)

    assert line.isprintable()


def test_an_outage_is_told_once_however_often_the_link_tries() -> None:
    teller = Teller(UTC)
    events: list[LinkEvent] = [
        Waiting("nobody listens", 1, 1),
        Waiting("nobody listens", 2, 2),
        Connected("ws://127.0.0.1:1"),
        Received(Snapshot(1, 1, calm()), 1),
        Waiting("nobody listens", 3, 1),
        Connected("ws://127.0.0.1:1"),
        Received(Snapshot(2, 1, calm()), 1),
    ]

    said = [line for event in events for line in teller.take(event, START_MS)]

    assert [line[10:] for line in said] == [
        "engine        not connected: nobody listens",
        "engine        connected",
        "fleet         green: 8 services",
        "swarm         ready: 5 agents, quorum 4, resolution-1 leads",
        "slo           checkout green; 100 % good in the last 10 s",
        "engine        not connected: nobody listens",
        "engine        connected",
    ]
