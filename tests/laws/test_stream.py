"""Laws of the stream: what a screen folds is what the engine published, whatever the order of events."""

import math
import random
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from websockets.frames import Frame, Opcode

from engine.codec import Malformed
from engine.stream.binary import Kind, decode_changes, encode_changes, pack_header
from engine.stream.connection import FIRST_DELAY_S, LONGEST_DELAY_S, delay_s
from engine.stream.fold import OutOfOrder, apply, diff, fold, growth
from engine.stream.frames import (
    BINARY_OPCODE,
    delta_frame,
    events_frame,
    framed,
    read_message,
    reply_message,
    snapshot_frame,
    snapshot_payload,
    status_frame,
)
from engine.stream.state import (
    AgentRow,
    DeployRow,
    Health,
    LedgerRow,
    LinkRow,
    ScreenState,
    ServiceRow,
    SloRow,
    SwarmRow,
    TimelineEntry,
)
from engine.stream.wire import (
    BINARY,
    JSON,
    Changes,
    Command,
    Delta,
    Event,
    Events,
    Hello,
    Lane,
    Reply,
    Resync,
    Snapshot,
    Start,
    Status,
    decode_from_client,
    decode_from_server,
    encode_message,
)
from engine.vocabulary import AgentId, AuthorId, TraceEvent
from tests.story import story

names = st.sampled_from(["gateway", "orders", "payments", "redis"])
figures = st.floats(0, 1e6, allow_nan=False)
# Two whole states take a while to draw on a busy machine: that says nothing about the law.
patiently = settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
small = st.integers(0, 5)
COUNTS = ("epoch", "n", "f", "quorum", "view", "executed", "budget", "bus_dropped", "trace_dropped")


def _tables(rows: st.SearchStrategy[object]) -> st.SearchStrategy[dict[str, object]]:
    return st.dictionaries(names, rows, max_size=4)


states = st.builds(
    ScreenState,
    at_ms=st.integers(0, 2**50),
    swarm=st.none() | st.builds(SwarmRow, **dict.fromkeys(COUNTS, st.integers(0, 2**63))),
    slo=st.none()
    | st.builds(
        SloRow, names, st.booleans(), small, figures, st.lists(small, max_size=4).map(tuple)
    ),
    services=_tables(
        st.builds(
            ServiceRow, names, st.sampled_from(Health), names, small, figures, figures, figures
        )
    ),
    links=_tables(st.builds(LinkRow, names, names, figures, figures, figures)),
    agents=_tables(
        st.builds(
            AgentRow,
            names,
            names,
            st.sampled_from(Health),
            st.booleans(),
            small,
            small,
            names,
            names,
            small,
            figures,
        )
    ),
    deploys=_tables(
        st.builds(
            DeployRow,
            names,
            names,
            st.sampled_from(Health),
            names,
            st.booleans(),
            small,
            names,
            small,
            small,
            names,
            st.booleans(),
            names,
            names,
            small,
            names,
            hazards=st.lists(names, max_size=4).map(tuple),
        )
    ),
    timeline=st.lists(st.builds(TimelineEntry, small, small, names, names, names), max_size=6).map(
        tuple
    ),
    ledger=st.lists(
        st.builds(LedgerRow, small, small, small, st.just(("a: b",)), names), max_size=6
    ).map(tuple),
    notices=st.lists(names, max_size=3).map(tuple),
)


def unframed(frame: bytes) -> bytes | str:
    """The payload of one frame from a server, as the library hands it over."""
    start = {126: 4, 127: 10}.get(frame[1], 2)
    return frame[start:].decode() if frame[0] == 0x81 else frame[start:]


@patiently
@given(states, states)
def test_a_state_brought_forward_by_the_difference_is_the_new_state(
    old: ScreenState, new: ScreenState
) -> None:
    changes = diff(old, new)

    assert apply(old, changes) == new
    assert fold(Snapshot(7, 3, old), Delta(7, 3, 4, changes)) == Snapshot(7, 4, new)


