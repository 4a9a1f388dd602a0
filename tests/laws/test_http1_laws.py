"""However bytes are cut up, the proxy reads the same messages; whatever they are, it never breaks."""

import itertools

from hypothesis import given
from hypothesis import strategies as st

from chaos.exchange import Exchange, Failure
from chaos.http1 import Begun, Ended, Garbled, Reader

BODIES = st.binary(max_size=40)


def chunked(body: bytes, size: int) -> bytes:
    pieces = [body[start : start + size] for start in range(0, len(body), size)]
    return b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


@st.composite
def requests(draw: st.DrawFn) -> bytes:
    body = draw(BODIES)
    match draw(st.sampled_from(["none", "length", "chunked"])):
        case "none":
            return b"GET /a HTTP/1.1\r\nHost: x\r\n\r\n"
        case "length":
            return b"POST /a HTTP/1.1\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
        case _:
            head = b"POST /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
            return head + chunked(body, draw(st.integers(1, 7)))


def cut(data: bytes, places: list[int]) -> list[bytes]:
    edges = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[start:end] for start, end in itertools.pairwise(edges)]


@given(st.lists(requests(), min_size=1, max_size=5), st.lists(st.integers(0, 10_000), max_size=20))
def test_where_bytes_are_cut_does_not_matter(messages: list[bytes], places: list[int]) -> None:
    data = b"".join(messages)
    reader = Reader()

    found = [event for piece in cut(data, places) for event in reader.feed(piece)]

    assert sum(isinstance(event, Begun) for event in found) == len(messages)
    assert found[1::2] == [Ended()] * len(messages)
    assert reader.idle


@given(st.lists(st.tuples(st.booleans(), st.binary(max_size=60)), max_size=20))
def test_bytes_of_any_kind_are_followed_or_garbled_and_nothing_else(
    pieces: list[tuple[bool, bytes]],
) -> None:
    exchange = Exchange()
    try:
        for asked, data in pieces:
            if asked:
                exchange.asked(data, 0)
            else:
                exchange.answered(data, 0)
    except Garbled:
        pass

    exchange.ended(1, Failure.RESET)
    assert exchange.oldest_ns is None


MUTATED = (
    b"GET /a HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\nHost: x\r\n\r\n3\r\nabc"
)


@given(st.lists(st.tuples(st.integers(0, len(MUTATED) - 1), st.integers(0, 255)), max_size=6))
def test_damaged_messages_are_followed_or_garbled_and_nothing_else(
    changes: list[tuple[int, int]],
) -> None:
    data = bytearray(MUTATED)
    for place, byte in changes:
        data[place] = byte
    reader = Reader()

    try:
        found = reader.feed(bytes(data))
    except Garbled:
        found = []

    assert len(found) <= len(MUTATED)
