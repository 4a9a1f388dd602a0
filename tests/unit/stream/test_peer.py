"""One connection, byte by byte: what may come in one piece, and how it ends."""

import asyncio
import ssl
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from engine.bench.stream_hostile import ATTACKS, masked
from engine.stream import peer as peer_module
from engine.stream.access import Listen
from engine.stream.certificates import make_certificate
from engine.stream.hub import Hub
from engine.stream.link import Target
from engine.stream.tls import Tls, server_context
from engine.stream.wire import JSON, Command, Reply, Start, encode_message
from tests.story import story
from tests.unit.stream.watcher import TOKEN, Watcher
from tests.until import until


class _Taker:
    def __init__(self) -> None:
        self.taken: list[str] = []

    async def __call__(self, command: Command) -> Reply:
        self.taken.append(command.id)
        return Reply(command.id, accepted=True)


def _hub(taker: _Taker | None = None, listen: Listen | None = None) -> Hub:
    return Hub(token=TOKEN, epoch=1, on_command=taker or _Taker(), listen=listen)


def _request(hub: Hub) -> bytes:
    return (
        f"GET / HTTP/1.1\r\nHost: {hub.address.removeprefix('ws://')}\r\nUpgrade: websocket\r\n"
        "Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: {JSON}\r\n"
        f"Authorization: Bearer {TOKEN}\r\n\r\n"
    ).encode()


async def _said(hub: Hub, data: bytes, step: int = 1 << 20) -> bytes:
    """What the hub answers to ``data``, written in pieces, until it closes the connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", int(hub.address.rpartition(":")[2]))
    with suppress(ConnectionError):
        for start in range(0, len(data), step):
            writer.write(data[start : start + step])
            await writer.drain()
    answer = b""
    with suppress(ConnectionError):
        async with asyncio.timeout(10):
            answer = await reader.read()
    writer.close()
    return answer


def _close(code: int) -> bytes:
    return masked(0x88, code.to_bytes(2, "big"))


@pytest.mark.parametrize("step", [1, 7, 1 << 20])
async def test_a_conversation_may_come_in_any_pieces(step: int) -> None:
    taker = _Taker()
    whole = encode_message(Command("c-2", b"x" * 2_000))
    data = b"".join(
        [
            masked(0x81, encode_message(Start())),
            masked(0x81, encode_message(Command("c-1", b"x"))),
            masked(0x01, whole[:40]),
            masked(0x89, b"ping between"),
            masked(0x80, whole[40:]),
            _close(1000),
        ]
    )
    async with _hub(taker).serving() as hub:
        answer = await _said(hub, _request(hub) + data, step)

    assert answer.startswith(b"HTTP/1.1 101 ")
    assert b"\x8a\x0cping between" in answer
    assert taker.taken == ["c-1", "c-2"]
    assert b"\x88\x02\x03\xe8" in answer


async def test_a_reason_in_any_alphabet_fits_into_a_closing_frame() -> None:
    lanes = '{"op":"start","lanes":["' + "é" * 200 + '"]}'
    async with _hub().serving() as hub:
        answer = await _said(hub, _request(hub) + masked(0x81, lanes.encode()))
        await until(lambda: hub.counters.malformed == 1)

    closing = answer[answer.rindex(b"\x88") :]
    assert int.from_bytes(closing[2:4], "big") == 1008
    assert len(closing) - 2 == closing[1] <= 125


async def test_a_host_named_twice_is_refused() -> None:
    async with _hub().serving() as hub:
        answer = await _said(
            hub, _request(hub).replace(b"Upgrade: w", b"Host: 127.0.0.1\r\nUpgrade: w", 1)
        )

    assert answer.startswith(b"HTTP/1.1 403 ")


async def test_who_never_finishes_the_handshake_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peer_module, "OPEN_S", 0.2)
    async with _hub().serving() as hub:
        assert await _said(hub, b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n") == b""
        await until(lambda: hub.connections == 0)


@pytest.mark.parametrize("name", ATTACKS)
async def test_an_attack_ends_and_leaves_nothing(
    name: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(peer_module, "OPEN_S", 0.5)
    data = ATTACKS[name].replace(b"bench-" * 8, TOKEN.encode())
    async with _hub().serving() as hub, Watcher(lambda: Target(hub.address, TOKEN)) as healthy:
        await until(lambda: healthy.received)
        await _said(hub, data)
        hub.publish(story()[1])
        await until(lambda: healthy.state == story()[1])
        await until(lambda: hub.connections == 1)

        assert (healthy.reasons, healthy.link.resyncs, hub.clients) == ([], 0, 1)
    assert not caplog.records


@settings(max_examples=25, deadline=None)
@given(st.lists(st.binary(max_size=40), max_size=8), st.booleans())
def test_no_bytes_break_a_connection_but_their_own(pieces: list[bytes], admitted: bool) -> None:
    async def main() -> None:
        problems: list[object] = []
        asyncio.get_running_loop().set_exception_handler(
            lambda _, about: problems.append(about["message"])
        )
        async with _hub().serving() as hub:
            reader, writer = await asyncio.open_connection(
                "127.0.0.1", int(hub.address.rpartition(":")[2])
            )
            writer.write((_request(hub) if admitted else b"") + b"".join(pieces))
            writer.write_eof()
            with suppress(ConnectionError):
                async with asyncio.timeout(10):
                    await reader.read()
            writer.close()
            await until(lambda: hub.connections == 0)
        assert problems == []

    asyncio.run(main())


# --- TLS -----------------------------------------------------------------------------------------


def _client(server: Tls) -> tuple[ssl.SSLObject, ssl.MemoryBIO, ssl.MemoryBIO]:
    """A client that has shaken hands with ``server``, and what it reads and writes."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = context.wrap_bio(incoming, outgoing)
    for _ in range(3):
        with suppress(ssl.SSLWantReadError):
            client.do_handshake()
        assert server.opened(outgoing.read()) == b""
        incoming.write(server.waiting())
    return client, incoming, outgoing


