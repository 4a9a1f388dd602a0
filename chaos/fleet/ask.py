"""Asks a service directly, without proxy, pool or retry: for health questions and probes."""

import asyncio

from chaos.fleet.wiring import LOOPBACK

MAX_HEAD_BYTES = 16 * 1024


async def ask(port: int, target: str, *, request_id: str = "", within_s: float = 1.0) -> int:
    """The status that ``GET target`` is answered with.

    Raises:
        OSError: refused, reset, silent (``TimeoutError``) or not HTTP.
    """
    extra = f"X-Request-Id: {request_id}\r\n" if request_id else ""
    head = f"GET {target} HTTP/1.1\r\nHost: {LOOPBACK}\r\n{extra}Connection: close\r\n\r\n"
    async with asyncio.timeout(within_s):
        reader, writer = await asyncio.open_connection(LOOPBACK, port, limit=MAX_HEAD_BYTES)
        try:
            writer.write(head.encode())
            line = await reader.readline()
        except ValueError:
            raise ConnectionError("a status line without end") from None
        finally:
            writer.close()
    parts = line.split(b" ", 2)
    if len(parts) < 2 or not parts[0].startswith(b"HTTP/1.") or not parts[1].isdigit():
        raise ConnectionError("not an answer")
    return int(parts[1])


async def listens(port: int, within_s: float = 1.0) -> bool:
    """Whether anybody accepts connections there.

    Raises:
        TimeoutError: neither accepted nor refused.
    """
    async with asyncio.timeout(within_s):
        try:
            _, writer = await asyncio.open_connection(LOOPBACK, port)
        except ConnectionRefusedError:
            return False
    writer.close()
    return True
