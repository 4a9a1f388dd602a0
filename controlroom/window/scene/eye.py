"""Where the picture is seen from, and where on it things are (pure)."""

import math
from typing import NamedTuple

import numpy as np

from controlroom.window.scene.buffers import Floats

ANGLE_DEG = 32.0
"""Vertical angle of view."""


class Eye(NamedTuple):
    """A camera, as numbers."""

    place: Floats
    goal: Floats
    right: Floats
    up: Floats
    view_projection: Floats
    """``(4, 4)``: from the scene to clip space."""
    width: int
    height: int

    def project(self, places: Floats) -> tuple[Floats, Floats]:
        """Where ``places`` ``(m, 3)`` are on the picture.

        Returns:
            Pixels from the top left ``(m, 2)``, and how far in front of the eye each is, in units
            of the scene; a distance of 0 or less is behind it.
        """
        points = np.concatenate([places, np.ones((len(places), 1))], axis=1)
        clip = points @ self.view_projection.T
        depth = clip[:, 3]
        safe = np.where(np.abs(depth) < 1e-6, 1e-6, depth)
        x = (clip[:, 0] / safe * 0.5 + 0.5) * self.width
        y = (0.5 - clip[:, 1] / safe * 0.5) * self.height
        return np.stack([x, y], axis=1), depth

    def scale(self, depth: Floats) -> Floats:
        """Pixels that one unit of the scene covers at ``depth``."""
        pixels: Floats = self.height / (
            2 * np.tan(np.radians(ANGLE_DEG) / 2) * np.maximum(depth, 1e-6)
        )
        return pixels


def look(
    place: tuple[float, float, float],
    goal: tuple[float, float, float],
    width: int,
    height: int,
) -> Eye:
    """The eye at ``place`` that looks at ``goal``, with z upwards."""
    where, towards = np.array(place, float), np.array(goal, float)
    # Written out: numpy's cross product costs more than all the rest of this together.
    fx, fy, fz = _unit(*(towards - where).tolist())
    rx, ry, rz = _unit(fy, -fx, 0.0)
    forward, right = np.array((fx, fy, fz)), np.array((rx, ry, rz))
    up = np.array((ry * fz - rz * fy, rz * fx - rx * fz, rx * fy - ry * fx))
    view = np.eye(4)
    view[0, :3], view[1, :3], view[2, :3] = right, up, -forward
    view[:3, 3] = -view[:3, :3] @ where
    near, far = 0.1, 200.0
    reach = 1.0 / np.tan(np.radians(ANGLE_DEG) / 2)
    projection = np.zeros((4, 4))
    projection[0, 0], projection[1, 1] = reach * height / width, reach
    projection[2, 2] = (far + near) / (near - far)
    projection[2, 3] = 2 * far * near / (near - far)
    projection[3, 2] = -1.0
    return Eye(where, towards, right, up, projection @ view, width, height)


def _unit(x: float, y: float, z: float) -> tuple[float, float, float]:
    length = max(1e-9, math.sqrt(x * x + y * y + z * z))
    return x / length, y / length, z / length


def overview(width: int, height: int, reach: float = 5.2) -> Eye:
    """All of it: the fleet below, the council above; ``reach`` is the council's radius."""
    away = max(1.0, reach / 6.2) * max(1.0, 1.62 / (width / height))
    return look((1.0 * away, -19.6 * away, 12.6 * away), (-0.4, -0.2, 0.6), width, height)