@patiently
@given(states, states)
def test_a_difference_survives_the_wire(old: ScreenState, new: ScreenState) -> None:
    delta = Delta(7, 3, 4, diff(old, new))

    arrived = decode_from_server(encode_message(delta))

    assert arrived == delta


@patiently
@given(states, states)
def test_the_binary_form_leads_to_the_same_state(old: ScreenState, new: ScreenState) -> None:
    payload = encode_changes(old, new)

    assert apply(old, decode_changes(old, payload)) == new


@patiently
@given(states)
def test_a_snapshot_is_the_change_from_nothing(state: ScreenState) -> None:
    known = Snapshot(7, 3, state)
    payload = snapshot_payload(BINARY, state)

    assert read_message(unframed(snapshot_frame(BINARY, known, payload, 5)), None) == known


@patiently
@given(states, states, st.sampled_from([BINARY, JSON]))
def test_a_delta_frame_folds_in_either_form(old: ScreenState, new: ScreenState, form: str) -> None:
    before, after = Snapshot(7, 3, old), Snapshot(7, 9, new)
    message = read_message(unframed(delta_frame(form, before, after, 5)), before)

    assert (fold(before, message) if isinstance(message, Delta) else message) == after


@pytest.mark.parametrize("known", [Snapshot(8, 3, ScreenState()), Snapshot(7, 4, ScreenState())])
def test_a_binary_delta_on_another_state_is_refused(known: Snapshot) -> None:
    frame = delta_frame(BINARY, Snapshot(7, 3, ScreenState()), Snapshot(7, 5, story()[1]), 5)

    with pytest.raises(OutOfOrder):
        read_message(unframed(frame), known)
    assert read_message(unframed(frame), None) is None


@pytest.mark.parametrize("form", [BINARY, JSON])
def test_events_status_and_replies_survive_either_form(form: str) -> None:
    entry = story()[-1].timeline[0]
    batch = story()[-1].ledger[0]
    traced = TraceEvent(
        AgentId(AuthorId("a")), AgentId(AuthorId("b")), "PREPARE", 1, 2, b"12345678", 3, 4
    )
    events = Events(
        7,
        4,
        9,
        (
            Event(Lane.TIMELINE, "shop/checkout#1", timeline=entry),
            Event(Lane.LEDGER, ledger=batch),
            Event(Lane.TRACE, trace=traced),
        ),
    )
    reply = Reply("anna-1", False, "no")

    assert read_message(unframed(events_frame(form, events, 5)), None) == events
    assert read_message(unframed(status_frame(form, 7, Status(5, "slow"), 5)), None) == Status(
        5, "slow"
    )
    said = reply_message(form, 7, reply, 5)
    assert read_message(said if form == BINARY else said.decode(), None) == reply


