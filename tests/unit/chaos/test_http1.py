"""The proxy's reading of HTTP/1.1: where messages begin and end, and what is refused."""

import pytest

from chaos.exchange import MAX_OUTSTANDING, Exchange, Failure
from chaos.http1 import Begun, Ended, Garbled, Reader

GET = b"GET /a HTTP/1.1\r\nHost: x\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"


def test_a_request_without_a_body_is_whole_after_its_head() -> None:
    assert Reader().feed(GET) == [Begun("GET", 0), Ended()]


def test_a_body_of_known_length_ends_the_message_at_its_last_byte() -> None:
    reader = Reader()

    assert reader.feed(b"POST /a HTTP/1.1\r\nContent-Length: 5\r\n\r\nfour") == [Begun("POST", 0)]
    assert reader.feed(b"5") == [Ended()]
    assert reader.idle


def test_a_chunked_body_ends_after_its_trailers() -> None:
    reader = Reader()
    head = b"POST /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"

    assert reader.feed(head + b"3;x=y\r\nabc\r\n0\r\nX: y\r\n") == [Begun("POST", 0)]
    assert reader.feed(b"\r\n") == [Ended()]


def test_an_exchange_counts_each_message_of_a_kept_connection() -> None:
    exchange = Exchange()
    exchange.asked(GET + GET, 0)

    first, second = exchange.answered(OK + OK, 250_000_000)

    assert (first.seconds, first.failure, second.failure) == (0.25, None, None)
    assert exchange.oldest_ns is None


def test_an_answer_of_500_or_above_is_a_failure() -> None:
    exchange = Exchange()
    exchange.asked(GET, 0)

    (finding,) = exchange.answered(b"HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n", 1)

    assert finding.failure is Failure.STATUS


def test_an_answer_to_head_has_no_body_whatever_length_it_names() -> None:
    exchange = Exchange()
    exchange.asked(b"HEAD /a HTTP/1.1\r\n\r\n", 0)

    assert len(exchange.answered(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", 1)) == 1


def test_an_interim_answer_is_not_the_answer() -> None:
    exchange = Exchange()
    exchange.asked(GET, 0)

    assert exchange.answered(b"HTTP/1.1 100 Continue\r\n\r\n", 1) == []
    assert len(exchange.answered(OK, 2)) == 1


def test_a_broken_connection_fails_all_that_is_unanswered() -> None:
    exchange = Exchange()
    exchange.asked(GET + GET, 0)
    exchange.answered(OK + b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhal", 1)

    (finding,) = exchange.ended(5, Failure.RESET)

    assert finding.failure is Failure.RESET


def test_an_answer_without_a_length_is_complete_when_the_callee_closes() -> None:
    exchange = Exchange()
    exchange.asked(GET, 0)
    exchange.answered(b"HTTP/1.1 200 OK\r\n\r\nall of it", 1)

    (finding,) = exchange.ended(2, Failure.RESET)

    assert finding.failure is None


@pytest.mark.parametrize(
    "garbage",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 hello tls hello",
        b"GET /a HTTP/2.0\r\n\r\n",
        b"GET /a\r\n\r\n",
        b"CONNECT a:1 HTTP/1.1\r\n\r\n",
        b"GET /a HTTP/1.1\r\nHost : x\r\n\r\n",
        b"POST /a HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"POST /a HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"POST /a HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"POST /a HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
        b"POST /a HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"POST /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
        b"POST /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n",
        b"GET /" + b"a" * 40_000,
    ],
)
def test_what_two_parties_could_read_differently_is_garbled(garbage: bytes) -> None:
    with pytest.raises(Garbled):
        Reader().feed(garbage)


def test_an_answer_that_nobody_asked_for_is_garbled() -> None:
    with pytest.raises(Garbled, match="no request"):
        Exchange().answered(OK, 0)


def test_a_switch_of_protocol_is_garbled() -> None:
    exchange = Exchange()
    exchange.asked(GET, 0)

    with pytest.raises(Garbled, match="switch"):
        exchange.answered(b"HTTP/1.1 101 Switching\r\n\r\n", 1)


def test_requests_sent_ahead_are_bounded() -> None:
    exchange = Exchange()
    exchange.asked(GET * MAX_OUTSTANDING, 0)

    with pytest.raises(Garbled, match="ahead"):
        exchange.asked(GET, 0)
