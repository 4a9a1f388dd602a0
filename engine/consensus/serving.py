"""Entries for those who missed them: other replicas, and followers without a vote."""

from collections.abc import Sequence

from engine.codec import Malformed, decode, encode
from engine.consensus.announce import Announced, LedgerFetch
from engine.consensus.messages import Entries
from engine.ports import Bus, EntryStore
from engine.vocabulary import AgentId, Entry

MOST_BYTES = 512 << 10
"""Entries in one answer stay within a frame."""
MOST_ENTRIES = 64
MOST_ANSWERS = 4
"""Requests of followers that are answered between two ticks."""


class EntryServer:
    """Reads one agent's ledger on behalf of others, within limits."""

    def __init__(self, agent: AgentId, bus: Bus, store: EntryStore) -> None:
        """Answer as ``agent`` from ``store``."""
        self._agent = agent
        self._bus = bus
        self._store = store
        self._answered = 0

    def tick(self) -> None:
        """Allow the next few answers."""
        self._answered = 0

    def answer(self, first: int, limit: int) -> bytes:
        """The packet of entries for a replica that lacks them."""
        return encode(Entries(tuple(self._entries(first, limit))))

    async def announce_again(self, payload: bytes) -> None:
        """Announce entries that a follower asked for; ignore whoever asks too much or badly."""
        try:
            asked = decode(payload, LedgerFetch)
        except Malformed:
            return
        if asked.agent != self._agent or asked.first < 1 or self._answered >= MOST_ANSWERS:
            return
        self._answered += 1
        for entry in self._entries(asked.first, asked.limit):
            await self._bus.publish(f"ledger.{self._agent}", encode(Announced(entry, b"")))

    def _entries(self, first: int, limit: int) -> Sequence[Entry]:
        size = 0
        fitting: list[Entry] = []
        for entry in self._store.read(first, max(0, min(limit, MOST_ENTRIES))):
            size += sum(map(len, entry.batch)) + sum(map(len, entry.commits))
            if fitting and size > MOST_BYTES:
                break
            fitting.append(entry)
        return fitting
