"""The camera: orbits, pans and zooms about a goal, flies from one view to the next (pure).

Z is up always, so nobody ever has to find it again. All of it is a function of what was done and of
the clock.
"""

import math
from typing import NamedTuple

import msgspec

from controlroom.window.scene.eye import ANGLE_DEG, Eye, look, overview

FLIGHT_S = 0.9
LOWEST, HIGHEST = math.radians(-8.0), math.radians(86.0)
NEAREST, FARTHEST = 3.0, 90.0
DRAG_RAD = math.radians(0.32)
"""Turned for each pixel that the pointer is dragged."""
ZOOM = 0.88
"""Distance after one step of the wheel, as a share of the one before."""
CLOSE = 9.5
"""Distance from which one thing is looked at."""
MAX_REACH = 40.0
ROOM = 1.2
"""The overview stands back by so much: panels lie over the picture's corners."""

Place = tuple[float, float, float]


class Pose(NamedTuple):
    """A camera by angles (radians), distance and goal."""

    azimuth: float
    elevation: float
    distance: float
    goal: Place

    @property
    def place(self) -> Place:
        """Where the camera is."""
        flat = self.distance * math.cos(self.elevation)
        return (
            self.goal[0] + flat * math.cos(self.azimuth),
            self.goal[1] + flat * math.sin(self.azimuth),
            self.goal[2] + self.distance * math.sin(self.elevation),
        )


class View(msgspec.Struct, frozen=True):
    """What the camera does by itself: keeps everything in sight, or stays with one thing."""

    follows: str = ""
    """Id of the thing; empty for the overview and for a camera that a hand has moved."""


