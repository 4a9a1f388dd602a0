"""Time as a value: the one protocol through which shells learn the time, and its real clock."""

import time
from typing import Protocol


class Clock(Protocol):
    """What a shell may ask about time. Cores take the answer as an argument."""

    def monotonic_ns(self) -> int:
        """Nanoseconds since an arbitrary start; the same for all processes of one machine."""
        ...

    def unix_ms(self) -> int:
        """Milliseconds since 1970-01-01 UTC, as the wall clock has it."""
        ...


class SystemClock:
    """The machine's clocks (CLOCK_MONOTONIC is shared by all processes on Linux)."""

    def monotonic_ns(self) -> int:
        """Nanoseconds of CLOCK_MONOTONIC."""
        return time.monotonic_ns()

    def unix_ms(self) -> int:
        """Milliseconds of CLOCK_REALTIME."""
        return time.time_ns() // 1_000_000
