"""What happened, for screens and for comparison: trace events, and one hash over all of them."""

import hashlib

from engine.consensus.effects import Trace
from engine.vocabulary import AgentId, TraceEvent

NS_PER_MS = 1_000_000


class Tracer:
    """Hashes every message as its receiver saw it; keeps them too where somebody wants them."""

    def __init__(self, *, keep: bool = False) -> None:
        self.events: list[TraceEvent] | None = [] if keep else None
        self._hash = hashlib.sha256()

    def message(self, receiver: AgentId, seen: Trace, sent_ms: int, now_ms: int) -> None:
        """Note what became of one message."""
        line = (
            f"{now_ms} {sent_ms} {seen.sender}>{receiver} {seen.kind} {seen.view} "
            f"{seen.sequence_number} {seen.refused}\n"
        )
        self._hash.update(line.encode() + seen.digest)
        if self.events is not None:
            event = TraceEvent(
                seen.sender, receiver, seen.kind, seen.view, seen.sequence_number,
                seen.digest[:8], sent_ms * NS_PER_MS, now_ms * NS_PER_MS, seen.refused[:80],
            )  # fmt: skip
            self.events.append(event)

    def fact(self, agent: AgentId, fact: bytes, now_ms: int) -> None:
        """Note what a machine did without a message: executed, died, began anew."""
        self._hash.update(f"{now_ms} {agent} ".encode() + fact)

    @property
    def digest(self) -> str:
        """Equal for two runs in which exactly the same happened at the same times."""
        return self._hash.hexdigest()
