"""The clients of ``main.py bench stream``: one process, raw sockets, as little work as can be.

``stream_load.py JSON`` with the fields of ``Load``; prints the fields of ``Measured`` as JSON: once, or,
where it is ``standing``, a line for each line that it reads.
"""

import os
import resource
import select
import signal
import socket
import ssl
import sys
import time
from contextlib import suppress
from pathlib import Path

import msgspec

from engine.bench.stream_server import TOKEN
from engine.stream.binary import GAP, HEADER, Kind
from engine.stream.wire import BINARY, Ack, Start, encode_message

KNOCKING = 50
"""Connections that wait to be let in at the same time."""


class Load(msgspec.Struct, frozen=True):
    """What to do."""

    port: int
    pid: int
    """The server's, whose processor time and memory are read."""
    clients: int
    hz: int
    """The rate class to ask for."""
    warm_s: float
    measure_s: float
    stalled: int = 0
    """Of the clients, how many read nothing until the others have been measured."""
    starts: bool = True
    """Whether the server speaks our protocol and waits for ``start``."""
    acks: bool = False
    """Whether clients acknowledge once a second, as the protocol asks."""
    tls: bool = False
    signals: bool = False
    """Whether to send the server SIGUSR1 when measuring begins, and when it ends."""
    standing: bool = False
    """Whether to measure when told to, as often as that is, and to stop the server in between.

    So that others can be measured in turn, on the same core, within seconds of each other.
    """


class Measured(msgspec.Struct, frozen=True):
    """What came of it."""

    messages: int
    hz: float
    """Messages a second that a reading client got."""
    cpu_us: float
    """Processor time of the server for each message delivered; its kernel's threads count."""
    p50_ms: float
    p99_ms: float
    kb_a_client: float
    """Memory of the server for each client, once all were connected and served."""
    rss_mb: float
    grown_mb: float
    """By how much the server grew while it was measured."""
    lost: int
    """Connections that broke."""
    in_sync_ms: float = 0.0
    """Of the stalled clients, the longest from reading again to the snapshot."""
    synced: int = 0
    """Stalled clients that got one."""


class Client:
    """One socket, and what is left of the frame that it is in."""

    __slots__ = ("gap_ns", "raw", "tail")

    def __init__(self, raw: socket.socket) -> None:
        self.raw = raw
        self.tail = b""
        self.gap_ns = 0

    def take(self, data: bytes, ages: list[int], now_ns: int) -> int:
        """How many binary messages ended in ``data``."""
        if self.tail:
            data = self.tail + data
        place, count = 0, 0
        while len(data) - place >= 14:
            size, start = data[place + 1], place + 2
            if size == 126:
                size, start = int.from_bytes(data[start : start + 2], "big"), start + 2
            elif size == 127:
                size, start = int.from_bytes(data[start : start + 8], "big"), start + 8
            if start + size > len(data):
                break
            if data[place] == 0x82 and size >= HEADER.size:
                count += 1
                kind, _, flags, *_, t_ns = HEADER.unpack_from(data, start)
                ages.append(now_ns - t_ns)
                if kind == Kind.SNAPSHOT and flags & GAP:
                    self.gap_ns = now_ns
            place = start + size
        self.tail = data[place:]
        return count


def _knocking(load: Load, number: int, context: ssl.SSLContext | None) -> socket.socket:
    """A connection that has asked to be let in."""
    raw = socket.socket()
    raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if number < load.stalled:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    raw.connect(("127.0.0.1", load.port))
    if context is not None:
        raw = context.wrap_socket(raw)
    raw.sendall(
        f"GET / HTTP/1.1\r\nHost: 127.0.0.1:{load.port}\r\nUpgrade: websocket\r\n"
        f"Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        f"Sec-WebSocket-Version: 13\r\nAuthorization: Bearer {TOKEN}\r\n".encode()
        + (f"Sec-WebSocket-Protocol: {BINARY}\r\n".encode() if load.starts else b"")
        + b"\r\n"
    )
    return raw


def _admitted(load: Load, raw: socket.socket, number: int) -> Client:
    """The client behind ``raw``, once it was let in."""
    head = b""
    while b"\r\n\r\n" not in head:
        got = raw.recv(4096)
        if not got:
            raise SystemExit(f"the server closed client {number}: {head[:100]!r}")
        head += got
    client = Client(raw)
    client.tail = head.partition(b"\r\n\r\n")[2]
    if load.starts:
        raw.sendall(_masked(encode_message(Start(hz=load.hz))))
    raw.setblocking(False)
    return client


def _masked(payload: bytes) -> bytes:
    """A text frame from a client, masked with zeroes."""
    assert len(payload) < 1 << 16
    size = (
        bytes([0x80 | len(payload)])
        if len(payload) < 126
        else b"\xfe" + len(payload).to_bytes(2, "big")
    )
    return b"\x81" + size + bytes(4) + payload


