"""The NATS protocol as values: whatever the stream is cut into, it means the same."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.bus.wire import (
    MOST_LINE_BYTES,
    MOST_PAYLOAD_BYTES,
    BrokenProtocol,
    Delivered,
    Reader,
    Said,
    connecting,
    published,
    subscribed,
)

STREAM = (
    b'INFO {"max_payload":2097152}\r\nPONG\r\nMSG pbft.a 3 5\r\nMSG 1\r\n'
    b"MSG head.b 12 inbox.7 0\r\n\r\nPING\r\n-ERR 'Permissions Violation'\r\n"
)
MEANING = [
    Said("INFO", b'{"max_payload":2097152}'),
    Said("PONG", b""),
    Delivered(3, "pbft.a", b"MSG 1"),
    Delivered(12, "head.b", b""),
    Said("PING", b""),
    Said("-ERR", b"'Permissions Violation'"),
]


@given(st.sets(st.integers(1, len(STREAM) - 1)))
def test_a_stream_means_the_same_wherever_it_is_cut(cuts: set[int]) -> None:
    reader, found = Reader(), list[Delivered | Said]()

    for first, last in zip([0, *sorted(cuts)], [*sorted(cuts), len(STREAM)], strict=True):
        found += reader.feed(STREAM[first:last])

    assert found == MEANING


@given(st.binary(max_size=200))
def test_a_payload_comes_through_as_it_is(payload: bytes) -> None:
    _, _, told = published("pbft.a", payload).partition(b" pbft.a ")

    assert Reader().feed(b"MSG pbft.a 1 " + told) == [Delivered(1, "pbft.a", payload)]


@pytest.mark.parametrize(
    "head",
    [
        b"MSG a\r\n",
        b"MSG a b 3\r\n",
        b"MSG a 1 x\r\n",
        b"MSG a 1 -1\r\n",
        b"MSG \xff 1 3\r\n",
        b"MSG a 1 %d\r\n" % (MOST_PAYLOAD_BYTES + 1),
    ],
)
def test_what_cannot_be_a_message_ends_the_conversation(head: bytes) -> None:
    with pytest.raises(BrokenProtocol):
        Reader().feed(head)


def test_a_line_without_an_end_is_not_kept_for_ever() -> None:
    reader = Reader()
    assert reader.feed(b"INFO " + bytes(MOST_LINE_BYTES - 5)) == []

    with pytest.raises(BrokenProtocol, match="a line of more than"):
        reader.feed(b"x")


def test_a_long_payload_is_no_long_line() -> None:
    reader, payload = Reader(), bytes(2 * MOST_LINE_BYTES)
    assert reader.feed(b"MSG a 1 %d\r\n" % len(payload)) == []
    assert reader.feed(payload) == []

    assert reader.feed(b"\r\n") == [Delivered(1, "a", payload)]


@given(st.binary(max_size=300))
def test_no_bytes_raise_anything_else(data: bytes) -> None:
    with contextlib.suppress(BrokenProtocol):
        Reader().feed(data)


def test_a_client_says_what_the_protocol_asks_for() -> None:
    assert subscribed("pbft.*", 4) == b"SUB pbft.* 4\r\n"
    assert connecting(b"{}") == b"CONNECT {}\r\n"
