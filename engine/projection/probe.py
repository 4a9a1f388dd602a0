"""What the SLO probe saw, second by second (pure)."""

from collections import deque

import msgspec

from engine.senses.burn_rate import BurnRate
from engine.stream.state import SloRow
from engine.topology import Objective

SECONDS = 120
RECENT = 10
"""Seconds over which the share of good requests is told."""
SILENT_MS = 5_000


class ProbeSecond(msgspec.Struct, frozen=True):
    """One line of the probe's log; what else stands in it is not for screens."""

    unix_ms: int
    good: int
    bad: int
    green: bool


_decoder = msgspec.json.Decoder(ProbeSecond)


class ProbeHistory:
    """The last two minutes of the probe's log."""

    def __init__(self, objective: Objective) -> None:
        self._objective = objective
        self._seconds: deque[ProbeSecond] = deque(maxlen=SECONDS)
        self._since_ms = 0
        self._budget = BurnRate(objective.availability_permille)
        self.malformed = 0
        """Lines that were none of the probe's."""

    def add(self, line: bytes) -> None:
        """Take in one line of the log; a line that is damaged is counted and left out."""
        try:
            second = _decoder.decode(line)
        except (msgspec.DecodeError, RecursionError, UnicodeError):
            self.malformed += 1
            return
        if not self._seconds or self._seconds[-1].green != second.green:
            self._since_ms = second.unix_ms
        self._seconds.append(second)
        self._budget.add(second.unix_ms / 1_000, second.good, second.bad)

    def row(self) -> SloRow | None:
        """What screens show; nothing before the first second."""
        if not self._seconds:
            return None
        newest = self._seconds[-1]
        recent = list(self._seconds)[-RECENT:]
        asked = sum(second.good + second.bad for second in recent)
        good = sum(second.good for second in recent)
        return SloRow(
            subject=self._objective.subject,
            green=newest.green,
            held_ms=max(0, newest.unix_ms + 1000 - self._since_ms),
            success=good / asked if asked else 0.0,
            history=tuple(_permille(second) for second in self._seconds),
        )

    def burning(self) -> str:
        """In words, how the error budget burns where that is a page or a ticket; else empty."""
        found = self._budget.burning()
        if not found:
            return ""
        rule, burn = found[0]
        urgency = "page" if rule.page else "ticket"
        windows = f"{rule.long_min // 60} h and {rule.short_min} min"
        return (
            f"{urgency}: {self._objective.subject} burns its error budget {burn:.1f}× ({windows})"
        )

    def is_silent(self, now_ms: int) -> bool:
        """Whether the probe was heard once and is not any more."""
        return bool(self._seconds) and now_ms - self._seconds[-1].unix_ms > SILENT_MS


def _permille(second: ProbeSecond) -> int:
    asked = second.good + second.bad
    return 1000 * second.good // asked if asked else 0
