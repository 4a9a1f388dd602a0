"""A thousand screens, stalled ones, and hostile ones."""

import asyncio
import socket
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack, suppress

import pytest
from msgspec.structs import replace
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake
from websockets.typing import Origin, Subprotocol

from engine.stream.frames import framed
from engine.stream.hub import Hub
from engine.stream.link import Target, Wish
from engine.stream.wire import (
    BINARY,
    JSON,
    Command,
    Event,
    Lane,
    Reply,
    Snapshot,
    Start,
    decode_from_server,
    encode_message,
)
from tests.story import calm, story
from tests.unit.stream.frames import messages_in
from tests.unit.stream.watcher import TOKEN, Watcher
from tests.until import until

Attack = Callable[[Hub], Coroutine[None, None, None]]
NOTE = Event(Lane.TIMELINE, "shop/checkout#1", timeline=story()[-1].timeline[0])


async def _takes_all(command: Command) -> Reply:
    return Reply(command.id, True)


def _hub(epoch: int = 1) -> Hub:
    return Hub(token=TOKEN, epoch=epoch, on_command=_takes_all)


def _port(hub: Hub) -> int:
    return int(hub.address.rpartition(":")[2])


async def _hostile(
    hub: Hub, token: str = TOKEN, origin: str = "", form: str = JSON
) -> ClientConnection:
    connection = await connect(
        hub.address,
        additional_headers={"Authorization": f"Bearer {token}"},
        origin=Origin(origin) if origin else None,
        subprotocols=[Subprotocol(form)],
        compression=None,
        proxy=None,
    )
    await connection.recv()
    return connection


# --- every one of them right ---------------------------------------------------------------------


@pytest.mark.timeout(120)
@pytest.mark.slow
async def test_a_thousand_clients_each_end_at_the_state_of_the_engine() -> None:
    frames = story()[1::3]
    async with _hub().serving() as hub, AsyncExitStack() as stack:
        watchers = [
            Watcher(
                lambda: Target(hub.address, TOKEN),
                Wish(hz=(60, 20, 5, 1)[n % 4], lanes=(Lane.TIMELINE,), form=(BINARY, JSON)[n % 2]),
            )
            for n in range(1000)
        ]
        for batch in range(0, 1000, 50):
            for watcher in watchers[batch : batch + 50]:
                await stack.enter_async_context(watcher)
            await until(lambda batch=batch: hub.clients >= batch + 50, 60)  # type: ignore[misc]
        for number, frame in enumerate(frames):
            hub.publish(frame)
            hub.tell([replace(NOTE, incident=str(number))])
            await until(lambda frame=frame: watchers[0].state == frame, 60)  # type: ignore[misc]
        await until(lambda: all(watcher.state == frames[-1] for watcher in watchers), 60)
        await until(lambda: all(len(watcher.told) == len(frames) for watcher in watchers), 60)

        assert hub.shown == frames[-1]
        for watcher in watchers:
            assert [int(event.incident) for event in watcher.told] == list(range(len(frames)))
            assert (watcher.link.resyncs, watcher.lost) == (0, 0)


async def test_a_faster_class_gets_more_of_the_same() -> None:
    async with (
        _hub().serving() as hub,
        Watcher(lambda: Target(hub.address, TOKEN), Wish(hz=60)) as quick,
        Watcher(lambda: Target(hub.address, TOKEN), Wish(hz=1)) as lazy,
    ):
        await until(lambda: quick.received and lazy.received)
        for number in range(1, 30):
            state = replace(calm(), notices=(str(number),))
            hub.publish(state)
            await until(lambda state=state: quick.state == state)  # type: ignore[misc]
        await until(lambda: lazy.state == quick.state)

        assert quick.received >= 30
        assert lazy.received < 20


# --- coming back ---------------------------------------------------------------------------------


async def test_a_link_that_comes_back_goes_on_where_it_was() -> None:
    async with (
        _hub().serving() as hub,
        Watcher(lambda: Target(hub.address, TOKEN), Wish(lanes=(Lane.TIMELINE,))) as watcher,
    ):
        await until(lambda: watcher.received)
        hub.publish(story()[1])
        hub.tell([replace(NOTE, incident="1")])
        await until(lambda: watcher.told)
        await until(lambda: watcher.state == story()[1])
        snapshots = hub.counters.snapshots

        assert watcher.link._connection is not None
        watcher.link._connection.transport.abort()
        await until(lambda: watcher.reasons)
        hub.tell([replace(NOTE, incident=str(number)) for number in (2, 3)])
        hub.publish(story()[5])
        watcher.link.hurry()
        await until(lambda: watcher.state == story()[5])
        await until(lambda: len(watcher.told) == 3)

        assert [event.incident for event in watcher.told] == ["1", "2", "3"]
        assert hub.counters.snapshots == snapshots


