"""Counters over time (pure): a bounded series of readings, and the habit learnt from it.

A counter may start again from 0 with its process; increments are what is kept (as Prometheus'
``increase`` does), so a reset never looks like a drop or a burst.
"""

from bisect import bisect_left, bisect_right
from collections import deque

import msgspec

from engine.telemetry.samples import LinkSeen

SPAN_MS = 120_000
"""How far back readings are kept."""
MAX_POINTS = 256
"""Readings kept for one series at most, however fast they come."""
HABIT_DELAY_MS = 15_000
"""An increment becomes habit only when it is this old: what is judged now is not yet habit."""
HABIT_HALF_LIFE_MS = 600_000
PRIOR_REQUESTS = 200.0
PRIOR_SHARE = 0.005
"""Before anything is learnt, a link is expected to fail one request in two hundred."""


class Counts(msgspec.Struct, frozen=True, gc=False):
    """Increments of a link's counters over some time."""

    span_ms: int = 0
    requests: int = 0
    errors: int = 0
    late: int = 0
    busy_ms: int = 0
    connections: int = 0
    connect_failures: int = 0
    asked_bytes: int = 0
    answered_bytes: int = 0

    @property
    def failures(self) -> int:
        """Failed requests, or connections where the link is none of requests.

        A refused connection fails a request too: the larger number counts both once.
        """
        return max(self.errors, self.connect_failures)

    @property
    def attempts(self) -> int:
        """Requests, or connections where the link is none of requests."""
        return max(self.requests, self.connections + self.connect_failures, self.errors)


class Step(msgspec.Struct, frozen=True, gc=False):
    """The increments between two readings that follow each other."""

    begin_ms: int
    end_ms: int
    counts: Counts


class Habit:
    """What is normal for one link: learnt slowly, late, and with bounded steps.

    An increment far off the habit is clipped before it is learnt (winsorised), so that a minute
    of failure does not become normal; a habit that really changes is followed in minutes.
    """

    def __init__(self) -> None:
        self.requests = PRIOR_REQUESTS
        self.errors = PRIOR_REQUESTS * PRIOR_SHARE
        self.late = PRIOR_REQUESTS * PRIOR_SHARE
        self.busy_ms = 0.0
        self.timed_requests = 0.0
        self.learnt_ms = 0.0

    @property
    def error_share(self) -> float:
        """Share of requests that usually fail."""
        return self.errors / self.requests

    @property
    def late_share(self) -> float:
        """Share of requests that are usually late."""
        return self.late / self.requests

    @property
    def mean_ms(self) -> float | None:
        """How long a request usually takes; None before it is known."""
        return self.busy_ms / self.timed_requests if self.timed_requests >= 20 else None

    @property
    def per_second(self) -> float:
        """Requests that usually come in a second."""
        return (self.requests - PRIOR_REQUESTS) * 1_000 / self.learnt_ms if self.learnt_ms else 0.0

    def learn(self, counts: Counts) -> None:
        """Take one increment in."""
        keep = 0.5 ** (counts.span_ms / HABIT_HALF_LIFE_MS)
        # The prior does not fade: a quiet link is still expected to be nearly free of errors.
        attempts = counts.attempts
        most_errors = attempts * min(1.0, 2 * self.error_share + 0.01)
        most_late = attempts * min(1.0, 2 * self.late_share + 0.01)
        prior = PRIOR_REQUESTS * PRIOR_SHARE
        self.requests = PRIOR_REQUESTS + (self.requests - PRIOR_REQUESTS) * keep + attempts
        self.errors = prior + (self.errors - prior) * keep + min(counts.failures, most_errors)
        self.late = prior + (self.late - prior) * keep + min(counts.late, most_late)
        self.learnt_ms = self.learnt_ms * keep + counts.span_ms
        if counts.requests and counts.busy_ms:
            usual = self.mean_ms
            most_busy = counts.busy_ms if usual is None else 3 * usual * counts.requests
            self.timed_requests = self.timed_requests * keep + counts.requests
            self.busy_ms = self.busy_ms * keep + min(counts.busy_ms, most_busy)


class LinkSeries:
    """The readings of one link over the last two minutes, and its habit."""

    def __init__(self) -> None:
        self.habit = Habit()
        self.resets = 0
        self._times: deque[int] = deque()
        self._totals: deque[tuple[int, ...]] = deque()
        self._last_raw: tuple[int, ...] = ()
        self._folded_to_ms = 0

    def __len__(self) -> int:
        return len(self._times)

    @property
    def last_ms(self) -> int | None:
        """When the newest reading was taken."""
        return self._times[-1] if self._times else None

    @property
    def first_ms(self) -> int | None:
        """When the oldest reading kept was taken."""
        return self._times[0] if self._times else None

    @property
    def carries_requests(self) -> bool:
        """Whether requests are counted here; else only connections, which a pool keeps for ever."""
        return bool(self._last_raw) and self._last_raw[0] > 0

    def add(self, seen: LinkSeen) -> bool:
        """Take one reading in; False when it is not newer than the last one."""
        if self._times and seen.at_ms <= self._times[-1]:
            return False
        raw = (
            seen.requests,
            seen.errors,
            seen.late,
            seen.busy_ms,
            seen.connections,
            seen.connect_failures,
            seen.asked_bytes,
            seen.answered_bytes,
        )
        if not self._times:
            self._totals.append((0,) * len(raw))
            self._folded_to_ms = seen.at_ms
        else:
            reset = any(new < old for new, old in zip(raw, self._last_raw, strict=True))
            self.resets += reset
            base = (0,) * len(raw) if reset else self._last_raw
            self._totals.append(
                tuple(
                    total + new - old
                    for total, new, old in zip(self._totals[-1], raw, base, strict=True)
                )
            )
        self._last_raw = raw
        self._times.append(seen.at_ms)
        self._learn(seen.at_ms)
        while len(self._times) > MAX_POINTS or self._times[0] < seen.at_ms - SPAN_MS:
            self._times.popleft()
            self._totals.popleft()
        return True

    def _learn(self, now_ms: int) -> None:
        """Fold what has become old enough into the habit."""
        for step in self.steps(self._folded_to_ms, now_ms - HABIT_DELAY_MS):
            self.habit.learn(step.counts)
            self._folded_to_ms = step.end_ms

    def counts(self, from_ms: int, to_ms: int) -> Counts:
        """Increments between the first and the last reading inside ``from_ms..to_ms``.

        Nothing that may lie outside is counted, so a gap at an edge costs evidence, not truth.
        """
        first = bisect_left(self._times, from_ms)
        last = bisect_right(self._times, to_ms) - 1
        return self._between(first, last) if last > first else Counts()

    def steps(self, from_ms: int, to_ms: int) -> list[Step]:
        """The increments between neighbouring readings inside ``from_ms..to_ms``."""
        first = bisect_left(self._times, from_ms)
        last = bisect_right(self._times, to_ms) - 1
        return [
            Step(self._times[place], self._times[place + 1], self._between(place, place + 1))
            for place in range(first, last)
        ]

    def _between(self, first: int, last: int) -> Counts:
        grown = [
            new - old for new, old in zip(self._totals[last], self._totals[first], strict=True)
        ]
        return Counts(self._times[last] - self._times[first], *grown)
