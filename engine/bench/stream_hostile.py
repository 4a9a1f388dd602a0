"""Clients that mean harm, for ``main.py bench stream``: ``stream_hostile.py PORT``, until killed.

Fifty at a time, as fast as one process can: half-said handshakes, wrong tokens, wrong origins, giant
frames, endless fragments, floods of pings, of commands and of nonsense. Prints nothing.
"""

import asyncio
import os
import random
import sys

from engine.bench.stream_server import TOKEN
from engine.stream.wire import BINARY, Command, Start, encode_message

AT_ONCE = 50
READ_S = 0.5


def _request(token: str = TOKEN, extra: str = "") -> bytes:
    return (
        "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
        f"Sec-WebSocket-Protocol: {BINARY}\r\nAuthorization: Bearer {token}\r\n{extra}\r\n"
    ).encode()


def masked(opcode: int, payload: bytes) -> bytes:
    """A frame from a client, masked with zeroes."""
    size = len(payload)
    if size < 126:
        return bytes((opcode, 0x80 | size)) + bytes(4) + payload
    if size < 1 << 16:
        return bytes((opcode, 0xFE)) + size.to_bytes(2, "big") + bytes(4) + payload
    return bytes((opcode, 0xFF)) + size.to_bytes(8, "big") + bytes(4) + payload


_STARTED = _request() + masked(0x81, encode_message(Start()))
ATTACKS: dict[str, bytes] = {
    "half a request": b"GET / HTTP/1.1\r\nHost: 127",
    "a request without an end": b"GET /" + b"x" * 1_000_000,
    "a wrong token": _request("wrong"),
    "a wrong origin": _request(extra="Origin: https://evil.example\r\n"),
    "a giant frame": _request() + masked(0x82, bytes(1_000_000)),
    "a claim of a giant": _request() + b"\x82\xff" + (1 << 62).to_bytes(8, "big"),
    "fragments without an end": _request() + masked(0x01, b"") + masked(0x00, b"") * 50_000,
    "a flood of pings": _STARTED + masked(0x89, b"p" * 100) * 5_000,
    "a flood of commands": _STARTED + masked(0x81, encode_message(Command("c", b"x" * 1000))) * 300,
    "a flood of resyncs": _STARTED + masked(0x81, b'{"op":"resync"}') * 5_000,
    "nonsense": _request() + b"\xff" * 1000,
}
"""What each one writes, in one piece."""


async def _attack(port: int, rng: random.Random) -> None:
    while True:
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(rng.choice(list(ATTACKS.values())))
            async with asyncio.timeout(READ_S):
                await reader.read()
        except (OSError, TimeoutError):
            pass
        else:
            writer.close()


async def main(port: int) -> None:
    """Attack until killed."""
    os.nice(19)  # The readers, on the same core, shall be slow for the server's reasons alone.
    async with asyncio.TaskGroup() as tasks:
        for number in range(AT_ONCE):
            tasks.create_task(_attack(port, random.Random(number)))


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
