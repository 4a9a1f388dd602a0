"""What happened, for screens and for comparison: trace events, and one hash over all of them."""

import hashlib

from engine.consensus.effects import Trace
from engine.vocabulary import AgentId, TraceEvent

NS_PER_MS = 1_000_000
AT_ONCE = 1_000
"""Parts hashed in one call, which costs as much as hashing a line."""


class Tracer:
    """Hashes every message as its receiver saw it; keeps them too where somebody wants them."""

    def __init__(self, *, keep: bool = False) -> None:
        self.events: list[TraceEvent] | None = [] if keep else None
        self._hash = hashlib.sha256()
        self._unhashed: list[bytes] = []

    def message(self, receiver: AgentId, seen: Trace, sent_ms: int, now_ms: int) -> None:
        """Note what became of one message."""
        line = (
            f"{now_ms} {sent_ms} {seen.sender}>{receiver} {seen.kind} {seen.view} "
            f"{seen.sequence_number} {seen.refused}\n"
        )
        self._note(line.encode(), seen.digest)
        if self.events is not None:
            event = TraceEvent(
                seen.sender, receiver, seen.kind, seen.view, seen.sequence_number,
                seen.digest[:8], sent_ms * NS_PER_MS, now_ms * NS_PER_MS, seen.refused[:80],
            )  # fmt: skip
            self.events.append(event)

    def fact(self, agent: AgentId, fact: bytes, now_ms: int) -> None:
        """Note what a machine did without a message: executed, died, began anew."""
        self._note(f"{now_ms} {agent} ".encode(), fact)

    def _note(self, *parts: bytes) -> None:
        self._unhashed += parts
        if len(self._unhashed) > AT_ONCE:
            self._hash_all()

    def _hash_all(self) -> None:
        self._hash.update(b"".join(self._unhashed))
        self._unhashed.clear()

    @property
    def digest(self) -> str:
        """Equal for two runs in which exactly the same happened at the same times."""
        self._hash_all()
        return self._hash.hexdigest()
