"""One connection against a server of few words, over real sockets; ``tests/fleet`` has the real one."""

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path

import msgspec
import pytest

from engine.bus import nats
from engine.bus.nats import BusCredential, NatsBus
from engine.codec import Malformed
from tests.until import until


class Server:
    """Greets, answers pings while it is told to, and says what a test wants said."""

    def __init__(self) -> None:
        self.heard = b""
        self.answers = True
        self.greeted = 0
        self.port = 0
        self._server: asyncio.Server | None = None
        self._writers: list[asyncio.StreamWriter] = []

    async def open(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.append(writer)
        self.greeted += 1
        self.say(b"INFO {}\r\n")
        while line := await reader.readline():
            self.heard += line
            if line == b"PING\r\n" and self.answers:
                self.say(b"PONG\r\n")

    def say(self, data: bytes) -> None:
        self._writers[-1].write(data)

    async def close(self) -> None:
        assert self._server is not None
        self._server.close()
        for writer in self._writers:
            writer.close()
        await self._server.wait_closed()

    def credential(self, folder: Path) -> Path:
        path = folder / "credential"
        path.touch(0o600)
        url = f"nats://127.0.0.1:{self.port}"
        path.write_bytes(msgspec.json.encode(BusCredential(url, "agent-1", "secret")))
        return path


@pytest.fixture
async def server() -> AsyncGenerator[Server]:
    made = Server()
    await made.open()
    yield made
    await made.close()


@pytest.fixture
async def bus(server: Server, tmp_path: Path) -> AsyncGenerator[NatsBus]:
    made = await NatsBus.connect(server.credential(tmp_path))
    yield made
    await made.close()


async def test_it_says_who_it_is_before_anything_else(bus: NatsBus, server: Server) -> None:
    await bus.publish("pbft.agent-1", b"hello")
    await bus.flush()

    connect, ping, *rest = server.heard.split(b"\r\n")
    assert connect.startswith(b"CONNECT ")
    options = msgspec.json.decode(connect.removeprefix(b"CONNECT "))
    assert (options["user"], options["pass"]) == ("agent-1", "secret")
    assert [ping, *rest] == [b"PING", b"PUB pbft.agent-1 5", b"hello", b"PING", b""]


async def test_a_handler_that_fails_costs_nobody_the_bus(bus: NatsBus, server: Server) -> None:
    heard: list[bytes] = []

    def fail(_subject: str, _payload: bytes) -> None:
        raise RuntimeError("a bug of its own")

    await bus.subscribe("bad", fail)
    await bus.subscribe("good", lambda _subject, payload: heard.append(payload))
    server.say(b"MSG bad 0 1\r\nx\r\nMSG good 1 1\r\ny\r\nMSG stranger 9 1\r\nz\r\n")

    await until(lambda: heard == [b"y"])
    assert bus.connected


async def test_a_question_of_the_server_is_answered(bus: NatsBus, server: Server) -> None:
    server.say(b"PING\r\n-ERR 'Permissions Violation'\r\n")

    await until(lambda: server.heard.endswith(b"PONG\r\n"))
    assert bus.connected


async def test_who_does_not_speak_the_protocol_is_left_and_tried_again(
    bus: NatsBus, server: Server
) -> None:
    server.say(b"MSG nonsense\r\n")

    await until(lambda: server.greeted == 2 and bus.connected)


async def test_while_the_server_is_away_little_is_held_and_the_rest_is_counted(
    bus: NatsBus, server: Server
) -> None:
    await bus.subscribe("pbft.*", lambda _subject, _payload: None)
    await server.close()
    await until(lambda: not bus.connected)
    with pytest.raises(ConnectionError, match="there is no server"):
        await bus.flush()

    await bus.publish("kept", b"first")
    await bus.publish("too-much", bytes(nats.PENDING_BYTES))
    assert bus.dropped == 1
    server.heard = b""
    await server.open()

    await until(lambda: b"PUB kept 5\r\nfirst\r\n" in server.heard)
    assert b"SUB pbft.* 0\r\n" in server.heard
    assert b"too-much" not in server.heard


async def test_a_flush_fails_when_the_server_goes_away_before_its_answer(
    bus: NatsBus, server: Server
) -> None:
    server.answers = False
    flushing = asyncio.create_task(bus.flush())
    await until(lambda: server.heard.count(b"PING\r\n") == 2)
    await server.close()

    with pytest.raises(ConnectionError, match="went away"):
        await flushing
    await server.open()


async def test_a_server_that_answers_no_more_is_left(
    bus: NatsBus, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nats, "PING_S", 0.01)
    server.say(b"MSG nonsense\r\n")
    await until(lambda: server.greeted == 2 and bus.connected)

    server.answers = False
    await until(lambda: server.greeted > 2)
    server.answers = True
    await until(lambda: bus.connected)


async def test_a_credential_that_cannot_be_used_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(Malformed, match="cannot read the bus credential"):
        await NatsBus.connect(tmp_path / "missing")
