"""How long until a signal reaches its limit, if it will (pure).

What is watched is the headroom: the distance to the limit, whichever side the limit is on. A
warning extrapolates a ramp (``engine.senses.ramp``) and therefore asks of it, before it believes:

- it starts from a level that was watched before, and reaches lower than that level ever did:
  so seasons, sawtooths and rotated disks, which have been there before, are no news;
- it is a ramp and not a step, has lasted several samples, and has not turned back;
- it is not extrapolated much further than it has already gone;
- where it slows down, the straight line is replaced by the curve that its two halves lie on (an
  exponential, Gardner & McKenzie's damped trend, 1985), which may end above the limit;
- where it speeds up, a burst that may end as suddenly is waited for until little headroom is left.
"""

from collections import deque
from dataclasses import dataclass
from math import exp, isfinite, log

from engine.senses.ramp import Ramp, Ramps

LEAST_EXPLAINED = 0.8
FURTHEST = 1.2
"""How many times its own age a ramp is extrapolated."""
LEAST_RECORD = 0.3
"""Share of the ramp that must lie below everything that was before it."""
MOST_JUMP = 0.35
"""Share of the ramp that may happen within three samples."""
MOST_USUAL_SPREAD = 0.15
"""Share of the ramp that its past may spread without having to be outdone by ``SWING``."""
SWING = 0.8
"""Of a restless past's range, this much must lie between its lowest and the ramp's end."""
BENT = 0.15
"""Natural logarithm of late slope over early slope; from here on a ramp slows down."""
HURRYING = 0.6
"""And from here on it speeds up."""
DAMPED_MARGIN = 1.2
"""A damped trend is believed to reach the limit when it would reach so many times as far."""
CLOSE = 0.17
"""Headroom over what the ramp has consumed, below which nobody waits for more evidence."""
PERSISTENCE = 4
PERSISTENCE_GAP = 8
"""A ramp is believed after so many samples that showed it, with pauses no longer than this."""
MOST_TURNED = 0.1
"""Share of the ramp by which its newest samples may have turned back from its furthest."""
LEAST_LEFT = 3.0
"""Samples until the limit below which no warning begins: nothing would confirm it in time, and what
rises so steeply as often falls as steeply. Who has been warned already is kept up to date."""
KEPT_UP = 8
"""Samples after a warning in which its estimate is kept up to date on weaker evidence."""
LEAST_EXPLAINED_KEPT_UP = 0.6


@dataclass(frozen=True, slots=True)
class Crossing:
    """When a limit will be reached, if it goes on like this."""

    left_s: float
    earliest_s: float
    latest_s: float
    """Between these two, by two standard errors of the slope; infinite when it may never happen."""
    age_s: float
    """How long the signal has been on its way."""
    usual: float
    """The level that it left, in its own unit."""


