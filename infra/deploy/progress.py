"""How far a deployment is, from the events of its stacks (pure)."""

from dataclasses import dataclass, field

__all__ = ["ResourceEvent", "StackProgress", "left_s"]

_STACK = "AWS::CloudFormation::Stack"
TYPICAL_S = {
    "AWS::EC2::NatGateway": 100.0,
    "AWS::ECS::Service": 120.0,
    "AWS::OpenSearchServerless::Collection": 240.0,
    "AWS::EFS::MountTarget": 90.0,
    "AWS::KMS::Key": 60.0,
    "AWS::DynamoDB::Table": 30.0,
    "AWS::IAM::Role": 20.0,
}
"""Rough times of real AWS, used only until a stack has told its own pace."""
OTHERWISE_S = 10.0
PACE_S = 5.0
"""A pace is known after so long; what is done sooner was cheap."""


@dataclass(frozen=True)
class ResourceEvent:
    """One event of one resource."""

    id: str
    at_s: float
    """Unix seconds, as CloudFormation stamped it."""
    logical: str
    type: str
    status: str
    reason: str = ""


@dataclass
class StackProgress:
    """One stack on its way."""

    name: str
    planned: dict[str, str]
    """Logical id and type of each resource that will change."""
    expected_s: float = 0.0
    """How long the same stack took the last time; 0 where nobody knows."""
    began_s: float = 0.0
    status: str = ""
    done: set[str] = field(default_factory=set)
    failed: dict[str, str] = field(default_factory=dict)
    _seen: set[str] = field(default_factory=set)

    def take(self, event: ResourceEvent) -> bool:
        """Count one event; False if it was known already."""
        if event.id in self._seen:
            return False
        self._seen.add(event.id)
        self.began_s = self.began_s or event.at_s
        if event.type == _STACK and event.logical == self.name:
            self.status = event.status
        elif event.status.endswith("_FAILED"):
            self.failed[event.logical] = event.reason
        elif event.status.endswith("_COMPLETE") and event.logical in self.planned:
            self.done.add(event.logical)
        return True

    @property
    def total(self) -> int:
        """Resources that will change."""
        return len(self.planned)

    @property
    def settled(self) -> bool:
        """Whether the stack has come to rest."""
        return self.status.endswith(("_COMPLETE", "_FAILED")) and "CLEANUP" not in self.status


def left_s(stack: StackProgress, now_s: float) -> float:
    """Seconds that a stack probably still takes.

    Its own last time where that is known; else its pace so far, weighed by what such resources
    typically take; the typical times alone before the first one is done.
    """
    if stack.settled:
        return 0.0
    gone_s = max(0.0, now_s - stack.began_s) if stack.began_s else 0.0
    if stack.expected_s:
        return max(1.0, stack.expected_s - gone_s)
    weights = {name: TYPICAL_S.get(kind, OTHERWISE_S) for name, kind in stack.planned.items()}
    rest = sum(weight for name, weight in weights.items() if name not in stack.done)
    done = sum(weights.values()) - rest
    return rest * (gone_s / done if done and gone_s > PACE_S else 1.0)