@pytest.mark.parametrize("size", [0, 125, 126, 65_535, 65_536])
def test_a_frame_is_what_the_library_makes(size: int) -> None:
    payload = bytes(size)

    assert framed(payload, BINARY_OPCODE) == Frame(Opcode.BINARY, payload).serialize(mask=False)


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_a_damaged_binary_frame_is_a_message_or_malformed(data: st.DataObject) -> None:
    old, new = story()[3], story()[-1]
    whole = unframed(delta_frame(BINARY, Snapshot(1, 2, old), Snapshot(1, 3, new), 5))
    assert isinstance(whole, bytes)
    frame = bytearray(whole)
    for _ in range(data.draw(st.integers(1, 4))):
        frame[data.draw(st.integers(0, len(frame) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(frame)))

    for damaged in (bytes(frame), bytes(frame[:cut])):
        try:
            read_message(damaged, Snapshot(1, 2, old))
        except (Malformed, OutOfOrder):
            continue


@given(st.integers(1, 5), st.binary(max_size=200))
def test_any_bytes_behind_a_header_are_a_message_or_malformed(kind: int, body: bytes) -> None:
    try:
        read_message(pack_header(Kind(kind), 1, 3, 2, 5) + body, Snapshot(1, 2, story()[-1]))
    except (Malformed, OutOfOrder):
        return


def test_a_tick_in_which_a_fifth_of_fifty_agents_change_is_small() -> None:
    agents = {
        f"agent-{n}": AgentRow(
            f"agent-{n}", "detection", Health.OK, False, 3, 100, "idle", "", 0, 0.0
        )
        for n in range(50)
    }
    moved = agents | {
        f"agent-{n}": replace(
            agents[f"agent-{n}"], executed=101, phase="committed", vote="accept", age_s=2.0
        )
        for n in range(10, 20)
    }
    old, new = (
        ScreenState(1_790_000_000_000, agents=agents),
        ScreenState(1_790_000_000_100, agents=moved),
    )
    frame = delta_frame(BINARY, Snapshot(1, 2, old), Snapshot(1, 3, new), 5)

    assert len(frame) <= 512


@patiently
@given(states)
def test_nothing_changed_is_an_empty_difference_and_keeps_every_row(state: ScreenState) -> None:
    changes = diff(state, state)

    assert changes == Changes(at_ms=state.at_ms)
    assert changes.only_time
    assert apply(state, changes).services is state.services


@given(st.lists(small, max_size=8).map(tuple), st.lists(small, max_size=8).map(tuple))
def test_a_list_grows_to_the_new_one_by_dropping_and_appending(
    old: tuple[int, ...], new: tuple[int, ...]
) -> None:
    dropped, appended = growth(old, new)

    assert old[dropped:] + appended == new


def test_a_list_that_grew_by_one_travels_as_one() -> None:
    assert growth((1, 2, 3), (1, 2, 3, 4)) == (0, (4,))
    assert growth((1, 2, 3), (2, 3, 4)) == (1, (4,))
    assert growth((1, 2, 3), ()) == (3, ())


@pytest.mark.parametrize(("epoch", "base"), [(8, 3), (7, 2), (7, 4)])
def test_a_delta_on_another_state_is_refused(epoch: int, base: int) -> None:
    with pytest.raises(OutOfOrder):
        fold(Snapshot(7, 3, ScreenState()), Delta(epoch, base, 5, Changes(at_ms=1)))


def test_a_whole_incident_folds_to_its_last_frame() -> None:
    frames = story()
    shown = Snapshot(1, 0, frames[0])

    for seq, (old, new) in enumerate(pairwise(frames)):
        shown = fold(shown, Delta(1, seq, seq + 1, diff(old, new)))

    assert shown.state == frames[-1]


@given(st.binary(max_size=200) | st.text(max_size=200))
def test_bytes_from_anywhere_are_a_message_or_malformed(data: bytes | str) -> None:
    for decode in (decode_from_client, decode_from_server):
        try:
            decode(data)
        except Malformed:
            continue


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_a_damaged_message_is_a_message_or_malformed(data: st.DataObject) -> None:
    whole = bytearray(encode_message(Snapshot(1, 2, story()[-1])))
    for _ in range(data.draw(st.integers(1, 4))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))

    try:
        decode_from_server(bytes(whole))
    except Malformed:
        return


@pytest.mark.parametrize("message", [Hello("p", 1), Reply("c", False, "no"), Reply("c", True)])
def test_what_the_server_says_survives_the_wire(message: Hello | Reply) -> None:
    assert decode_from_server(encode_message(message)) == message


@pytest.mark.parametrize("message", [Start(), Resync(), Command("c", b"\x00\xff")])
def test_what_a_screen_says_survives_the_wire(message: Start | Resync | Command) -> None:
    assert decode_from_client(encode_message(message)) == message


def test_an_oversized_command_is_malformed() -> None:
    with pytest.raises(Malformed, match="command of 20000 bytes"):
        decode_from_client(encode_message(Command("c", bytes(20_000))))
    with pytest.raises(Malformed, match="over the limit"):
        decode_from_client(b" " * 70_000)


@given(st.integers(1, 10_000), st.integers())
def test_waiting_doubles_up_to_a_limit_and_is_jittered(attempt: int, seed: int) -> None:
    delay = delay_s(attempt, random.Random(seed))

    assert FIRST_DELAY_S / 2 <= delay <= LONGEST_DELAY_S
    assert delay <= FIRST_DELAY_S * math.ldexp(1, min(attempt - 1, 20))