class Orbit:
    """A camera that a hand moves and that flies by itself when asked.

    Args:
        still: reduced motion: it cuts instead of flying.
    """

    def __init__(self, *, still: bool = False) -> None:
        self.still = still
        self.view = View()
        self._from = self._to = _all(1280, 720, 5.2)
        self._since_s = -FLIGHT_S
        self._overview = True
        self._reach = 5.2
        self.covered = 0.0
        """Share of the picture's height that something lies over at the bottom: overviews keep clear."""

    # --- what the viewer does -----------------------------------------------------------------------

    def turn(self, dx: float, dy: float, now_s: float) -> None:
        """Orbit by a drag of the pointer, in pixels."""
        pose = self.pose(now_s)
        elevation = min(max(pose.elevation + dy * DRAG_RAD, LOWEST), HIGHEST)
        self._hold(pose._replace(azimuth=pose.azimuth - dx * DRAG_RAD, elevation=elevation))

    def pan(self, dx: float, dy: float, height: int, now_s: float) -> None:
        """Move goal and camera by a drag of the pointer, in pixels of a view ``height`` high."""
        pose = self.pose(now_s)
        unit = 2 * pose.distance * math.tan(math.radians(ANGLE_DEG) / 2) / max(1, height)
        right = (-math.sin(pose.azimuth), math.cos(pose.azimuth))
        away = (-math.cos(pose.azimuth), -math.sin(pose.azimuth))
        lift = math.sin(pose.elevation)
        x, y, z = pose.goal
        goal = (
            _within(x - dx * unit * right[0] + dy * unit * away[0] * lift),
            _within(y - dx * unit * right[1] + dy * unit * away[1] * lift),
            _within(z + dy * unit * math.cos(pose.elevation)),
        )
        self._hold(pose._replace(goal=goal))

    def zoom(self, steps: float, now_s: float) -> None:
        """Nearer (positive) or farther, in steps of the wheel; what is followed stays followed."""
        pose = self.pose(now_s)
        distance = min(max(pose.distance * ZOOM**steps, NEAREST), FARTHEST)
        follows = self.view
        self._hold(pose._replace(distance=distance))
        self.view = follows

    def home(self, width: int, height: int, now_s: float, reach: float = 5.2) -> None:
        """Fly to where everything is in sight; ``reach`` is the council's radius."""
        self._reach = reach
        self._fly(self._all(width, height, reach), now_s)
        self._overview = True
        self.view = View()

    def go_to(self, thing: str, place: Place, now_s: float, distance: float = CLOSE) -> None:
        """Fly to ``thing`` and stay with it wherever it goes."""
        pose = self.pose(now_s)
        self._fly(pose._replace(goal=place, distance=min(pose.distance, distance)), now_s)
        self.view = View(thing)

    def keep_up(self, place: Place, now_s: float) -> None:
        """What is followed is at ``place`` now."""
        if now_s - self._since_s < FLIGHT_S:
            self._to = self._to._replace(goal=place)
        else:
            self._to = self._from = self.pose(now_s)._replace(goal=place)

    def fit(self, width: int, height: int, now_s: float, reach: float) -> None:
        """The window or the council has another size: an overview stays one."""
        if self._overview and now_s - self._since_s >= FLIGHT_S:
            self._reach = reach
            self._from = self._to = self._all(width, height, reach)

    # --- what is asked ------------------------------------------------------------------------------

    def pose(self, now_s: float) -> Pose:
        """The camera at ``now_s``."""
        share = 1.0 if self.still else min(1.0, max(0.0, (now_s - self._since_s) / FLIGHT_S))
        if share >= 1.0:
            return self._to
        eased = share * share * (3 - 2 * share)
        start, end = self._from, self._to
        turn = (end.azimuth - start.azimuth + math.pi) % (2 * math.pi) - math.pi
        return Pose(
            start.azimuth + turn * eased,
            _between(start.elevation, end.elevation, eased),
            _between(start.distance, end.distance, eased),
            (
                _between(start.goal[0], end.goal[0], eased),
                _between(start.goal[1], end.goal[1], eased),
                _between(start.goal[2], end.goal[2], eased),
            ),
        )

    def eye(self, width: int, height: int, now_s: float) -> Eye:
        """What the scene is seen by, on a picture of that size."""
        pose = self.pose(now_s)
        return look(pose.place, pose.goal, max(1, width), max(1, height))

    def _all(self, width: int, height: int, reach: float) -> Pose:
        return raised(_all(width, height, reach), self.covered)

    def _fly(self, pose: Pose, now_s: float) -> None:
        self._from, self._to, self._since_s = self.pose(now_s), pose, now_s
        self._overview = False

    def _hold(self, pose: Pose) -> None:
        self._from = self._to = pose
        self._since_s = -FLIGHT_S
        self._overview = False
        self.view = View()


def pose_of(eye: Eye) -> Pose:
    """The pose that sees what ``eye`` does."""
    dx, dy, dz = (float(it) for it in eye.place - eye.goal)
    distance = math.sqrt(dx * dx + dy * dy + dz * dz)
    goal = (float(eye.goal[0]), float(eye.goal[1]), float(eye.goal[2]))
    return Pose(math.atan2(dy, dx), math.asin(dz / max(distance, 1e-9)), distance, goal)


def _all(width: int, height: int, reach: float) -> Pose:
    pose = pose_of(overview(max(1, width), max(1, height), reach))
    return pose._replace(distance=pose.distance * ROOM)


def raised(pose: Pose, covered: float) -> Pose:
    """The pose that sees above the lowest share ``covered`` of the picture what ``pose`` sees in all of it."""
    distance = pose.distance / (1.0 - covered)
    down = covered * distance * math.tan(math.radians(ANGLE_DEG) / 2)
    back = down * math.sin(pose.elevation)
    x, y, z = pose.goal
    goal = (
        x + back * math.cos(pose.azimuth),
        y + back * math.sin(pose.azimuth),
        z - down * math.cos(pose.elevation),
    )
    return pose._replace(distance=distance, goal=goal)


def _between(a: float, b: float, share: float) -> float:
    return a + (b - a) * share


def _within(value: float) -> float:
    return min(max(value, -MAX_REACH), MAX_REACH)
