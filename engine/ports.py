"""Seams: what the engine asks of the world, each with more than one real implementation."""

from collections.abc import Callable, Sequence
from typing import Protocol

import msgspec

from engine.vocabulary import Action, Entry, Generation, OutcomeKind

Handler = Callable[[str, bytes], None]
"""Called with the subject and the payload of one message; returns at once, so it bounds what it keeps."""


class Bus(Protocol):
    """Carries bytes between processes; trusted for nothing, least of all for delivery.

    In memory for tests and simulation (``engine.bus.memory``), NATS otherwise
    (``engine.bus.nats``). Subjects are dot-separated words; ``*`` in a subscription stands for
    one word.
    """

    async def publish(self, subject: str, payload: bytes) -> None:
        """Send ``payload`` to whoever subscribes to ``subject`` now; lost when nobody does."""
        ...

    async def subscribe(self, subject: str, handler: Handler) -> None:
        """Call ``handler`` for each message, in order, as it comes."""
        ...

    @property
    def dropped(self) -> int:
        """Messages dropped so far because too many waited to be carried."""
        ...

    async def close(self) -> None:
        """Stop all subscriptions."""
        ...


class EntryStore(Protocol):
    """A ledger of ordered batches, appended in sequence.

    What was appended outlives the process, but is only sure to outlive the machine after ``sync``.
    """

    def append(self, entries: Sequence[Entry], received_ns: int) -> None:
        """Add the next entries, all or none of them.

        Raises:
            ValueError: they are not the next ones in sequence.
        """
        ...

    def sync(self) -> None:
        """Have everything that was appended on the disk."""
        ...

    def read(self, first: int, limit: int) -> Sequence[Entry]:
        """Up to ``limit`` entries from sequence number ``first`` on."""
        ...

    @property
    def head(self) -> tuple[int, bytes]:
        """Sequence number and chain digest of the last entry; ``(0, genesis)`` when empty."""
        ...


class ActionKey(msgspec.Struct, frozen=True):
    """Names one step of one certified plan for ever: an action is carried out once per key."""

    certificate: bytes
    step: int
    undo: bool = False


class Report(msgspec.Struct, frozen=True):
    """What an executor knows of one action."""

    outcome: OutcomeKind
    generation: Generation | None = None
    """The run that is live now."""
    reason: str = ""
    """One of a few fixed phrases, for people; never parsed."""


class Executor(Protocol):
    """The hands: the only thing that changes the world, held by the actuator alone."""

    async def perform(self, key: ActionKey, action: Action) -> Report:
        """Carry ``action`` out unless its precondition no longer holds.

        Idempotent by ``key``: performing the same key again reports what came of the first time.

        Raises:
            OSError: the executor cannot be reached; nothing is known.
        """
        ...

    async def observe(self, key: ActionKey, action: Action) -> Report:
        """What came of ``key``: done, not done (and may be performed), or unknown.

        Raises:
            OSError: the executor cannot be reached; nothing is known.
        """
        ...
