"""How an operator's command asks a running engine: his signed wishes, one after the other, at its door."""

import asyncio
from collections.abc import Callable, Coroutine

from engine.act.door import knock
from engine.cli import CommandError
from engine.clock import SystemClock
from engine.codec import Malformed
from engine.paths import RunPaths
from engine.signing import KeyFileError
from engine.stream.commands import Operator
from engine.vocabulary import AuthorId, Digest
from engine.wish import Wish, signed_wish

__all__ = ["LOOK_EVERY_S", "SAY_AGAIN_S", "Asking", "run_errand"]

LOOK_EVERY_S = 0.25
SAY_AGAIN_S = 5.0
"""An order that is not in the log by then is signed anew: an epoch may have begun meanwhile."""


class Asking:
    """The operator of one run, before its engine's door."""

    def __init__(self, paths: RunPaths) -> None:
        """Take the operator's key of the run at ``paths``.

        Raises:
            Malformed: the genesis cannot be read.
            KeyFileError: the operator's key cannot be used.
        """
        self._socket = paths.swarm_socket
        self._clock = SystemClock()
        self.operator = Operator.load(paths.operator_key, paths.genesis)

    @property
    def now_ms(self) -> int:
        """Unix milliseconds, for what is signed."""
        return self._clock.unix_ms()

    def wished(self) -> tuple[Digest, AuthorId, int]:
        """What every wish begins with."""
        return self.operator.cluster, self.operator.name, self.now_ms

    async def ask(self, wish: Wish) -> str:
        """What the engine answers.

        Raises:
            CommandError: it refuses, ended, or does not answer.
        """
        try:
            answer = await knock(self._socket, signed_wish(wish, self.operator.signer))
        except (OSError, TimeoutError):
            root = self._socket.parent
            raise CommandError(f"the engine of {root} does not answer; is it up?") from None
        if answer.startswith("refused") or not answer:
            raise CommandError(answer or "the engine ended before it answered")
        return answer


def run_errand(errand: Callable[[], Coroutine[None, None, object]]) -> None:
    """Do what asks the engine of a run.

    Raises:
        CommandError: it cannot be done; the message says why, and what to do.
    """
    try:
        asyncio.run(errand())
    except (Malformed, KeyFileError) as error:
        raise CommandError(str(error)) from None
