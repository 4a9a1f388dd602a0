"""The wire: who hears whom, and what becomes of each message, drawn from the one randomness."""

import random
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from engine.vocabulary import AgentId


@dataclass
class Network:
    """What the wire does to messages."""

    delay_ms: tuple[int, int] = (1, 10)
    loss: float = 0.0
    duplication: float = 0.0
    late: float = 0.0
    """Share of messages that come once more, seconds later: a replay by the network itself."""
    cut: set[frozenset[AgentId]] = field(default_factory=set)
    """Pairs that cannot hear each other."""
    lost: Counter[tuple[AgentId, AgentId]] = field(default_factory=Counter)
    """How many faults keep what the first says from the second."""

    def hears(self, sender: AgentId, receiver: AgentId) -> bool:
        """Whether a message from ``sender`` may reach ``receiver`` at all."""
        if self.lost and self.lost.get((sender, receiver), 0) > 0:
            return False
        return not self.cut or frozenset((sender, receiver)) not in self.cut

    def lose(self, pairs: Iterable[tuple[AgentId, AgentId]], change: int) -> None:
        """Begin (1) or end (-1) to lose what goes from the first to the second of each pair."""
        for pair in pairs:
            self.lost[pair] += change

    def delays(self, chance: random.Random) -> Sequence[int]:
        """When copies of one message arrive; none when it is lost."""
        low, high = self.delay_ms
        span = high - low + 1
        if not (self.loss or self.duplication or self.late):
            return (low + int(chance.random() * span),)
        if self.loss and chance.random() < self.loss:
            return ()
        found = [low + int(chance.random() * span)]
        if self.duplication and chance.random() < self.duplication:
            found.append(low + int(chance.random() * span))
        if self.late and chance.random() < self.late:
            found.append(500 + int(chance.random() * 2500))
        return found
