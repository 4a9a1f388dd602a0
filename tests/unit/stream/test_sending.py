"""One frame to many sockets, by each way there is, against the kernel that is really here."""

import errno
import os
import socket
from collections.abc import Callable, Generator, Sequence
from contextlib import ExitStack
from pathlib import Path

import pytest

from engine.stream.sending import OneByOne, Sending, sending
from engine.stream.uring import AT_ONCE, Uring

Pair = tuple[socket.socket, socket.socket]
FRAME = bytes(range(256)) * 16


@pytest.fixture(params=[OneByOne, Uring])
def way(request: pytest.FixtureRequest) -> Generator[Sending]:
    """Either way; where the kernel refuses io_uring, its tests say so and are left out."""
    if request.param is OneByOne:
        yield OneByOne()
        return
    try:
        ring = Uring()
    except OSError as error:
        pytest.skip(f"this kernel refuses io_uring: {error}")
    yield ring
    ring.close()


@pytest.fixture
def connected() -> Generator[Callable[[], Pair]]:
    """Makes TCP connections over loopback: the server's end, that never waits, and the client's."""
    with ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))

        def connect() -> Pair:
            client = stack.enter_context(socket.create_connection(listener.getsockname()))
            server = stack.enter_context(listener.accept()[0])
            server.setblocking(False)
            return server, client

        yield connect


def _fill(server: socket.socket, client: socket.socket) -> int:
    """Write until the connection is full; how many bytes that took."""
    # Buffers of a fixed size: the kernel would enlarge them later, and it were full no more.
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    server.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    written = 0
    while True:
        try:
            written += server.send(bytes(65536))
        except BlockingIOError:
            return written


def _read(client: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        data += client.recv(size - len(data))
    return data


def _numbers(pairs: Sequence[Pair]) -> list[int]:
    return [server.fileno() for server, _ in pairs]


def test_a_frame_reaches_every_socket_whole(way: Sending, connected: Callable[[], Pair]) -> None:
    pairs = [connected() for _ in range(AT_ONCE)]

    # So often that the ring comes round, with crowds of every size.
    for number in range(30):
        crowd = pairs[: 1 + number * 41 % AT_ONCE]
        frame = bytes((number,)) + FRAME
        assert way.send(_numbers(crowd), frame) == [len(frame)] * len(crowd)
        assert all(_read(client, len(frame)) == frame for _, client in crowd)


def test_what_a_socket_has_no_room_for_is_not_waited_for(
    way: Sending, connected: Callable[[], Pair]
) -> None:
    server, client = connected()
    server.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    giant = os.urandom(16 << 20)

    (taken,) = way.send([server.fileno()], giant)

    assert 0 < taken < len(giant)
    assert _read(client, taken) == giant[:taken]


def test_a_full_socket_takes_nothing(way: Sending, connected: Callable[[], Pair]) -> None:
    server, client = connected()
    written = _fill(server, client)

    assert way.send([server.fileno()], FRAME) == [-errno.EAGAIN]
    assert _read(client, written) == bytes(written)
    client.setblocking(False)
    with pytest.raises(BlockingIOError):
        client.recv(1)


def test_a_peer_that_has_gone_is_an_error_and_no_signal(
    way: Sending, connected: Callable[[], Pair]
) -> None:
    server, client = connected()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    client.close()  # With a reset, which arrives before the call returns.

    (first,) = way.send([server.fileno()], FRAME)
    (second,) = way.send([server.fileno()], FRAME)

    assert first == -errno.ECONNRESET
    assert second == -errno.EPIPE


def test_no_descriptor_of_a_socket_is_an_error(way: Sending) -> None:
    with socket.socket() as unconnected:
        closed = os.dup(unconnected.fileno())
        os.close(closed)
        found = way.send([closed, unconnected.fileno()], FRAME)

    assert found == [-errno.EBADF, -errno.EPIPE]


def test_each_of_a_mixed_crowd_gets_what_it_can_take(
    way: Sending, connected: Callable[[], Pair]
) -> None:
    pairs = [connected() for _ in range(AT_ONCE)]
    for number, (server, client) in enumerate(pairs):
        if number % 4 == 1:
            _fill(server, client)
        elif number % 4 == 3:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            client.close()

    taken = way.send(_numbers(pairs), FRAME)

    assert taken == [len(FRAME), -errno.EAGAIN, len(FRAME), -errno.ECONNRESET] * (AT_ONCE // 4)
    assert all(_read(client, len(FRAME)) == FRAME for _, client in pairs[::2])


def test_where_the_kernel_refuses_the_ring_each_gets_a_write_of_its_own() -> None:
    def refused() -> Uring:
        raise PermissionError(errno.EPERM, "io_uring is disabled")

    with sending(refused) as way:
        assert isinstance(way, OneByOne)


def test_a_ring_gives_back_what_it_had() -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(3):
        with sending():
            pass

    assert len(list(Path("/proc/self/fd").iterdir())) == before
