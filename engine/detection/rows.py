"""Many rows of trials on one clock of bins, and which of them say that something is broken (pure).

Each row is judged by itself. Failed requests and loud lines of one service are two instruments on
the same thing, so they are also judged together: their sums of nats add, against a threshold at
which the sum of two exponential tails is as rare as one is at its own (a gamma tail).
"""

from math import log1p
from typing import NamedTuple

from engine.detection.persistence import THRESHOLD, Persistence
from engine.telemetry.bins import BIN_S

MOST_ROWS = 50_000
WARM_UP_S = 300.0
"""From the first trial on, nothing is said for so long."""
OUTCRY = "loud log lines"
FAILED = "work fails"
TOGETHER = frozenset({OUTCRY, FAILED})
"""Signals of a service that are judged together as well."""


def _threshold_of_two() -> float:
    """Where two summed exponential tails, ``(1 + h) exp(-h)``, are as rare as one at ``THRESHOLD``."""
    nats = THRESHOLD
    for _ in range(20):
        nats = THRESHOLD + log1p(nats)
    return nats


THRESHOLD_OF_TWO = _threshold_of_two()
"""Nats, 14.4."""


class Row(NamedTuple):
    """What a row of trials is about."""

    service: str
    """Who is suspected when it goes wrong."""
    signal: str
    """What is tried, in words."""
    other: str = ""
    """Tells rows of the same kind apart."""


class Broken(NamedTuple):
    """A row of which nearly everything goes wrong."""

    row: Row
    nats: float
    since_s: float
    """When it began to: Page's estimate, the last time at which nothing spoke for it."""


class Rows:
    """All rows; trials come in the order of time, as nearly as telemetry does."""

    def __init__(self) -> None:
        self._rows: dict[Row, Persistence] = {}
        self._touched: dict[Row, Persistence] = {}
        """Rows with trials in the open bin."""
        self._broken: dict[Row, Persistence] = {}
        self._since_s: dict[Row, float] = {}
        """Of every row for which anything speaks, when that began."""
        self._speaking: dict[str, dict[Row, float]] = {}
        """By service, the rows of ``TOGETHER`` for which anything speaks, and their nats."""
        self._bin: int | None = None
        self._first_s: float | None = None
        self.dropped = 0
        """Trials of rows beyond ``MOST_ROWS``."""

    def add(self, at_s: float, row: Row, *, wrong: bool) -> None:
        """Count one trial; what comes late counts in the open bin."""
        self._turn_to(at_s)
        trials = self._rows.get(row)
        if trials is None:
            if len(self._rows) >= MOST_ROWS:
                self.dropped += 1
                return
            trials = self._rows[row] = Persistence()
        self._touched[row] = trials
        trials.add(wrong=wrong)

    def broken(self, now_s: float) -> list[Broken]:
        """The rows that are broken now, surest first."""
        self._turn_to(now_s)
        if self._first_s is None or now_s - self._first_s < WARM_UP_S:
            return []
        found = [
            Broken(row, trials.nats, self._since_s[row]) for row, trials in self._broken.items()
        ]
        found += self._together()
        return sorted(found, key=lambda broken: (-broken.nats, broken.row))

    def _together(self) -> list[Broken]:
        """Services that fail and cry out about it, each too little to say so alone."""
        found = []
        for speaking in self._speaking.values():
            best: dict[str, Row] = {}
            for row, nats in speaking.items():
                known = best.get(row.signal)
                if known is None or nats > speaking[known]:
                    best[row.signal] = row
            nats = sum(speaking[row] for row in best.values())
            if len(best) == len(TOGETHER) and nats >= THRESHOLD_OF_TWO:
                since_s = min(self._since_s[row] for row in best.values())
                found.append(Broken(best[FAILED], nats, since_s))
        return found

    def _note(self, row: Row, nats: float) -> None:
        """Remember what a row of ``TOGETHER`` says now."""
        speaking = self._speaking.setdefault(row.service, {})
        if nats > 0.0:
            speaking[row] = nats
        else:
            speaking.pop(row, None)
            if not speaking:
                del self._speaking[row.service]

    def _turn_to(self, at_s: float) -> None:
        """Close the open bin when time is past it."""
        place = int(at_s // BIN_S)
        if self._bin is None or self._first_s is None:
            self._bin, self._first_s = place, at_s
        if place <= self._bin:
            return
        for row, trials in self._touched.items():
            nats = trials.close()
            if row.signal in TOGETHER:
                self._note(row, nats)
            if nats > 0.0:
                self._since_s.setdefault(row, self._bin * BIN_S)
            else:
                self._since_s.pop(row, None)
            if nats >= THRESHOLD:
                self._broken[row] = trials
            else:
                self._broken.pop(row, None)
        self._touched.clear()
        self._bin = place
