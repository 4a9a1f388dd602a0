"""Who gets in, what for, and for how long; and the plain pages beside the stream."""

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Origin, Subprotocol

from engine.codec import Malformed
from engine.stream.access import Grant, Listen, Scope, check, shown_token, sign
from engine.stream.certificates import make_certificate
from engine.stream.hub import Hub
from engine.stream.link import Target
from engine.stream.wire import (
    JSON,
    Command,
    Hello,
    Reply,
    Start,
    decode_from_server,
    encode_message,
)
from tests.story import calm
from tests.unit.stream.watcher import TOKEN, Watcher
from tests.until import until


async def _takes_all(command: Command) -> Reply:
    return Reply(command.id, True)


def _hub(listen: Listen | None = None) -> Hub:
    return Hub(token=TOKEN, epoch=1, on_command=_takes_all, listen=listen)


@asynccontextmanager
async def _started(hub: Hub, token: str) -> AsyncGenerator[tuple[ClientConnection, Hello]]:
    async with connect(
        hub.address,
        additional_headers={"Authorization": f"Bearer {token}"},
        subprotocols=[Subprotocol(JSON)],
        proxy=None,
    ) as connection:
        hello = decode_from_server(await connection.recv())
        assert isinstance(hello, Hello)
        await connection.send(encode_message(Start()), text=True)
        await connection.recv()
        yield connection, hello


async def _get(hub: Hub, path: str, *headers: str) -> tuple[int, str]:
    reader, writer = await asyncio.open_connection("127.0.0.1", int(hub.address.rsplit(":")[-1]))
    lines = [f"GET {path} HTTP/1.1", f"Host: {hub.address.removeprefix('ws://')}", *headers]
    writer.write(("\r\n".join(lines) + "\r\n\r\n").encode())
    answer = (await reader.read()).decode()
    writer.close()
    await writer.wait_closed()
    return int(answer.split()[1]), answer.partition("\r\n\r\n")[2]


# --- tokens --------------------------------------------------------------------------------------


def test_a_signed_token_gives_what_it_says_until_it_is_over() -> None:
    grant = Grant(Scope.VIEWER, "wall display", 5_000)
    token = sign(TOKEN, grant)

    assert check(TOKEN, token, 4_999) == grant
    assert check(TOKEN, token, 5_000) is None
    assert check("u" * 43, token, 0) is None
    assert check(TOKEN, TOKEN, 0) == Grant(Scope.ADMIN)


@given(st.text(max_size=80) | st.binary(max_size=60).map(lambda data: f"v1.{data.hex()}.aa"))
def test_no_other_text_is_a_token(shown: str) -> None:
    assert check(TOKEN, shown, 0) is None


@given(st.integers(0, 200), st.characters(codec="ascii"))
def test_a_token_with_another_letter_is_none(place: int, letter: str) -> None:
    token = sign(TOKEN, Grant(Scope.VIEWER))
    place %= len(token)  # Also the last letter of each part, which has spare bits.
    changed = token[:place] + letter + token[place + 1 :]

    assert changed == token or check(TOKEN, changed, 0) is None


@pytest.mark.parametrize("offered", [["bearer.é"], ["bearer.AA", "bearer.AA"], ["bearer.*"]])
def test_a_handshake_shows_one_token_or_none(offered: list[str]) -> None:
    assert shown_token([], offered) is None
    assert shown_token(["Bearer a", "Bearer b"], []) is None
    assert shown_token(["Bearer a"], ["bearer.YQ"]) is None


async def test_a_viewer_may_look_and_no_more() -> None:
    async with _hub().serving() as hub:
        token = sign(TOKEN, Grant(Scope.VIEWER))
        async with _started(hub, token) as (connection, hello):
            await connection.send(encode_message(Command("c-1", b"x")), text=True)
            reply = decode_from_server(await connection.recv())

    assert hello.scope == "viewer"
    assert reply == Reply("c-1", False, "this token is for looking only")


async def test_a_connection_ends_with_its_token() -> None:
    async with _hub().serving() as hub:
        soon = Grant(Scope.OPERATOR, "", int(time.time() * 1000) + 1500)
        async with _started(hub, sign(TOKEN, soon)) as (connection, _):
            with suppress(ConnectionClosed):
                async for _ in connection:  # Until it is closed.
                    pass

    assert connection.close_code == 4401


# --- names, origins, addresses -------------------------------------------------------------------


async def _from_page(hub: Hub, origin: str) -> None:
    async with connect(
        hub.address,
        origin=Origin(origin),
        additional_headers={"Authorization": f"Bearer {TOKEN}"},
        subprotocols=[Subprotocol(JSON)],
        proxy=None,
    ) as connection:
        assert isinstance(decode_from_server(await connection.recv()), Hello)


async def test_a_page_of_a_named_origin_may_connect_and_no_other() -> None:
    async with _hub(Listen(origins=("https://board.example",))).serving() as hub:
        await _from_page(hub, "https://board.example")
        with pytest.raises(InvalidStatus) as caught:
            await _from_page(hub, "https://evil.example")

        assert caught.value.response.status_code == 403


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "::", "board.example"])
def test_nothing_beyond_loopback_is_served_in_the_clear(host: str) -> None:
    with pytest.raises(Malformed, match="TLS only"):
        Listen(host).check()


@pytest.mark.parametrize(
    ("host", "known"),
    [
        ("127.0.0.1:80", True),
        ("localhost", True),
        ("[::1]:9", True),
        ("board.example:443", True),
        ("evil.example:443", False),
        ("", False),
        ("127.0.0.1.evil.example:1", False),
    ],
)
def test_only_names_of_ours_are_answered_to(host: str, known: bool) -> None:
    assert Listen(names=("board.example",)).answers_to(host) is known


async def test_the_stream_is_the_same_over_tls(tmp_path: Path) -> None:
    certificate, key = make_certificate(tmp_path)
    async with _hub(Listen(certificate=certificate, key=key)).serving() as hub:
        trusted = Target(hub.tls_address, TOKEN, certificate)
        async with Watcher(lambda: trusted) as watcher:
            for at_ms in range(1, 4):
                state = calm(at_ms * 5_000)
                hub.publish(state)
                await until(lambda state=state: watcher.state == state)  # type: ignore[misc]
        async with Watcher(lambda: Target(hub.tls_address, TOKEN)) as stranger:
            await until(lambda: stranger.reasons)

    assert "not trusted" in stranger.reasons[0]


# --- plain pages ---------------------------------------------------------------------------------


async def test_health_is_for_everybody_and_metrics_are_for_who_has_a_token() -> None:
    async with _hub().serving() as hub:
        hub.publish(calm())

        status, said = await _get(hub, "/healthz")
        assert (status, said[:2]) == (200, "ok")
        assert (await _get(hub, "/metrics"))[0] == 401
        status, page = await _get(hub, "/metrics", f"Authorization: Bearer {TOKEN}")
        assert status == 200
        assert "# TYPE controlroom_stream_sent_total counter\n" in page
        assert "controlroom_stream_unauthorised_total 1\n" in page
        assert (await _get(hub, "/other", f"Authorization: Bearer {TOKEN}"))[0] == 404


async def test_an_engine_that_publishes_nothing_is_not_well(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("engine.stream.door.STALE_S", 0.0)
    async with _hub().serving() as hub:
        assert (await _get(hub, "/healthz"))[0] == 503
