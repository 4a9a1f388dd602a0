"""The hub and the link, over real WebSockets on loopback."""

import asyncio
import os
import random
import resource
import socket
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar, cast

import pytest
from msgspec.structs import replace
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidMessage, InvalidStatus
from websockets.typing import Origin, Subprotocol

from controlroom.plain import tell
from engine.clock import SystemClock
from engine.codec import Malformed
from engine.paths import RunPaths
from engine.stream.connection import (
    Answered,
    Connected,
    Happened,
    LinkEvent,
    Received,
    Waiting,
)
from engine.stream.hub import Hub, open_hub
from engine.stream.link import Link, NotConnected, NotFound, Target, Wish, check_address
from engine.stream.runs import Place, register, target_of
from engine.stream.state import ScreenState
from engine.stream.token import load_or_create_token, read_token
from engine.stream.wire import (
    BINARY,
    JSON,
    Command,
    Delta,
    Event,
    Hello,
    Lane,
    Reply,
    ServerMessage,
    Snapshot,
    Start,
    Status,
    decode_from_server,
    encode_message,
)
from tests.story import calm, story
from tests.until import until

TOKEN = "t" * 43
L = TypeVar("L", bound=LinkEvent)


async def _refuses_all(command: Command) -> Reply:
    return Reply(command.id, False, "nobody is here")


def _hub(epoch: int = 1) -> Hub:
    return Hub(token=TOKEN, epoch=epoch, on_command=_refuses_all)


@asynccontextmanager
async def _client(
    hub: Hub,
    token: str = TOKEN,
    origin: str | None = None,
    **more: Any,  # noqa: ANN401 -- as connect
) -> AsyncGenerator[ClientConnection]:
    async with connect(
        hub.address,
        additional_headers={"Authorization": f"Bearer {token}"},
        subprotocols=[Subprotocol(JSON)],
        origin=Origin(origin) if origin else None,
        compression=None,
        proxy=None,
        **more,
    ) as connection:
        yield connection


@asynccontextmanager
async def _started(
    hub: Hub,
    **more: Any,  # noqa: ANN401 -- as connect
) -> AsyncGenerator[tuple[ClientConnection, Snapshot]]:
    async with _client(hub, **more) as connection:
        assert isinstance(decode_from_server(await connection.recv()), Hello)
        await connection.send(encode_message(Start()), text=True)
        snapshot = decode_from_server(await connection.recv())
        assert isinstance(snapshot, Snapshot)
        yield connection, snapshot


class Watcher:
    """Runs a link and remembers what it told."""

    def __init__(self, find: Callable[[], Target], wish: Wish | None = None) -> None:
        self.events: list[LinkEvent] = []
        self.link = Link(find, self.events.append, SystemClock(), random.Random(1), wish)

    async def __aenter__(self) -> "Watcher":
        self._task = asyncio.create_task(self.link.run())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    def all(self, kind: type[L]) -> list[L]:
        return [event for event in self.events if isinstance(event, kind)]

    @property
    def state(self) -> ScreenState | None:
        shown = [event for event in self.events if isinstance(event, Received)]
        return shown[-1].snapshot.state if shown else None


# --- who gets in ---------------------------------------------------------------------------------


@pytest.mark.parametrize("token", ["", "wrong", TOKEN + "x", TOKEN[:-1]])
async def test_a_wrong_token_is_turned_away_with_401(token: str) -> None:
    async with _hub().serving() as hub:
        with pytest.raises(InvalidStatus) as caught:
            async with _client(hub, token):
                pass

        assert caught.value.response.status_code == 401
        assert hub.counters.unauthorised == 1


async def test_a_token_in_the_address_opens_nothing() -> None:
    async with _hub().serving() as hub:
        with pytest.raises(InvalidStatus) as caught:
            async with connect(f"{hub.address}/?token={TOKEN}", proxy=None):
                pass

        assert caught.value.response.status_code == 401


async def test_a_web_page_is_turned_away_even_with_the_token() -> None:
    async with _hub().serving() as hub:
        with pytest.raises(InvalidStatus) as caught:
            async with _client(hub, origin="http://evil.example"):
                pass

        assert caught.value.response.status_code == 403


async def test_another_host_name_is_turned_away() -> None:
    async with _hub().serving() as hub:
        port = int(hub.address.rpartition(":")[2])
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(
            b"GET / HTTP/1.1\r\nHost: rebound.example:80\r\nUpgrade: websocket\r\n"
            b"Connection: Upgrade\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
            b"Sec-WebSocket-Version: 13\r\nAuthorization: Bearer " + TOKEN.encode() + b"\r\n\r\n"
        )
        answer = await reader.readline()
        writer.close()
        await writer.wait_closed()

        assert b"403" in answer