@pytest.fixture(scope="module")
def context(tmp_path_factory: pytest.TempPathFactory) -> ssl.SSLContext:
    certificate, key = make_certificate(tmp_path_factory.mktemp("tls"))
    return server_context(Listen(certificate=certificate, key=key))


@given(st.lists(st.binary(min_size=1, max_size=40_000), max_size=4), st.integers(1, 5_000))
@settings(max_examples=25, deadline=None)
def test_tls_opens_what_was_sealed_in_any_pieces(
    context: ssl.SSLContext, messages: list[bytes], step: int
) -> None:
    server = Tls(context)
    client, incoming, outgoing = _client(server)

    for message in messages:
        client.write(message)
        sealed, opened = outgoing.read(), b""
        for start in range(0, len(sealed), step):
            opened += server.opened(sealed[start : start + step])
        assert opened == message
        incoming.write(server.sealed(message))
        back = b""
        while len(back) < len(message):
            back += client.read(len(message))
        assert back == message


@given(st.binary(min_size=1, max_size=400))
@settings(deadline=None)
def test_what_is_not_tls_is_refused_or_waited_for(context: ssl.SSLContext, data: bytes) -> None:
    with suppress(ssl.SSLError):
        assert Tls(context).opened(data) == b""


async def test_a_connection_over_tls_ends_with_a_closing_frame(tmp_path: Path) -> None:
    certificate, key = make_certificate(tmp_path)
    async with _hub(listen=Listen(certificate=certificate, key=key)).serving() as hub:
        async with connect(
            hub.tls_address,
            ssl=ssl.create_default_context(cafile=certificate),
            additional_headers={"Authorization": f"Bearer {TOKEN}"},
            subprotocols=[Subprotocol(JSON)],
            proxy=None,
        ) as connection:
            await connection.recv()
            await connection.send("nonsense")
            with suppress(ConnectionClosed):
                await connection.recv()
        half = await asyncio.open_connection("127.0.0.1", int(hub.tls_address.rpartition(":")[2]))
        await until(lambda: hub.connections == 1)  # Counted before it has said anything.
        half[1].close()
        await until(lambda: hub.connections == 0)

    assert connection.close_code == 1008
