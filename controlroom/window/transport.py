"""Where on the timeline the viewer is: following live, playing, or paused (pure).

A position is a function of the clock and of what was last asked, so nothing drifts: no step is
ever added up.
"""

from enum import StrEnum

import msgspec

from controlroom.window.timeline import Timeline

BEHIND_S = 0.075
"""A live window shows what was 75 ms ago: one and a half ticks, so there is always a next one."""
SPEEDS = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0)
QUIET_S = 3.0
"""A stretch of a recording in which so long nothing happens is worth skipping."""
LEAD_S = 1.0
"""How long before the next thing that happens a skip ends."""
_HAIR_S = 1e-6


class Mode(StrEnum):
    """How the position moves."""

    FOLLOWING = "following"
    PLAYING = "playing"
    PAUSED = "paused"


class Shown(msgspec.Struct, frozen=True):
    """What the transport bar says."""

    mode: Mode
    speed: float
    t_s: float
    skipping: bool


class Transport:
    """Three states, a speed and a position.

    Args:
        timeline: what can be shown.
        live: whether it grows by itself; a recording is played instead of followed.
    """

    def __init__(self, timeline: Timeline, *, live: bool) -> None:
        self._timeline = timeline
        self._live = live
        self.mode = Mode.FOLLOWING if live else Mode.PLAYING
        self.speed = 1.0
        self.skip_quiet = not live
        self._from_s = 0.0
        """Position at ``_since_s``, for playing and for paused."""
        self._since_s: float | None = None

    def position(self, now_s: float) -> float:
        """The time to show at ``now_s``, both on the timeline's axis where it is live."""
        if self.mode is Mode.FOLLOWING:
            return now_s - BEHIND_S
        if self._since_s is None:
            self._from_s, self._since_s = self._timeline.first_s, now_s
        if self.mode is Mode.PAUSED:
            return self._from_s
        return self._played(now_s)

    def _played(self, now_s: float) -> float:
        assert self._since_s is not None
        t_s = self._from_s + (now_s - self._since_s) * self.speed
        if self.skip_quiet:
            ahead = self.next_thing_s(t_s)
            behind = self._previous_thing_s(t_s)
            if ahead is not None and ahead - t_s > QUIET_S and t_s - behind > QUIET_S:
                t_s = ahead - LEAD_S
                self._set(t_s, now_s)
        if self._live and t_s >= now_s - BEHIND_S:
            self.mode, self.speed = Mode.FOLLOWING, 1.0
            return now_s - BEHIND_S
        end_s = self._timeline.last_s
        if not self._live and t_s >= end_s:
            self.mode = Mode.PAUSED
            self._set(end_s, now_s)
            return end_s
        return t_s

    # --- what the viewer does -----------------------------------------------------------------------

    def pause(self, now_s: float) -> None:
        """Hold what is shown."""
        self._set(self.position(now_s), now_s)
        self.mode = Mode.PAUSED

    def play(self, now_s: float) -> None:
        """Go on from here; from the beginning, where a recording has ended."""
        t_s = self.position(now_s)
        ended = not self._live and t_s >= self._timeline.last_s - _HAIR_S
        self._set(self._timeline.first_s if ended else t_s, now_s)
        self.mode = Mode.PLAYING

    def toggle(self, now_s: float) -> None:
        """Pause what moves, play what is paused."""
        if self.mode is Mode.PAUSED:
            self.play(now_s)
        else:
            self.pause(now_s)

    def follow(self, now_s: float) -> None:
        """Show what happens now; a recording goes to its end."""
        if self._live:
            self.mode = Mode.FOLLOWING
        else:
            self.scrub(self._timeline.last_s, now_s)
            self.mode = Mode.PAUSED

    def scrub(self, t_s: float, now_s: float) -> None:
        """Go to ``t_s``; what was playing goes on from there, what followed is paused there."""
        within_s = min(max(t_s, self._timeline.first_s), self._timeline.last_s)
        self._set(within_s, now_s)
        if self.mode is Mode.FOLLOWING:
            self.mode = Mode.PAUSED

    def faster(self, by: int, now_s: float) -> None:
        """Play at a speed ``by`` steps faster (negative: slower); what followed plays from here."""
        t_s = self.position(now_s)
        nearest = min(range(len(SPEEDS)), key=lambda place: abs(SPEEDS[place] - self.speed))
        self.speed = SPEEDS[min(max(nearest + by, 0), len(SPEEDS) - 1)]
        self._set(t_s, now_s)
        if self.mode is Mode.FOLLOWING and self.speed < 1:
            self.mode = Mode.PLAYING

    def pace(self, speed: float, now_s: float) -> None:
        """Go on from here at ``speed``, whatever it was; what followed plays where that is slower."""
        if speed != self.speed:
            self._set(self.position(now_s), now_s)
            self.speed = speed
        if self.mode is Mode.FOLLOWING and speed < 1:
            self.mode = Mode.PLAYING

    def step(self, by: int, now_s: float) -> None:
        """Pause at the next thing that happened, or at the one before (negative)."""
        t_s = self.position(now_s)
        self.mode = Mode.PAUSED
        times = sorted({mark.t_s for mark in self._timeline.marks()})
        if by > 0:
            later = [time_s for time_s in times if time_s > t_s + _HAIR_S]
            t_s = later[min(by, len(later)) - 1] if later else self._timeline.last_s
        else:
            earlier = [time_s for time_s in times if time_s < t_s - _HAIR_S]
            t_s = earlier[max(by, -len(earlier))] if earlier else self._timeline.first_s
        self._set(t_s, now_s)

    # --- what is asked ------------------------------------------------------------------------------

    def shown(self, now_s: float) -> Shown:
        """What the transport bar says."""
        t_s = self.position(now_s)
        return Shown(self.mode, self.speed, t_s, self.skip_quiet)

    def next_thing_s(self, t_s: float) -> float | None:
        """When the next thing happens after ``t_s``; none where nothing does any more."""
        ahead = self._timeline.marks(t_s + _HAIR_S)
        return ahead[0].t_s if ahead else None

    def _previous_thing_s(self, t_s: float) -> float:
        behind = self._timeline.marks(to_s=t_s)
        return behind[-1].t_s if behind else float("-inf")

    def _set(self, t_s: float, now_s: float) -> None:
        self._from_s, self._since_s = t_s, now_s
