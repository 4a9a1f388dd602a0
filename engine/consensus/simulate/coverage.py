"""What a run of many seeds has visited, each with the floor that it must not fall under."""

from collections import Counter
from collections.abc import Iterable

FLOOR = 0.10
KINDS = (
    "view change",
    "equivocation",
    "state transfer",
    "crash-restart",
    "conviction",
    "membership change",
)
"""What must be visited by a tenth of the seeds, or a green run says little."""


class Coverage:
    """Counts seeds by what happened in them."""

    def __init__(self) -> None:
        self.seeds = 0
        self._counts: Counter[str] = Counter()

    def add(self, marks: Iterable[str]) -> None:
        """Count one seed."""
        self.seeds += 1
        self._counts.update(set(marks))

    def share(self, kind: str) -> float:
        """Of all seeds, the part in which ``kind`` happened."""
        return self._counts[kind] / self.seeds if self.seeds else 0.0

    def below(self) -> tuple[str, ...]:
        """The kinds under their floor."""
        return tuple(kind for kind in KINDS if self.share(kind) < FLOOR)

    def lines(self) -> list[str]:
        """The table, for people."""
        found = []
        for kind in KINDS:
            held = "" if self.share(kind) >= FLOOR else "  UNDER ITS FLOOR"
            found.append(f"  {kind:<18} {self.share(kind):6.1%}  (floor {FLOOR:.0%}){held}")
        others = sorted(self._counts.keys() - set(KINDS))
        found += [f"  {kind:<18} {self.share(kind):6.1%}" for kind in others]
        return found
