"""What a health suite found, as it is kept."""

import msgspec

from engine.codec import Malformed
from infra.deploy.journal import Shelf
from infra.deploy.run import Finding

__all__ = ["HealthReport", "read_report"]


class HealthReport(msgspec.Struct, frozen=True):
    """What a health suite found."""

    at_ms: int
    environment: str
    build: str
    findings: tuple[Finding, ...]
    measured_ms: dict[str, float]
    """The best time of each thing that was timed."""
    drifted: tuple[str, ...] | None = None
    """Resources that are not as their stacks say; None: nobody has looked."""


def read_report(shelf: Shelf) -> HealthReport | None:
    """The newest report; None when there is none.

    Raises:
        Malformed: it cannot be read.
    """
    try:
        return msgspec.json.decode(shelf.health.read_bytes(), type=HealthReport)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.DecodeError) as error:
        raise Malformed(
            f"{shelf.health}: {error}; main.py deploy health writes a new one"
        ) from None
