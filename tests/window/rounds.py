"""Consensus rounds as a trace would hold them: made from times alone, for scenes."""

import random
from collections.abc import Iterator, Sequence

from controlroom.window.timeline import Sent
from engine.vocabulary import AgentId, AuthorId, TraceEvent

FIVE = ("detection-1", "diagnosis-1", "prediction-1", "resolution-1", "communication-1")
DIGEST = bytes.fromhex("5be1d04a7f3a91c2")
OTHER_DIGEST = bytes.fromhex("c0ffee11d00dfeed")


class Writer:
    """Numbers records as a timeline does."""

    def __init__(self, seed: int = 1) -> None:
        self.records: list[Sent] = []
        self.chance = random.Random(seed)

    def say(
        self, sender: str, receiver: str, kind: str, sent_s: float, received_s: float,
        at: tuple[int, int] = (0, 1), digest: bytes = DIGEST, refused: str = "",
    ) -> None:  # fmt: skip
        """One record; ``at`` is view and sequence number."""
        event = TraceEvent(
            AgentId(AuthorId(sender)), AgentId(AuthorId(receiver)), kind, *at, digest,
            int(sent_s * 1e9), int(received_s * 1e9), refused,
        )  # fmt: skip
        self.records.append(Sent(received_s, len(self.records) + 1, sent_s, event))

    def round(
        self, t_s: float, sequence_number: int, primary: str, view: int = 0,
        agents: Sequence[str] = FIVE,
    ) -> None:  # fmt: skip
        """One whole round in the normal case: a few milliseconds a phase."""
        at = (view, sequence_number)
        hop = self._hops()
        for receiver in agents:
            if receiver != primary:
                self.say(primary, receiver, "pre-prepare", t_s, t_s + next(hop), at)
        for kind, after in (("prepare", 0.005), ("commit", 0.011)):
            for sender in agents:
                if kind == "prepare" and sender == primary:
                    continue
                sent_s = t_s + after + self.chance.random() * 0.001
                for receiver in agents:
                    if receiver != sender:
                        self.say(sender, receiver, kind, sent_s, sent_s + next(hop), at)

    def _hops(self) -> Iterator[float]:
        while True:
            yield 0.002 + self.chance.random() * 0.003

    def lie(
        self, t_s: float, sequence_number: int, liar: str, agents: Sequence[str] = FIVE
    ) -> None:
        """``liar`` leads and tells one half this and the other half that."""
        others = [agent for agent in agents if agent != liar]
        for place, receiver in enumerate(others):
            digest = DIGEST if place < len(others) // 2 else OTHER_DIGEST
            self.say(liar, receiver, "pre-prepare", t_s, t_s + 0.003, (0, sequence_number), digest)
