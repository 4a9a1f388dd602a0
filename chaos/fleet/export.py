"""Sends a service's spans to whoever has opened a door for them (a shell)."""

import asyncio
from pathlib import Path

import aiohttp
import msgspec

from chaos.fleet.spans import Spans

EVERY_S = 1.0
TIMEOUT_S = 2.0


class Door(msgspec.Struct, frozen=True):
    """Where spans may be sent, as the one who listens has written it down."""

    url: str
    token: str


async def export(spans: Spans, door_file: Path) -> None:
    """Send what waits once a second, until cancelled; what nobody takes is let go.

    The door is looked up anew each time: it comes and goes with the engine, and a demo shop must
    not care.
    """
    timeout = aiohttp.ClientTimeout(total=TIMEOUT_S)
    async with aiohttp.ClientSession(timeout=timeout) as session:
        while True:
            await asyncio.sleep(EVERY_S)
            door = _door(door_file)
            if door is None:
                continue
            body = spans.take()
            if body is not None:
                await _send(session, door, body)


def _door(file: Path) -> Door | None:
    try:
        return msgspec.json.decode(file.read_bytes(), type=Door)
    except (OSError, msgspec.DecodeError):
        return None


async def _send(session: aiohttp.ClientSession, door: Door, body: bytes) -> None:
    headers = {"Authorization": f"Bearer {door.token}", "Content-Type": "application/json"}
    try:
        async with session.post(f"{door.url}/v1/traces", data=body, headers=headers) as answer:
            await answer.read()
    except (aiohttp.ClientError, TimeoutError, OSError):
        pass  # Telemetry of a rehearsal: losing some of it is part of the rehearsal.
