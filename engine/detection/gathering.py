"""Samples gathered to rows, one sample of each signal a row, whatever their phases (pure).

Scrapers ask their targets one after the other, exporters push when it suits them: samples of one
step come in over a whole step, or all at once. A row ends of itself when a signal comes again, or
a step has passed. Once it is known how many signals such rows hold, a row that holds nearly as many
need not wait for that.
"""

from collections import deque

Signal = tuple[str, str]
"""Service and metric."""
Row = dict[Signal, float]

PROMPT = 0.5
"""Of a step, within which they have to be there for that: else rows would drift through the step."""
NEARLY = 0.9
"""Of the signals of a row that ended of itself, that make the next one done."""
REMEMBERED = 5
"""Rows that ended of themselves, of which the smallest counts: some signals come rarely."""


class Gathering:
    """Gathers samples to rows; feed it samples in the order of time."""

    def __init__(self, step_s: float) -> None:
        self._step_s = step_s
        self._row: Row = {}
        self._from_s = 0.0
        self._sizes: deque[int] = deque(maxlen=REMEMBERED)
        self._done: list[tuple[float, Row]] = []

    def add(self, at_s: float, signal: Signal, value: float) -> None:
        """Take one sample in."""
        if signal in self._row:
            self._end()
        if not self._row:
            self._from_s = at_s
        self._row[signal] = value

    def done(self, now_s: float) -> list[tuple[float, Row]]:
        """The rows that are done by now and were not told yet, with the time of their first sample."""
        if self._row and now_s - self._from_s >= self._step_s:
            self._end()
        is_prompt = now_s - self._from_s <= PROMPT * self._step_s
        is_known = len(self._sizes) == REMEMBERED
        if is_prompt and is_known and len(self._row) >= NEARLY * min(self._sizes):
            self._close()
        done, self._done = self._done, []
        return done

    def _end(self) -> None:
        self._sizes.append(len(self._row))
        self._close()

    def _close(self) -> None:
        self._done.append((self._from_s, self._row))
        self._row = {}
