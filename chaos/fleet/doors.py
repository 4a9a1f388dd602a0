"""A Unix socket at which lines are answered by lines, one connection a request."""

import asyncio
import hmac
import os
import secrets
from collections.abc import Awaitable, Callable
from pathlib import Path

from chaos.fleet.wiring import write_secret
from engine.act.fleet import MAX_LINE_BYTES
from engine.codec import Malformed

LineAnswer = Callable[[bytes], Awaitable[bytes]]
REQUEST_WITHIN_S = 5.0
MIN_TOKEN_CHARACTERS = 32
MAX_OPEN = 32
"""Connections at once; more are closed unanswered."""


class Door:
    """One listening socket with its own token."""

    def __init__(self, socket: Path, token_file: Path) -> None:
        """Listen at ``socket`` for whoever knows the token in the file.

        The token is made there, readable by its owner only, unless who started us has made one.

        Raises:
            Malformed: others can read the token, or it is too short to be one.
        """
        self._socket = socket
        self._open: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        if not token_file.exists():
            write_secret(token_file, secrets.token_hex(32).encode() + b"\n")
        if token_file.stat().st_mode & 0o077:
            raise Malformed(f"{token_file}: others can read it; run: chmod 600 {token_file}")
        self._token = token_file.read_text().strip()
        if len(self._token) < MIN_TOKEN_CHARACTERS:
            raise Malformed(f"{token_file}: no token; delete the file and start the fleet anew")

    def admits(self, token: str) -> bool:
        """Whether ``token`` is the one for this door."""
        return hmac.compare_digest(token.encode(), self._token.encode())

    async def listen(self, answer: LineAnswer) -> None:
        """Answer each line by what ``answer`` gives for it."""

        def admit(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            if len(self._open) >= MAX_OPEN:
                writer.close()
                return
            task = asyncio.ensure_future(self._serve(answer, reader, writer))
            self._open.add(task)
            task.add_done_callback(self._open.discard)

        self._socket.unlink(missing_ok=True)
        mask = os.umask(0o177)
        try:
            self._server = await asyncio.start_unix_server(
                admit, str(self._socket), limit=MAX_LINE_BYTES
            )
        finally:
            os.umask(mask)

    async def _serve(
        self, answer: LineAnswer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        try:
            async with asyncio.timeout(REQUEST_WITHIN_S):
                line = await reader.readline()
            if line.endswith(b"\n"):
                writer.write(await answer(line) + b"\n")
                await writer.drain()
        except (OSError, ValueError):
            # Too long, too slow or gone: this connection is over, the door stays open.
            return
        finally:
            writer.close()

    async def close(self) -> None:
        """Listen no more; requests under way are cut off."""
        if self._server is not None:
            self._server.close()
        for task in tuple(self._open):
            task.cancel()
        if self._open:
            await asyncio.wait(tuple(self._open))
        self._socket.unlink(missing_ok=True)
