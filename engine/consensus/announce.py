"""How ledgers travel: an executed entry with its chain digest, and the request for older ones."""

import msgspec

from engine.vocabulary import AgentId, Entry


class Announced(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """An entry that an agent executed; it proves itself by its commit certificate."""

    entry: Entry
    chain: bytes
    """The chain digest after it, as the announcer has it; for screens, not for trust."""


class LedgerFetch(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A follower asks one agent to announce entries again, from ``first`` on."""

    agent: AgentId
    first: int
    limit: int
