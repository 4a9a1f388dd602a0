"""What of all that is bounded is on its way to its limit (pure).

One runway (``engine.senses.runway``) for each bounded thing of each service: memory, disk, files, a
pool, a queue, a quota. What is watched is the used share, so that the limit is always 1 and no unit
matters. A forecast stands while its ramp goes on; when the signal falls back, the ramp is forgotten
as if it had not been, so that the same leak after a restart is news again.
"""

from collections import deque
from dataclasses import dataclass
from math import inf

from engine.senses.ramp import PAST
from engine.senses.runway import Crossing, Runway

MAX_WATCHED = 4_096
"""Signals watched at most; what is beyond is counted."""
MOST_SHARE = 1_000.0
"""More than all there is can be asked for, but not a thousand times as much."""
STANDS_SAMPLES = 10
"""A forecast that so many newer samples did not confirm stands no more."""
SILENT_S = 10.0
SILENT_PERIODS = 3.0
"""Nor does one whose signal has not been heard of for as long as both of these."""
FALLEN = 0.5
"""Of what the ramp had climbed: below that it has fallen back."""
FURTHEST_S = 30 * 86_400.0
"""Forecasts beyond a month say only that: later."""


@dataclass(frozen=True, slots=True)
class Foreseen:
    """A bounded thing that will be used up, if it goes on like this; times are Unix seconds."""

    service: str
    kind: str
    """What is bounded, in the words of whoever told of it."""
    share: float
    """Used, of all there is, by the newest sample."""
    usual_share: float
    """Before it began."""
    began_s: float
    said_s: float
    """When this was last confirmed."""
    crosses_s: float
    earliest_s: float
    latest_s: float
    samples: int
    """How many samples the ramp rests on."""


class _Watched:
    """One signal: its runway, what it did lately, and the forecast that stands."""

    def __init__(self) -> None:
        self.runway = Runway(1.0, is_above=True)
        self.past: deque[tuple[float, float]] = deque(maxlen=PAST)
        self.standing: Foreseen | None = None
        self.unsaid = 0
        """Samples since the forecast was last confirmed."""

    def add(self, at_s: float, service: str, kind: str, share: float) -> None:
        self.past.append((at_s, share))
        crossing = self.runway.step(at_s, share)
        if crossing is not None:
            self.standing, self.unsaid = (
                _foreseen(crossing, at_s, service, kind, share, self.past),
                0,
            )
        elif self.standing is not None:
            self.unsaid += 1
            self._look_back(share)

    def _look_back(self, share: float) -> None:
        """Forget the ramp when its signal has fallen back."""
        standing = self.standing
        assert standing is not None
        climbed = standing.share - standing.usual_share
        if share > standing.usual_share + FALLEN * climbed:
            return
        kept = [(at_s, earlier) for at_s, earlier in self.past if at_s < standing.began_s]
        self.runway, self.standing = Runway(1.0, is_above=True), None
        self.past.clear()
        for at_s, earlier in kept:
            self.past.append((at_s, earlier))
            self.runway.step(at_s, earlier)

    def stands(self, now_s: float) -> bool:
        """Whether the forecast is still to be reckoned with."""
        if self.standing is None or self.unsaid > STANDS_SAMPLES:
            return False
        (first_s, _), (last_s, _) = self.past[0], self.past[-1]
        period_s = (last_s - first_s) / max(1, len(self.past) - 1)
        return now_s - last_s <= max(SILENT_S, SILENT_PERIODS * period_s)


class Outlook:
    """All bounded signals of one system; feed it every sample in order."""

    def __init__(self) -> None:
        self._watched: dict[tuple[str, str], _Watched] = {}
        self.dropped = 0
        """Samples that are no share of anything, or of signals beyond ``MAX_WATCHED``."""

    def add(self, at_s: float, service: str, kind: str, share: float) -> bool:
        """Take in how much of something bounded ``service`` uses: 0 to 1; False when it is dropped."""
        watched = self._watched.get((service, kind))
        # Written so that what is no number is refused too.
        if not 0.0 <= share <= MOST_SHARE:
            self.dropped += 1
            return False
        if watched is None:
            if len(self._watched) >= MAX_WATCHED:
                self.dropped += 1
                return False
            watched = self._watched[service, kind] = _Watched()
        watched.add(at_s, service, kind, share)
        return True

    def standing(self, now_s: float) -> tuple[Foreseen, ...]:
        """The forecasts that stand at ``now_s``, soonest first."""
        found = [
            watched.standing
            for watched in self._watched.values()
            if watched.standing is not None and watched.stands(now_s)
        ]
        return tuple(sorted(found, key=lambda foreseen: foreseen.crosses_s))


def _foreseen(
    crossing: Crossing,
    at_s: float,
    service: str,
    kind: str,
    share: float,
    past: deque[tuple[float, float]],
) -> Foreseen:
    began_s = at_s - crossing.age_s
    latest_s = crossing.latest_s if crossing.latest_s < inf else FURTHEST_S
    return Foreseen(
        service,
        kind,
        share,
        crossing.usual,
        began_s,
        at_s,
        at_s + min(crossing.left_s, FURTHEST_S),
        at_s + min(crossing.earliest_s, FURTHEST_S),
        at_s + min(latest_s, FURTHEST_S),
        sum(time_s >= began_s for time_s, _ in past),
    )
