"""Laws of the stream: what a screen folds is what the engine published, whatever the order of events."""

import math
import random
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.codec import Malformed
from engine.stream.connection import FIRST_DELAY_S, LONGEST_DELAY_S, delay_s
from engine.stream.fold import OutOfOrder, apply, diff, fold, growth
from engine.stream.state import (
    AgentRow,
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
    Changes,
    Command,
    Delta,
    Hello,
    Reply,
    Resync,
    Snapshot,
    Start,
    decode_from_client,
    decode_from_server,
    encode_message,
)
from tests.story import story

names = st.sampled_from(["gateway", "orders", "payments", "redis"])
figures = st.floats(0, 1e6, allow_nan=False)
small = st.integers(0, 5)


def _tables(rows: st.SearchStrategy[object]) -> st.SearchStrategy[dict[str, object]]:
    return st.dictionaries(names, rows, max_size=4)


states = st.builds(
    ScreenState,
    at_ms=st.integers(0, 2**50),
    swarm=st.none() | st.from_type(SwarmRow),
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
    timeline=st.lists(st.builds(TimelineEntry, small, small, names, names, names), max_size=6).map(
        tuple
    ),
    ledger=st.lists(
        st.builds(LedgerRow, small, small, small, st.just(("a: b",)), names), max_size=6
    ).map(tuple),
    notices=st.lists(names, max_size=3).map(tuple),
)


@given(states, states)
def test_a_state_brought_forward_by_the_difference_is_the_new_state(
    old: ScreenState, new: ScreenState
) -> None:
    changes = diff(old, new)

    assert apply(old, changes) == new
    assert fold(Snapshot(7, 3, old), Delta(7, 3, 4, changes)) == Snapshot(7, 4, new)


@given(states, states)
def test_a_difference_survives_the_wire(old: ScreenState, new: ScreenState) -> None:
    delta = Delta(7, 3, 4, diff(old, new))

    arrived = decode_from_server(encode_message(delta))

    assert arrived == delta


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


@settings(max_examples=60)
@given(st.data())
def test_a_damaged_message_is_a_message_or_malformed(data: st.DataObject) -> None:
    whole = bytearray(encode_message(Snapshot(1, 2, story()[-1])))
    for _ in range(data.draw(st.integers(1, 4))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))

    try:
        decode_from_server(bytes(whole))
    except Malformed:
        return


@pytest.mark.parametrize("message", [Hello("p", 1, 10), Reply("c", False, "no"), Reply("c", True)])
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
