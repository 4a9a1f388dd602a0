"""The actuator's own door: an operator's signed freeze or thaw, with no quorum and no bus.

A Unix socket of mode 0600. One request a connection: the encoded ``Signed`` submission in
hexadecimal and a newline; the answer is one line of words. For callers on other machines there is
``engine.act.far_door``.
"""

import asyncio
import os
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

MAX_LINE_BYTES = 16_384
PATIENCE_S = 5.0
MAX_CALLERS = 16
"""Connections of one machine attended to at once; more are told to come again."""


Attendant = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def attendant(
    obey: Callable[[bytes], str],
    say: Callable[[bytes, str], bytes] = lambda _, answer: answer.encode(),
    most: int = MAX_CALLERS,
) -> Attendant:
    """Who opens to callers, at most ``most`` of one machine at once, so that none keeps the others out.

    ``say`` puts an answer to a request into bytes.
    """
    callers: Counter[str] = Counter()

    async def attend(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # At a socket file they are all of this machine, and it has no name.
        peer = writer.get_extra_info("peername")
        machine = str(peer[0]) if peer else ""
        callers[machine] += 1
        try:
            request = b""
            if callers[machine] > most:
                answer = "refused: too many at the door; try again"
            elif (heard := await _request(reader)) is None:
                answer = "refused: not a line of hexadecimal"
            else:
                request, answer = heard, obey(heard)
            writer.write(say(request, answer) + b"\n")
        except OSError:
            pass  # The caller went away; what he had said in full was obeyed.
        finally:
            callers[machine] -= 1
            if not callers[machine]:
                del callers[machine]
            writer.close()

    return attend


@asynccontextmanager
async def open_door(path: Path, obey: Callable[[bytes], str]) -> AsyncGenerator[None]:
    """Answer requests at the socket ``path`` with what ``obey`` says of their bytes."""
    path.unlink(missing_ok=True)
    with _short(path) as name:
        server = await asyncio.start_unix_server(attendant(obey), name, limit=MAX_LINE_BYTES)
    path.chmod(0o600)
    try:
        yield
    finally:
        server.close()
        path.unlink(missing_ok=True)


@contextmanager
def _short(path: Path) -> Generator[str]:
    """A name of a socket that fits its 108 bytes (unix(7)), however deep its folder lies."""
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)


async def _request(reader: asyncio.StreamReader) -> bytes | None:
    """What a caller says; None when it is no line of hexadecimal, or does not come."""
    try:
        async with asyncio.timeout(PATIENCE_S):
            line = await reader.readuntil(b"\n")
        return bytes.fromhex(line.decode("ascii").strip())
    except (ValueError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
        return None


async def knock(path: Path, signed: bytes) -> str:
    """Send an encoded ``Signed`` freeze or thaw to the door at ``path``; returns its answer.

    Raises:
        OSError: nobody is behind the door.
    """
    async with asyncio.timeout(PATIENCE_S):
        with _short(path) as name:
            reader, writer = await asyncio.open_unix_connection(name)
        try:
            writer.write(signed.hex().encode() + b"\n")
            await writer.drain()
            return (await reader.readline()).decode().strip()
        finally:
            writer.close()
