"""The hands on a fleet whose orchestrator listens on a Unix socket: repairs, and nothing else.

One request is one line of JSON on a connection of its own, and one line answers it. The token
shows that it is the actuator who asks; it opens no other door of the orchestrator.
"""

import asyncio
from enum import StrEnum
from pathlib import Path

import msgspec

from engine.ports import ActionKey, Report
from engine.vocabulary import Action

MAX_LINE_BYTES = 64 * 1024
"""Longest request or answer on a door of the orchestrator."""
PERFORM_WITHIN_S = 30.0
"""A restart is bounded at 10 s to end the old run and 10 s for the new one to answer."""
OBSERVE_WITHIN_S = 5.0


class Verb(StrEnum):
    """What is asked of the orchestrator."""

    PERFORM = "perform"
    OBSERVE = "observe"


class RepairRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One line that the actuator sends."""

    token: str
    verb: Verb
    key: ActionKey
    action: Action


class RepairAnswer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One line that the orchestrator answers: a report, or why the request was refused."""

    report: Report | None = None
    refused: str = ""


class FleetExecutor:
    """Carries actions out on the demo fleet: an ``engine.ports.Executor``."""

    def __init__(self, socket: Path, token_file: Path) -> None:
        """Ask at ``socket``, showing the token that stands in ``token_file``."""
        self._socket = socket
        self._token_file = token_file

    async def perform(self, key: ActionKey, action: Action) -> Report:
        """Carry ``action`` out unless its precondition no longer holds; idempotent by ``key``.

        Raises:
            OSError: the orchestrator cannot be reached or refuses us; nothing is known.
        """
        return await self._ask(Verb.PERFORM, key, action, PERFORM_WITHIN_S)

    async def observe(self, key: ActionKey, action: Action) -> Report:
        """What came of ``key``: done, not done (and may be performed), or unknown.

        Raises:
            OSError: the orchestrator cannot be reached or refuses us; nothing is known.
        """
        return await self._ask(Verb.OBSERVE, key, action, OBSERVE_WITHIN_S)

    async def _ask(self, verb: Verb, key: ActionKey, action: Action, within_s: float) -> Report:
        token = self._token_file.read_text().strip()
        request = RepairRequest(token, verb, key, action)
        async with asyncio.timeout(within_s):
            line = await exchange(self._socket, msgspec.json.encode(request))
        try:
            answer = msgspec.json.decode(line, type=RepairAnswer)
        except msgspec.DecodeError as error:
            raise ConnectionError(f"{self._socket}: not an answer: {error}") from None
        if answer.report is None:
            raise PermissionError(f"{self._socket}: refused: {answer.refused}")
        return answer.report


async def exchange(socket: Path, request: bytes) -> bytes:
    """The line that answers the line ``request`` on a Unix socket.

    Raises:
        OSError: nobody listens there, or the connection broke before a whole line came.
    """
    reader, writer = await asyncio.open_unix_connection(str(socket), limit=MAX_LINE_BYTES)
    try:
        writer.write(request + b"\n")
        await writer.drain()
        line = await reader.readline()
    except ValueError:
        raise ConnectionError(f"{socket}: an answer over {MAX_LINE_BYTES} bytes") from None
    finally:
        writer.close()
    if not line.endswith(b"\n"):
        raise ConnectionError(f"{socket}: closed before it answered")
    return line
