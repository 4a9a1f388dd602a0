"""What an examination found: one thing, whether it works, and the command that mends it."""

from dataclasses import dataclass
from enum import Enum


class Status(Enum):
    """How a finding is: glyph and word, never a colour alone."""

    OK = ("✓", "ok")
    OPTIONAL = ("○", "optional")
    MISSING = ("✗", "missing")

    @property
    def glyph(self) -> str:
        """One character."""
        return self.value[0]

    @property
    def word(self) -> str:
        """The same for those who cannot see the character."""
        return self.value[1]


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at."""

    name: str
    status: Status
    detail: str
    mend: str = ""
    """The command that mends it; empty when nothing is missing."""
