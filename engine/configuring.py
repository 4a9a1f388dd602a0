"""Which policy is in force and which one is ordered, for the operator's command that asks."""

from collections.abc import Sequence

from engine.council import Happening
from engine.ledger.replay import Replay
from engine.vocabulary import CommandId, Configured
from engine.wish import PolicyStanding

__all__ = ["Configuring"]


class Configuring:
    """What the log says of the policy, and what became of the newest order for another one."""

    def __init__(self, replay: Replay) -> None:
        """Answer by what ``replay`` has folded."""
        self._replay = replay
        self._answered, self._objection = CommandId(""), ""

    def followed(self, happenings: Sequence[Happening]) -> None:
        """Take in what the newest entry led to."""
        for happening in happenings:
            if isinstance(happening.operation, Configured):
                self._answered = happening.operation.command
                self._objection = happening.note if happening.kind == "ignored" else ""

    def standing(self) -> PolicyStanding:
        """How it stands now."""
        council, epochs = self._replay.council, self._replay.epochs
        since = council.genesis
        for constitution in reversed(council.constitutions):
            if constitution.policy != council.genesis.policy:
                break
            since = constitution
        return PolicyStanding(
            epoch=council.genesis.epoch,
            executed=epochs.head[0],
            policy=council.genesis.policy,
            rules=council.rules.ordered,
            since_epoch=since.epoch,
            since_entry=since.base[0] + 1,
            pending=council.changes.rules,
            boundary=epochs.boundary or 0,
            answered=self._answered,
            objection=self._objection,
        )
