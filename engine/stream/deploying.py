"""An operator's orders about deployments: signed like everything he commands, and not for the log.

A deployment is the operator's own doing: no agent votes on it and no incident depends on it. So the
order goes to the engine's deployer, checked as strictly as an operation would be (``orders``).
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Protocol

import msgspec

from engine.stream.state import DeployRow
from engine.vocabulary import AuthorId, Digest

__all__ = ["ABOUT", "DeployOrder", "DeployVerb", "Deployer"]

ABOUT = "deploy"
"""What ``Command.about`` says for these."""


class DeployVerb(StrEnum):
    """What can be ordered."""

    PLAN = "plan"
    APPLY = "apply"
    APPROVE = "approve"
    HEALTH = "health"
    ROLLBACK = "rollback"
    DESTROY = "destroy"


class DeployOrder(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """What an operator wants done to one environment."""

    cluster: Digest
    author: AuthorId
    counter: int
    verb: DeployVerb
    environment: str
    plan: str
    """Hexadecimal digest of the plan that he saw, for ``approve``."""
    typed_name: str
    """What he typed where a name is asked for."""
    not_after_ms: int


class Deployer(Protocol):
    """Deploys environments; handed in by ``main.py``, so that the engine knows of no cloud."""

    @property
    def rows(self) -> Mapping[str, DeployRow]:
        """Every environment as it stands; the same object while nothing has changed."""
        ...

    async def run(self) -> None:
        """Keep ``rows`` true until cancelled."""
        ...

    async def order(self, order: DeployOrder) -> str:
        """Begin what an operator ordered; why not, or empty. What was begun outlives the engine."""
        ...
