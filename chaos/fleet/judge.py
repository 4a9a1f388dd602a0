"""Whether the shop keeps its promise, second by second, and when to say so (pure)."""

from collections.abc import Sequence

import msgspec

from engine.vocabulary import Probed

SECOND_NS = 1_000_000_000
ANNOUNCED_S = (1, 2, 5, 10, 30)
"""A colour is announced when it has been held for so long,"""
ANNOUNCED_EVERY_S = 60
"""and then as often as this."""


class Asked(msgspec.Struct):
    """One request of the probe."""

    started_ns: int
    """When it was meant to start."""
    ended_ns: int = 0
    """0 while it is not answered."""
    good: bool = False
    """Whether the answer was the one that was asked for."""


class Second(msgspec.Struct, frozen=True):
    """What the probe saw in one second: a line of its log."""

    monotonic_ns: int
    """When the second began (CLOCK_MONOTONIC)."""
    unix_ms: int
    good: int
    bad: int
    green: bool
    first_bad_ns: int | None
    """When the first of its requests had failed, or was late; None when none did."""


_second = msgspec.json.Decoder(Second)


def read_probe_log(text: bytes) -> list[Second]:
    """The seconds in a probe's log; a line that was torn is left out.

    That flatters nobody: what is missing is a gap, and no run of green seconds goes across one.
    """
    seconds: list[Second] = []
    for line in text.split(b"\n")[:-1]:
        try:
            seconds.append(_second.decode(line))
        except (msgspec.DecodeError, UnicodeDecodeError):
            continue
    return seconds


def judge(began_ns: int, unix_ms: int, asked: Sequence[Asked], latency_ms: int) -> Second:
    """The verdict on the requests that were meant to start in one second.

    Green: all answered well, none slower than ``latency_ms``. A second in which nothing was
    asked is red: what nobody saw is not good.
    """
    allowed_ns = latency_ms * 1_000_000
    bad_ns: list[int] = []
    for request in asked:
        late = not request.ended_ns or request.ended_ns - request.started_ns > allowed_ns
        if late:
            bad_ns.append(request.started_ns + allowed_ns)
        elif not request.good:
            bad_ns.append(request.ended_ns)
    green = bool(asked) and not bad_ns
    good = len(asked) - len(bad_ns)
    return Second(began_ns, unix_ms, good, len(bad_ns), green, min(bad_ns, default=None))


class Colours:
    """Decides which seconds are worth an announcement to the council."""

    def __init__(self, subject: str, counter: int) -> None:
        """Announce about ``subject``, counting on from ``counter``."""
        self._subject = subject
        self._counter = counter
        self._green: bool | None = None
        self._since_ns = 0
        self._next_s = 0

    def step(self, second: Second) -> Probed | None:
        """Take the next judged second in; the announcement that it gives rise to, if any."""
        if second.green is not self._green:
            self._green = second.green
            self._since_ns = second.monotonic_ns
            self._next_s = 0
        held_ns = second.monotonic_ns + SECOND_NS - self._since_ns
        if held_ns < self._next_s * SECOND_NS:
            return None
        held_s = held_ns // SECOND_NS
        later = (mark for mark in ANNOUNCED_S if mark > held_s)
        self._next_s = next(later, held_s - held_s % ANNOUNCED_EVERY_S + ANNOUNCED_EVERY_S)
        self._counter += 1
        return Probed(self._subject, self._counter, second.green, held_ns // 1_000_000)
