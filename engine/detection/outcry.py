"""Which services' logs cry out for some time: louder than their habit, or in words never heard (pure).

One bin of one service's log is one trial (``engine.detection.persistence``): it goes wrong when it
holds more loud lines than such bins usually do, or a loud line of a kind that is new. Lines of one
bin are one witness: a stack trace has fifty.
"""

from math import sqrt

from engine.detection.rows import OUTCRY, Row, Rows
from engine.telemetry.bins import BIN_S
from engine.telemetry.loudness import LOUD, of_level
from engine.telemetry.records import LogRecord
from engine.telemetry.templates import TemplateMiner

NEW_FOR_S = 600.0
"""A kind of line is new for so long after it was first seen."""
LEARNING_S = 300.0
"""In the first minutes of a log every kind of line is new, and none counts as such."""
LEARNING_BINS = 10
"""Of one service's log, by which its habit is first known."""
RATE = 1.0 / 40.0
"""Of the newest bin in the habit: ten minutes count most."""
OVERDISPERSION = 4.0
SPREADS = 3.0
MOST_SERVICES = 20_000
MOST_KINDS = 20_000


class _Log:
    """One service's log."""

    __slots__ = ("bins", "lines", "loud", "new", "usual")

    def __init__(self) -> None:
        self.lines = self.loud = self.new = 0
        """Of the open bin."""
        self.bins = 0
        """That held any line, so far."""
        self.usual = 0.0
        """Loud lines of a bin."""


class Outcry:
    """All logs of one system; lines come in the order of time."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows
        self._templates = TemplateMiner()
        self._seen_s: dict[tuple[str, int], float] = {}
        """When a service first said a kind of loud line."""
        self._logs: dict[str, _Log] = {}
        self._bin: int | None = None
        self._first_s: float | None = None
        self.dropped = 0
        """Lines of services, and kinds of lines, beyond the most that are kept."""

    def add(self, line: LogRecord) -> None:
        """Take one line in."""
        place = int(line.t // BIN_S)
        if self._bin is None or self._first_s is None:
            self._bin, self._first_s = place, line.t
        if place > self._bin:
            self._turn(line.t)
            self._bin = place
        log = self._logs.get(line.service)
        if log is None:
            if len(self._logs) >= MOST_SERVICES:
                self.dropped += 1
                return
            log = self._logs[line.service] = _Log()
        log.lines += 1
        template = self._templates.number(line.body)
        if self._templates.is_failure(template) or of_level(line.severity) == LOUD:
            log.loud += 1
            log.new += self._is_new(line, template)

    def _is_new(self, line: LogRecord, template: int) -> bool:
        assert self._first_s is not None
        kind = (line.service, template)
        first_s = self._seen_s.get(kind)
        if first_s is None:
            if len(self._seen_s) >= MOST_KINDS:
                self.dropped += 1
                return False
            first_s = self._seen_s[kind] = line.t
        return line.t - first_s < NEW_FOR_S and first_s - self._first_s >= LEARNING_S

    def _turn(self, now_s: float) -> None:
        """Judge the bin that is over; its trials count in the one that begins."""
        for service, log in self._logs.items():
            if log.lines:
                self._judge(service, log, now_s)

    def _judge(self, service: str, log: _Log, now_s: float) -> None:
        most = log.usual + SPREADS * sqrt(OVERDISPERSION * log.usual)
        log.bins += 1
        if log.bins <= LEARNING_BINS:
            log.usual += (log.loud - log.usual) / log.bins
        else:
            self._rows.add(now_s, Row(service, OUTCRY), wrong=log.new > 0 or log.loud > most)
            # An outburst teaches no more than a loud bin does.
            log.usual += RATE * (min(log.loud, most + 1.0) - log.usual)
        log.lines = log.loud = log.new = 0