async def test_a_client_of_another_protocol_is_turned_away() -> None:
    async with _hub().serving() as hub:
        with pytest.raises(InvalidStatus) as caught:
            async with connect(
                hub.address, additional_headers={"Authorization": f"Bearer {TOKEN}"}, proxy=None
            ):
                pass

        assert caught.value.response.status_code == 400


def test_the_token_file_is_for_its_owner_only(tmp_path: Path) -> None:
    token = load_or_create_token(tmp_path / "token")

    assert (tmp_path / "token").stat().st_mode & 0o777 == 0o600
    assert load_or_create_token(tmp_path / "token") == token
    (tmp_path / "token").chmod(0o644)
    with pytest.raises(Malformed, match="chmod 600"):
        read_token(tmp_path / "token")
    (tmp_path / "short").write_text("abc\n")
    (tmp_path / "short").chmod(0o600)
    with pytest.raises(Malformed, match="no token"):
        read_token(tmp_path / "short")


@pytest.mark.parametrize(
    "url",
    [
        "ws://192.0.2.1:80",
        "http://127.0.0.1:1",
        "ws://127.0.0.1",
        "nonsense",
        "ws://[::1",
        "ws://x:y",
    ],
)
def test_an_address_that_would_show_the_token_to_a_network_is_refused(url: str) -> None:
    with pytest.raises(NotFound):
        check_address(url)


# --- what they see -------------------------------------------------------------------------------


async def test_every_screen_ends_at_the_published_state() -> None:
    frames = story()
    async with _hub().serving() as hub, AsyncExitStack() as stack:
        watchers = [
            await stack.enter_async_context(Watcher(lambda: Target(hub.address, TOKEN)))
            for _ in range(3)
        ]
        for frame in frames:
            hub.publish(frame)
            await until(lambda frame=frame: all(w.state == frame for w in watchers))  # type: ignore[misc]

        assert all(w.link.resyncs == 0 for w in watchers)


async def test_many_states_in_one_tick_travel_as_one() -> None:
    async with _hub().serving() as hub, _started(hub) as (connection, snapshot):
        for number in range(1, 500):
            hub.publish(calm(number))

        delta = decode_from_server(await connection.recv())

        assert isinstance(delta, Delta)
        assert (delta.base, delta.seq) == (snapshot.seq, snapshot.seq + 1)
        assert delta.changes.at_ms == 499


async def test_one_connection_too_many_is_cut_off_and_counted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    monkeypatch.setattr("engine.stream.door.SPARE_DESCRIPTORS", hard - 1)
    async with _hub().serving() as hub, _started(hub) as (first, _):
        with pytest.raises((ConnectionError, InvalidMessage)):
            async with _client(hub):
                pass
        hub.publish(calm())

        assert isinstance(decode_from_server(await first.recv()), Delta)
        assert (hub.counters.refused, hub.clients) == (1, 1)


async def test_a_crowd_of_many_kinds_is_served_each_in_its_own_way() -> None:
    wishes = [
        Wish(lanes=lanes, form=form)
        for form in (BINARY, JSON)
        for lanes in ((), (Lane.TIMELINE,), (Lane.LEDGER,))
    ]
    async with _hub().serving() as hub, AsyncExitStack() as stack:
        watchers = [
            await stack.enter_async_context(Watcher(lambda: Target(hub.address, TOKEN), wish))
            for wish in wishes * 3
        ]
        await until(lambda: hub.clients == len(watchers))
        for number, frame in enumerate(story()):
            hub.publish(frame)
            hub.tell([Event(Lane.TIMELINE, str(number), timeline=story()[-1].timeline[0])])
            await until(lambda frame=frame: all(it.state == frame for it in watchers))  # type: ignore[misc]

        for watcher, wish in zip(watchers, wishes * 3, strict=True):
            told = [event for said in watcher.all(Happened) for event in said.events]
            assert len(told) == (len(story()) if Lane.TIMELINE in wish.lanes else 0)
            assert watcher.link.resyncs == 0


async def test_a_fault_of_ours_ends_the_hub_instead_of_leaving_screens_still() -> None:
    async def serve_nonsense() -> None:
        async with _hub().serving() as hub, Watcher(lambda: Target(hub.address, TOKEN)) as watcher:
            await until(lambda: watcher.state is not None)
            hub.publish("no state")  # type: ignore[arg-type]
            await asyncio.Event().wait()

    with pytest.raises(ExceptionGroup):
        await serve_nonsense()