class Runway:
    """One signal on its way to its limit, or not; feed it every sample."""

    def __init__(self, limit: float, *, is_above: bool) -> None:
        self._limit = limit
        self._sign = 1.0 if is_above else -1.0
        self._ramps = Ramps()
        self._times: deque[float] = deque(maxlen=512)
        self._shown = 0
        self._last_shown = self._last_warned = -1_000_000
        self._seen = 0

    def step(self, at_s: float, value: float) -> Crossing | None:
        """The crossing to be warned of now; None when all is calm, or nothing can be said yet."""
        if not isfinite(value):
            return None
        headroom = self._sign * (self._limit - value)
        self._ramps.add(headroom)
        self._times.append(at_s)
        self._seen += 1
        is_kept_up = self._seen - self._last_warned <= KEPT_UP
        if headroom <= 0.0 or not (is_kept_up or self._ramps.is_lowest()):
            return None
        ramp = self._ramps.falling()
        if ramp is None or ramp.late_slope >= 0.0:
            return None
        if is_kept_up and ramp.explained >= LEAST_EXPLAINED_KEPT_UP:
            left = _samples_left(ramp, _bend(ramp))
        else:
            left = self._believed(ramp)
        if left is None:
            return None
        self._last_warned = self._seen
        return self._crossing(ramp, left)

    def _believed(self, ramp: Ramp) -> float | None:
        """Samples until the limit, when the ramp has shown itself for long enough."""
        bend = _bend(ramp)
        left = _samples_left(ramp, bend)
        if left is None or left < LEAST_LEFT:
            return None
        if not self._is_news(ramp) or not _is_near(ramp, bend, left):
            return None
        if self._seen - self._last_shown > PERSISTENCE_GAP:
            self._shown = 0
        self._shown += 1
        self._last_shown = self._seen
        return left if _is_close(ramp, bend) or self._shown >= PERSISTENCE else None

    def _is_news(self, ramp: Ramp) -> bool:
        """Whether it is a ramp out of a known level to where the signal never was."""
        consumed = ramp.usual - ramp.end
        if ramp.explained < LEAST_EXPLAINED or consumed <= 0.0:
            return False
        if self._ramps.turned_back(ramp.age) > MOST_TURNED * consumed:
            return False
        before, since = self._ramps.before(ramp.age), self._ramps.since(ramp.age)
        record = float(before.min()) - ramp.end
        if record < LEAST_RECORD * consumed:
            return False
        if ramp.usual_spread > MOST_USUAL_SPREAD * consumed:
            swing = float(before.max() - before.min())
            if record < SWING * swing:
                return False
        jump = float((since[:-3] - since[3:]).max())
        return max(jump, ramp.usual - ramp.begin) <= MOST_JUMP * consumed

    def _crossing(self, ramp: Ramp, left: float) -> Crossing:
        period_s = (self._times[-1] - self._times[-1 - ramp.age]) / ramp.age
        # Neighbouring samples resemble each other, so the slope is less certain than it looks.
        error = 4.0 * ramp.slope_error
        fast, slow = error - ramp.slope, -ramp.slope - error
        left_s = left * period_s
        return Crossing(
            left_s,
            left_s * -ramp.slope / fast,
            left_s * -ramp.slope / slow if slow > 0.0 else float("inf"),
            ramp.age * period_s,
            self._limit - self._sign * ramp.usual,
        )


def _bend(ramp: Ramp) -> float:
    """Natural logarithm of how much steeper the later half is than the earlier."""
    if ramp.early_slope >= 0.0:
        return 3.0
    return log(min(max(ramp.late_slope / ramp.early_slope, 0.05), 20.0))


def _samples_left(ramp: Ramp, bend: float) -> float | None:
    """Samples until the headroom is used up; None when it will not be."""
    half = ramp.age // 2
    headroom = max(_end(ramp, bend), 1e-9 * abs(ramp.usual))
    if -BENT <= bend <= HURRYING:
        return headroom / -ramp.slope
    # The slope now, on an exponential through the middles of both halves.
    steepness = -ramp.late_slope * exp(bend / 2.0)
    if bend > 0.0:
        return half / bend * log(1.0 + headroom * bend / (half * steepness))
    still_to_come = steepness * half / -bend
    if still_to_come <= DAMPED_MARGIN * headroom:
        return None
    return half / bend * log(1.0 - headroom / still_to_come)


def _end(ramp: Ramp, bend: float) -> float:
    """The headroom now, without the noise of the newest sample."""
    return ramp.end if -BENT <= bend <= BENT else ramp.bent_end


def _is_close(ramp: Ramp, bend: float) -> bool:
    end = _end(ramp, bend)
    return end <= CLOSE * (ramp.usual - end)


def _is_near(ramp: Ramp, bend: float, left: float) -> bool:
    """Whether the limit is no further than such a ramp can be trusted."""
    if bend > HURRYING:
        return _is_close(ramp, bend)
    trust = FURTHEST * (exp(bend) if bend < -BENT else 1.0)
    return left <= trust * ramp.age
