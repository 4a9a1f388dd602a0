"""One reply for one wish: a command that comes twice under the same key happens once."""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable

from msgspec.structs import replace

from engine.stream.wire import Command, Reply

KEPT = 1024
"""Keys that are remembered; a screen repeats within seconds or not at all."""


class Replies:
    """Asks ``on_command`` once for each key, and remembers what it said."""

    def __init__(self, on_command: Callable[[Command], Awaitable[Reply]]) -> None:
        self._on_command = on_command
        self._known: OrderedDict[str, tuple[bytes, asyncio.Future[Reply]]] = OrderedDict()

    async def to(self, command: Command) -> Reply:
        """The reply to ``command``, or the one that its key got before."""
        key = command.key or command.id
        payload, answer = self._known.get(key, (command.payload, None))
        if payload != command.payload:
            return Reply(command.id, False, "this key was used for another command")
        if answer is None:
            answer = asyncio.get_running_loop().create_future()
            self._known[key] = command.payload, answer
            if len(self._known) > KEPT:
                self._known.popitem(last=False)
            try:
                answer.set_result(await self._on_command(command))
            finally:
                # Whoever waits for the same shall not wait for ever because this client has left.
                if not answer.done():
                    self._known.pop(key, None)
                    answer.set_result(Reply(command.id, False, "interrupted; send it again"))
        reply = await asyncio.shield(answer)
        # A command that was not taken may be tried again: nothing has happened yet.
        if not reply.accepted and key in self._known and self._known[key][1] is answer:
            del self._known[key]
        return replace(reply, id=command.id)