async def test_a_client_that_does_not_start_is_turned_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.stream.hub.START_S", 0.05)
    async with _hub().serving() as hub, _client(hub) as connection:
        await connection.recv()
        with pytest.raises(ConnectionClosed) as caught:
            await connection.recv()

        assert caught.value.rcvd is not None
        assert caught.value.rcvd.code == 1008


async def test_a_slow_screen_is_skipped_and_resynced_and_costs_the_others_nothing() -> None:
    big = calm()
    big = replace(big, notices=("x" * 200_000,))
    async with _hub().serving() as hub, Watcher(lambda: Target(hub.address, TOKEN)) as healthy:
        narrow = socket.create_connection(("127.0.0.1", int(hub.address.rpartition(":")[2])))
        narrow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        async with _started(hub, sock=narrow, max_queue=1, max_size=None) as (slow, _):
            slow.transport.pause_reading()
            at_ms, last = 1, big
            while hub.counters.skipped < 3:
                at_ms += 1
                last = replace(big, at_ms=at_ms, notices=(f"{at_ms}" + "x" * 200_000,))
                hub.publish(last)
                await until(lambda last=last: healthy.state == last)  # type: ignore[misc]
            slow.transport.resume_reading()

            # It may have caught up once in between: each gap says how much was left out.
            skipped, shown = 0, calm()
            while shown != last:
                message = decode_from_server(await slow.recv())
                if isinstance(message, Snapshot) and message.gap:
                    skipped, shown = skipped + message.skipped, message.state

        assert skipped >= 3
        assert healthy.link.resyncs == 0


async def test_a_screen_that_reads_again_is_served_before_its_next_tick() -> None:
    async with _hub().serving() as hub:
        narrow = socket.create_connection(("127.0.0.1", int(hub.address.rpartition(":")[2])))
        narrow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        async with _client(hub, sock=narrow, max_size=None, close_timeout=0.1) as slow:
            await slow.recv()
            await slow.send(encode_message(Start(hz=1)), text=True)
            await until(lambda: hub.clients == 1)
            slow.transport.pause_reading()
            (client,) = hub.screens
            hub.publish(replace(calm(), notices=("x" * 4_000_000,)))
            await until(client.pending)
            hub.publish(calm(2))
            await until(lambda: client.skipped)
            # Its class has just been served: the next tick is nearly a second away.
            due_s = hub._fan_out._due_s[1]
            slow.transport.resume_reading()
            await until(lambda: not client.skipped)

            assert time.monotonic() < due_s


async def test_a_screen_that_takes_nothing_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.stream.pace.EVICT_S", 0.05)
    async with _hub().serving() as hub:
        narrow = socket.create_connection(("127.0.0.1", int(hub.address.rpartition(":")[2])))
        narrow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        async with _started(hub, sock=narrow, close_timeout=0.1) as (slow, _):
            slow.transport.pause_reading()
            hub.publish(replace(calm(), notices=("x" * 4_000_000,)))
            await until(lambda: hub.counters.sent == 2)
            hub.publish(calm(2))
            await until(lambda: hub.counters.evicted)
            await until(lambda: hub.clients == 0)
            slow.transport.abort()


async def test_a_screen_that_says_nothing_gets_less_and_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("engine.stream.pace.ACK_S", 0.1)
    async with _hub().serving() as hub, _started(hub) as (silent, first):
        number, message = 0, cast("ServerMessage", first)
        while not isinstance(message, Status):
            number += 1
            hub.publish(replace(calm(), notices=(str(number),)))
            message = decode_from_server(await silent.recv())

        assert message == Status(5, "too slow")
        assert hub.counters.demoted == 1


async def test_garbage_ends_its_sender_and_nobody_else() -> None:
    async with _hub().serving() as hub, Watcher(lambda: Target(hub.address, TOKEN)) as watcher:
        for garbage in (b"\xff\xfe", "[]", '{"op":"command"}', "{" * 5000, '{"op":"start"}'):
            async with _started(hub) as (connection, _):
                await connection.send(garbage)
                with suppress(ConnectionClosed):
                    async for _ in connection:  # Ends with the connection.
                        pass
        hub.publish(calm())
        await until(lambda: watcher.state == calm())

        assert hub.counters.malformed == 5
        assert not watcher.all(Waiting)


# --- the one way back ----------------------------------------------------------------------------


async def test_a_command_reaches_the_engine_byte_for_byte_and_its_reply_comes_back() -> None:
    taken: list[Command] = []

    async def take(command: Command) -> Reply:
        taken.append(command)
        return Reply(command.id, True)

    hub = Hub(token=TOKEN, epoch=1, on_command=take)
    async with hub.serving(), Watcher(lambda: Target(hub.address, TOKEN)) as watcher:
        await until(lambda: watcher.all(Received))
        command = Command("anna-1", bytes(range(256)))
        await watcher.link.send(command)
        await until(lambda: watcher.all(Answered))

        assert taken == [command]
        assert watcher.all(Answered) == [Answered(Reply("anna-1", True))]


