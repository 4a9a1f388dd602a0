"""Samples gathered to rows, one sample of each signal a row, whatever their phases (pure).

Scrapers ask their targets one after the other, exporters push when it suits them: samples of one
step come in over a whole step, or all at once. A row ends of itself when a signal comes again. What
such rows have in common is the core of the next: once that is there, nothing needs to be waited for.
"""

from collections import deque

Signal = tuple[str, str]
"""Service and metric."""
Row = dict[Signal, float]

PROMPT = 0.5
"""Of a step: when most of the core came within it, samples are lost rather than under way."""
NEARLY = 0.9
"""Of the core, that is most of it."""
REMEMBERED = 3
"""Rows that ended of themselves, whose common signals are the core."""


class Gathering:
    """Gathers samples to rows; feed it samples in the order of time."""

    def __init__(self, step_s: float) -> None:
        self._step_s = step_s
        self._row: Row = {}
        self._from_s = self._to_s = 0.0
        self._ended: deque[frozenset[Signal]] = deque(maxlen=REMEMBERED)
        self._core: frozenset[Signal] = frozenset()
        self._of_core = 0
        """How many signals of the core are in the open row."""
        self._done: list[tuple[float, Row]] = []

    def add(self, at_s: float, signal: Signal, value: float) -> None:
        """Take one sample in."""
        if signal in self._row:
            self._learn()
            self._close()
        if not self._row:
            self._from_s = at_s
        self._row[signal] = value
        self._of_core += signal in self._core
        self._to_s = at_s

    def done(self) -> list[tuple[float, Row]]:
        """The rows that are done and were not told yet, with the time of their first sample."""
        is_prompt = self._to_s - self._from_s <= PROMPT * self._step_s
        wanted = len(self._core) * (NEARLY if is_prompt else 1.0)
        if self._core and self._of_core >= wanted:
            self._close()
        done, self._done = self._done, []
        return done

    def _learn(self) -> None:
        self._ended.append(frozenset(self._row))
        if len(self._ended) == REMEMBERED:
            self._core = frozenset.intersection(*self._ended)

    def _close(self) -> None:
        self._done.append((self._from_s, self._row))
        self._row, self._of_core = {}, 0