class Crowd:
    """All clients, read as they have something."""

    def __init__(self, load: Load) -> None:
        context = None
        if load.tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        self.load = load
        self.clients: list[Client] = []
        said = time.monotonic()
        for first in range(0, load.clients, KNOCKING):
            numbers = range(first, min(first + KNOCKING, load.clients))
            # Together: one after the other, each would wait for a turn of the server and of ours.
            knocking = [_knocking(load, number, context) for number in numbers]
            for number, raw in zip(numbers, knocking, strict=True):
                self.clients.append(_admitted(load, raw, number))
            # Whoever says nothing for three seconds is served less often: so it is while we connect.
            if load.starts and time.monotonic() - said > 1:
                said = time.monotonic()
                self.acknowledge()
        self.poll = select.epoll()
        self.by_number = {client.raw.fileno(): client for client in self.clients}
        self.lost = 0
        for client in self.clients[load.stalled :]:
            self.poll.register(client.raw.fileno(), select.EPOLLIN)

    def read(self, seconds: float, ages: list[int]) -> int:
        """Read for so long; how many messages came."""
        count, end, ack = 0, time.monotonic() + seconds, time.monotonic() + 1
        while (now := time.monotonic()) < end:
            if self.load.acks and now > ack:
                ack += 1
                self.acknowledge()
            for number, _ in self.poll.poll(0.01, 256):
                count += self._read_one(self.by_number[number], ages)
        return count

    def _read_one(self, client: Client, ages: list[int]) -> int:
        count = 0
        while True:
            try:
                data = client.raw.recv(65536)
            except (BlockingIOError, ssl.SSLWantReadError):
                return count
            except OSError:
                data = b""
            if not data:
                self.lost += 1
                self.poll.unregister(client.raw.fileno())
                return count
            count += client.take(data, ages, time.monotonic_ns())
            if not self.load.tls:
                return count

    def acknowledge(self) -> None:
        """Say for every reading client that it shows what came."""
        ack = _masked(encode_message(Ack(1, 0, 0)))
        for client in self.clients[self.load.stalled :]:
            try:
                client.raw.send(ack)
            except OSError:
                continue

    def wake_stalled(self) -> tuple[int, float]:
        """Let the stalled ones read: how many got their snapshot, and the longest it took, in ms."""
        stalled = self.clients[: self.load.stalled]
        began_ns = time.monotonic_ns()
        for client in stalled:
            self.poll.register(client.raw.fileno(), select.EPOLLIN)
        for _ in range(20):
            self.read(0.1, [])
            if all(client.gap_ns for client in stalled):
                break
        synced = [client.gap_ns - began_ns for client in stalled if client.gap_ns]
        return len(synced), max(synced, default=0) / 1e6


def _softirqs(pid: int) -> list[Path]:
    """The kernel's thread that finishes what the server's one core has begun, if that can be seen."""
    cores = os.sched_getaffinity(pid)
    if len(cores) > 1:
        return []
    name = f"ksoftirqd/{next(iter(cores))}\n"
    found = []
    for process in Path("/proc").glob("[0-9]*/comm"):
        with suppress(OSError):
            if process.read_text() == name:
                found.append(process.with_name("schedstat"))
    return found


def _cpu_s(load: Load, softirqs: list[Path]) -> float:
    threads = [*Path(f"/proc/{load.pid}/task").glob("*/schedstat"), *softirqs]
    return sum(int(thread.read_text().split()[0]) for thread in threads) / 1e9


def _rss_kb(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4


class Measuring:
    """The crowd of ``load``, connected and served, and what its server was like without it."""

    def __init__(self, load: Load) -> None:
        """Connect and warm up."""
        self._load = load
        self._softirqs = _softirqs(load.pid)
        empty_kb = _rss_kb(load.pid)
        self._crowd = Crowd(load)
        self.warm()
        self._full_kb = _rss_kb(load.pid)
        self._kb_a_client = (self._full_kb - empty_kb) / load.clients

    def warm(self) -> None:
        """Read until all is going as it will go on."""
        if self._load.starts:
            self._crowd.acknowledge()
        self._crowd.read(self._load.warm_s, [])
        if self._load.starts:
            self._crowd.acknowledge()  # Enough for a short run; with ``acks`` it is said every second.
            self._crowd.read(min(self._load.warm_s, 0.5), [])

    def measure(self) -> Measured:
        """Measure, and wake who was stalled."""
        load, crowd = self._load, self._crowd
        ages: list[int] = []
        cpu_s, began = _cpu_s(load, self._softirqs), time.monotonic()
        if load.signals:
            os.kill(load.pid, signal.SIGUSR1)
        messages = crowd.read(load.measure_s, ages)
        if load.signals:
            os.kill(load.pid, signal.SIGUSR1)
        cpu_s = _cpu_s(load, self._softirqs) - cpu_s
        took_s, grown_kb = time.monotonic() - began, _rss_kb(load.pid) - self._full_kb
        synced, in_sync_ms = crowd.wake_stalled() if load.stalled else (0, 0.0)
        ages.sort()
        return Measured(
            messages=messages,
            hz=messages / took_s / (load.clients - load.stalled),
            cpu_us=cpu_s / max(messages, 1) * 1e6,
            p50_ms=ages[len(ages) // 2] / 1e6 if ages else 0.0,
            p99_ms=ages[int(len(ages) * 0.99)] / 1e6 if ages else 0.0,
            kb_a_client=self._kb_a_client,
            rss_mb=_rss_kb(load.pid) / 1024,
            grown_mb=grown_kb / 1024,
            lost=crowd.lost,
            in_sync_ms=in_sync_ms,
            synced=synced,
        )

    def measure_awake(self) -> Measured:
        """As ``measure``, of a server that is stopped before and after."""
        os.kill(self._load.pid, signal.SIGCONT)
        self.warm()
        found = self.measure()
        os.kill(self._load.pid, signal.SIGSTOP)
        return found


def main(load: Load) -> None:
    """Do what ``load`` says."""
    measuring = Measuring(load)
    if not load.standing:
        _say(measuring.measure())
        return
    os.kill(load.pid, signal.SIGSTOP)
    sys.stdout.write("\n")
    sys.stdout.flush()
    for _ in sys.stdin:
        _say(measuring.measure_awake())
    os.kill(load.pid, signal.SIGKILL)  # Whoever started both has gone.


def _say(found: Measured) -> None:
    sys.stdout.write(msgspec.json.encode(found).decode() + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    main(msgspec.json.decode(sys.argv[1], type=Load))