async def test_a_command_without_a_connection_says_so() -> None:
    link = Link(lambda: Target("", ""), lambda _: None, SystemClock(), random.Random(1))

    with pytest.raises(NotConnected):
        await link.send(Command("anna-1", b""))


# --- coming back ---------------------------------------------------------------------------------


async def test_a_link_comes_back_when_the_engine_restarts(tmp_path: Path) -> None:
    paths = RunPaths(tmp_path / "run").make()
    async with Watcher(lambda: target_of(paths)) as watcher:
        await until(lambda: watcher.all(Waiting))
        for epoch in (1, 2):
            async with open_hub(paths, epoch=epoch, on_command=_refuses_all) as hub:
                hub.publish(calm(epoch))
                await until(lambda epoch=epoch: watcher.state == calm(epoch))  # type: ignore[misc]
            await until(lambda: isinstance(watcher.events[-1], Waiting))

    waits = [event for event in watcher.events if isinstance(event, Waiting)]
    assert len(watcher.all(Connected)) == 2
    assert "not up yet" in waits[0].reason
    assert any("going away" in wait.reason for wait in waits)
    assert not paths.stream_address.exists()


async def test_a_link_that_missed_an_update_asks_for_a_snapshot() -> None:
    async with _hub().serving() as hub, Watcher(lambda: Target(hub.address, TOKEN)) as watcher:
        await until(lambda: watcher.all(Received))
        known = watcher.link._known
        assert known is not None
        watcher.link._known = Snapshot(known.epoch, known.seq + 5, known.state)
        hub.publish(calm())
        await until(lambda: watcher.state == calm())

        assert watcher.link.resyncs == 1


async def test_a_refused_token_is_told_and_tried_again(tmp_path: Path) -> None:
    async with _hub().serving() as hub, Watcher(lambda: Target(hub.address, "x" * 43)) as watcher:
        await until(lambda: len(watcher.all(Waiting)) >= 2)

        first = watcher.events[0]
        assert isinstance(first, Waiting)
        assert first.reason == "the engine refused the token"


def test_the_newest_live_run_is_found(tmp_path: Path) -> None:
    place = Place(registry=tmp_path / "runs")
    with pytest.raises(NotFound, match="start one with"):
        place.target()
    dead = RunPaths(tmp_path / "dead").make()
    live = RunPaths(tmp_path / "live").make()
    register(dead, 2**22 + 1, tmp_path / "runs")
    register(live, os.getpid(), tmp_path / "runs")
    (tmp_path / "runs" / "broken.json").write_text("{")
    with pytest.raises(NotFound, match="not up yet"):
        place.target()
    live.stream_address.write_text("ws://127.0.0.1:9\n")
    token = load_or_create_token(live.stream_token)

    assert place.target() == Target("ws://127.0.0.1:9", token)
    assert token not in repr(place.target())


def test_an_address_given_by_hand_needs_a_token(tmp_path: Path) -> None:
    place = Place(root=tmp_path, url="ws://127.0.0.1:9", token_file=tmp_path / "token")
    with pytest.raises(NotFound, match="cannot read the token"):
        place.target()

    token = load_or_create_token(tmp_path / "token")

    assert place.target() == Target("ws://127.0.0.1:9", token)
    with pytest.raises(NotFound, match="cannot read the key"):
        place.operator()


async def test_the_plain_teller_follows_an_engine_through_a_restart(tmp_path: Path) -> None:
    paths = RunPaths(tmp_path / "run").make()
    said: list[str] = []
    telling = asyncio.create_task(tell(Place(root=paths.root), lambda: 0, said.append))
    try:
        for epoch in (1, 2):
            async with open_hub(paths, epoch=epoch, on_command=_refuses_all) as hub:
                for frame in story():
                    hub.publish(frame)
                    await until(lambda frame=frame: hub.shown == frame)  # type: ignore[misc]
                await until(lambda: any(" closed " in line for line in said))
                await until(lambda epoch=epoch: sum(" connected\n" in x for x in said) == epoch)  # type: ignore[misc]
    finally:
        telling.cancel()
        await asyncio.gather(telling, return_exceptions=True)

    assert sum(" opened " in line for line in said) >= 1
    assert all(line.endswith("\n") for line in said)


async def test_a_closed_pipe_ends_the_telling(tmp_path: Path) -> None:
    def write(_: str) -> None:
        raise BrokenPipeError

    with pytest.raises(BrokenPipeError):
        await tell(Place(root=tmp_path), lambda: 0, write)