async def test_a_stalled_client_is_in_sync_with_the_first_thing_after_what_it_had_waiting() -> None:
    async with _hub().serving() as hub, Watcher(lambda: Target(hub.address, TOKEN)) as healthy:
        narrow = socket.create_connection(("127.0.0.1", _port(hub)))
        narrow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        async with connect(
            hub.address,
            sock=narrow,
            additional_headers={"Authorization": f"Bearer {TOKEN}"},
            subprotocols=[Subprotocol(BINARY)],
            compression=None,
            proxy=None,
            max_queue=1,
            max_size=None,
        ) as slow:
            await slow.recv()
            await slow.send(encode_message(Start(lanes=(Lane.TIMELINE,))), text=True)
            await until(lambda: hub.clients == 2)
            slow.transport.pause_reading()
            number = 0
            while hub.counters.skipped < 5:
                number += 1
                state = replace(calm(), notices=(f"{number}" + "x" * 50_000,))
                hub.tell([replace(NOTE, incident=str(number))])
                hub.publish(state)
                await until(lambda state=state: healthy.state == state)  # type: ignore[misc]
            slow.transport.resume_reading()
            told: list[Event] = []
            snapshot: Snapshot | None = None
            while snapshot is None:
                data = await slow.recv()
                (message,) = messages_in(_as_frame(data), None) or (None,)
                told += getattr(message, "events", ())
                if isinstance(message, Snapshot) and message.gap:
                    snapshot = message

    assert snapshot.state == healthy.state
    assert snapshot.skipped >= 5
    assert [int(event.incident) for event in told] == list(range(1, number + 1))
    assert healthy.link.resyncs == 0


def _as_frame(data: bytes | str) -> bytes:
    return framed(data, 0x82) if isinstance(data, bytes) else framed(data.encode(), 0x81)


# --- hostile ones --------------------------------------------------------------------------------


async def _slow_loris(hub: Hub) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", _port(hub))
    for letter in b"GET / HTTP/1.1\r\nHost: 127":
        writer.write(bytes([letter]))
        await asyncio.sleep(0.02)
    writer.transport.abort()


async def _giant_head(hub: Hub) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", _port(hub))
    writer.write(b"GET /" + b"x" * 1_000_000)
    await writer.drain()
    writer.transport.abort()


async def _giant_frame(hub: Hub) -> None:
    connection = await _hostile(hub)
    with suppress(ConnectionClosed):
        await connection.send("x" * 1_000_000)
        await connection.recv()
    assert connection.close_code == 1009


async def _claimed_giant(hub: Hub) -> None:
    connection = await _hostile(hub)
    connection.transport.write(b"\x82\xff" + (1 << 62).to_bytes(8, "big") + b"abcd")
    with suppress(ConnectionClosed):
        await connection.recv()
    assert connection.close_code is not None


def _wrong(*, token: str = TOKEN, origin: str = "", form: str = JSON) -> Attack:
    async def attack(hub: Hub) -> None:
        with pytest.raises((InvalidHandshake, ConnectionClosed)):
            await _hostile(hub, token, origin, form)

    return attack


async def _flood(hub: Hub) -> None:
    connection = await _hostile(hub)
    with suppress(ConnectionClosed):
        await connection.send(encode_message(Start()), text=True)
        for _ in range(2000):
            await connection.send(encode_message(Command("c", b"x")), text=True)
        while True:
            await connection.recv()
    assert connection.close_code == 1008


def _garbage(data: bytes) -> Attack:
    async def attack(hub: Hub) -> None:
        connection = await _hostile(hub)
        connection.transport.write(data)
        with suppress(ConnectionClosed):
            await connection.recv()
        connection.transport.abort()

    return attack


async def test_hostile_clients_cost_the_others_nothing() -> None:
    attacks = (
        *[_slow_loris] * 20,
        *[_giant_head] * 5,
        *[_giant_frame] * 5,
        *[_claimed_giant] * 5,
        *[_flood] * 5,
        *[_wrong(token="wrong")] * 10,
        *[_wrong(origin="https://evil.example")] * 10,
        *[_wrong(form="chat")] * 5,
        _garbage(b"\xff" * 100),
        _garbage(b"\x01\x80abcd"),
        _garbage(b"\x83\x80abcd"),
    )
    async with _hub().serving() as hub, Watcher(lambda: Target(hub.address, TOKEN)) as healthy:
        await until(lambda: healthy.received)
        attackers = [asyncio.create_task(attack(hub)) for attack in attacks]
        for number in range(1, 40):
            state = replace(calm(), notices=(str(number),))
            hub.publish(state)
            await until(lambda state=state: healthy.state == state)  # type: ignore[misc]
        await asyncio.gather(*attackers)
        hub.publish(story()[-1])
        await until(lambda: healthy.state == story()[-1])
        await until(lambda: hub.clients == 1)

    assert (healthy.reasons, healthy.link.resyncs) == ([], 0)
    assert hub.counters.flooded >= 5


async def test_a_wish_that_comes_twice_happens_once() -> None:
    taken: list[Command] = []

    async def take(command: Command) -> Reply:
        taken.append(command)
        await asyncio.sleep(0)
        return Reply(command.id, accepted=True)

    hub = Hub(token=TOKEN, epoch=1, on_command=take)
    async with hub.serving():
        connection = await _hostile(hub)
        await connection.send(encode_message(Start()), text=True)
        await connection.recv()
        for message in ("1", "2", "3"):
            payload = b"other" if message == "3" else b"same"
            await connection.send(encode_message(Command(message, payload, "wish")), text=True)
        replies = [decode_from_server(await connection.recv()) for _ in range(3)]
        await connection.close()

    assert len(taken) == 1
    assert replies[:2] == [Reply("1", True), Reply("2", True)]
    assert replies[2] == Reply("3", False, "this key was used for another command")
