"""The actuator's own door: an operator's signed freeze or thaw, with no quorum and no bus.

A Unix socket of mode 0600. One request a connection: the encoded ``Signed`` submission in
hexadecimal and a newline; the answer is one line of words.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

MAX_LINE_BYTES = 16_384
PATIENCE_S = 5.0
MAX_CALLERS = 16
"""Connections attended to at once; more are told to come again."""


@asynccontextmanager
async def open_door(path: Path, obey: Callable[[bytes], str]) -> AsyncGenerator[None]:
    """Answer requests at the socket ``path`` with what ``obey`` says of their bytes."""
    callers = 0

    async def attend(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal callers
        callers += 1
        try:
            if callers > MAX_CALLERS:
                answer = "refused: too many at the door; try again"
            else:
                answer = await _answer(reader, obey)
            writer.write(answer.encode() + b"\n")
        except OSError:
            pass  # The caller went away; what he had said in full was obeyed.
        finally:
            callers -= 1
            writer.close()

    path.unlink(missing_ok=True)
    server = await asyncio.start_unix_server(attend, path, limit=MAX_LINE_BYTES)
    path.chmod(0o600)
    try:
        yield
    finally:
        server.close()
        path.unlink(missing_ok=True)


async def _answer(reader: asyncio.StreamReader, obey: Callable[[bytes], str]) -> str:
    try:
        async with asyncio.timeout(PATIENCE_S):
            line = await reader.readuntil(b"\n")
        signed = bytes.fromhex(line.decode("ascii").strip())
    except (ValueError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
        return "refused: not a line of hexadecimal"
    return obey(signed)


async def knock(path: Path, signed: bytes) -> str:
    """Send an encoded ``Signed`` freeze or thaw to the door at ``path``; returns its answer.

    Raises:
        OSError: nobody is behind the door.
    """
    async with asyncio.timeout(PATIENCE_S):
        reader, writer = await asyncio.open_unix_connection(path)
        try:
            writer.write(signed.hex().encode() + b"\n")
            await writer.drain()
            return (await reader.readline()).decode().strip()
        finally:
            writer.close()
