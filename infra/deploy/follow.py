"""Tells what CloudFormation does with stacks, event by event, while somebody else drives it."""

import time
from collections.abc import Callable, Mapping, Sequence

from infra.deploy.cloud import Cloud, CloudFailed
from infra.deploy.journal import Progress
from infra.deploy.progress import ResourceEvent, StackProgress, left_s
from infra.deploy.stacks import StackFact, moves

__all__ = ["Follower"]

BEFORE_S = 2.0
"""CloudFormation's clock and ours may differ by so much."""


class Follower:
    """Follows some stacks from now on; call it as often as news is wanted."""

    def __init__(
        self,
        cloud: Cloud,
        stacks: Sequence[str],
        planned: Mapping[str, Mapping[str, str]],
        expected_s: Mapping[str, float],
        told: Callable[[Progress], None],
    ) -> None:
        """Args: for each stack the planned resources (id and type) and how long it took last."""
        self._cloud = cloud
        self._told = told
        self._since_s = time.time() - BEFORE_S
        self._stacks = [
            StackProgress(name, dict(planned.get(name, {})), expected_s.get(name, 0.0))
            for name in stacks
        ]
        self._known = {event.id for name in stacks for event in self._events(name)}
        """What happened just before is somebody else's."""
        self._seen: dict[str, StackFact] = {}

    def __call__(self, facts: Sequence[StackFact]) -> None:
        """Tell what is new of the stacks that ``facts`` say have moved since the last look."""
        for stack in self._stacks:
            fact = next((fact for fact in facts if fact.name == stack.name), None)
            if fact is not None and fact == self._seen.get(stack.name) and not moves(fact):
                continue
            if fact is not None:
                self._seen[stack.name] = fact
            for event in self._events(stack.name):
                if event.id not in self._known and stack.take(event):
                    self._told(_line(stack, event))

    def _events(self, name: str) -> list[ResourceEvent]:
        try:
            return self._cloud.events(name, self._since_s)
        except CloudFailed:
            # The next look shows them; what decides is not decided here.
            return []

    @property
    def first_failure(self) -> str:
        """The resource that failed first, and why; empty while none did."""
        for stack in self._stacks:
            for logical, reason in stack.failed.items():
                return f"{stack.name}.{logical}: {reason or 'no reason was given'}"
        return ""


def _line(stack: StackProgress, event: ResourceEvent) -> Progress:
    left = round(left_s(stack, time.time()), 1)
    return Progress(
        stack.name,
        event.logical,
        event.type,
        event.status,
        event.reason,
        len(stack.done),
        stack.total,
        left,
    )
