"""Calls between services: how many, how slow, how many fail (pure).

A bead stands for a share of a link's requests, not for one: how many beads a link has follows its
rate, how long they take its latency, how many are broken its errors. The legend says so.
"""

import math
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from controlroom.window.scene.buffers import Floats, Lines, Mask, Numbers, Points, rgba, shaded
from controlroom.window.scene.comets import CROSS
from controlroom.window.scene.fleet import Ground
from controlroom.window.scene.palette import BAD, LINE, WARN
from engine.stream.state import LinkRow

MOST_BEADS = 18
TOTAL_BEADS = 1_200
BEAD = 0.052
BROKEN_BEAD = 0.105
_BEAD_COLOUR = (132, 178, 240)


def beads_of(rate: float) -> int:
    """Beads on a link at ``rate`` requests a second: 0 for none, then the more the slower."""
    return 0 if rate <= 0.05 else min(MOST_BEADS, round(2 + 5.2 * math.log10(1 + rate)))


def crossing_s(mean_ms: float) -> float:
    """How long a bead takes, in steps of a quarter of a second: it does not jump at every reading."""
    return min(6.0, round(4 * (1.4 + 0.9 * math.log10(1 + max(0.0, mean_ms)))) / 4)


def colour_of(errors: float) -> tuple[int, int, int]:
    """The colour of a link that loses a share of its requests."""
    return BAD if errors >= 0.1 else WARN if errors >= 0.02 else LINE


class Beads(NamedTuple):
    """The beads of all links, as long as no link has anything new to say."""

    which: Numbers
    """The link of each bead."""
    phase: Floats
    """Where on its way each begins, as a share."""
    takes_s: Floats
    broken: Mask
    shown: Floats
    left: int
    """Beads for which there was no room."""


def beads(plan: Ground, links: Mapping[str, LinkRow], dim: Floats) -> Beads:
    """The beads that ``links`` ask for; ``dim`` holds back those of each link."""
    rows = [links.get(f"{caller}>{callee}") for caller, callee in plan.links]
    counts = np.array([beads_of(row.rate) if row else 0 for row in rows], np.int64)
    shown = np.minimum(counts, max(1, TOTAL_BEADS // max(1, len(rows))))
    which = np.repeat(np.arange(len(rows)), shown)
    number = np.arange(len(which)) - np.repeat(np.cumsum(shown) - shown, shown)
    takes = np.array([crossing_s(row.mean_ms or row.p95_ms) if row else 1.0 for row in rows])
    errors = np.array([row.errors if row else 0.0 for row in rows])[which]
    # Spread over the beads of a link, so that half of them broken looks like half.
    broken = np.floor((number + 1) * errors) > np.floor(number * errors)
    phase = number / np.maximum(1, shown[which]) + which * 0.618
    return Beads(which, phase, takes[which], broken, dim[which], int((counts - shown).sum()))


def draw(
    plan: Ground, found: Beads, t_s: float, splats: Points, heads: Points, *, still: bool
) -> None:
    """Draw the beads; those that fail are crosses beside their colour, reduced motion holds all."""
    if not len(found.which):
        return
    u = (found.phase + (0.0 if still else t_s / found.takes_s)) % 1.0
    places = _on(plan, found.which, u)
    fade = np.minimum(1.0, 8.0 * np.minimum(u, 1.0 - u)) * found.shown
    well = ~found.broken
    colours = np.empty((len(u), 3), np.uint8)
    colours[:] = _BEAD_COLOUR
    splats.put(places[well], shaded(colours[well], 0.75 * fade[well]), BEAD)
    if found.broken.any():
        colours[:] = BAD
        broken = found.broken
        size = BROKEN_BEAD * np.sqrt(fade[broken])
        heads.put(places[broken], shaded(colours[broken], np.ones(len(size))), size, CROSS)


def ways(plan: Ground, links: Mapping[str, LinkRow], lines: Lines, dim: Floats) -> None:
    """Draw the links themselves."""
    if not len(plan.links):
        return
    rows = [links.get(f"{caller}>{callee}") for caller, callee in plan.links]
    colours = np.stack(
        [
            rgba(colour_of(row.errors if row else 0.0), _weight(row) * float(held))
            for row, held in zip(rows, dim, strict=True)
        ]
    )
    lines.put(plan.curves, colours[:, None])


def _weight(row: LinkRow | None) -> float:
    if row is None:
        return 0.15
    if row.errors >= 0.02:
        return 0.9
    return min(0.6, 0.28 + 0.14 * math.log10(1 + row.rate))


def _on(plan: Ground, which: Numbers, u: Floats) -> Floats:
    """Places on the curves of links ``which`` at shares ``u`` of their ways."""
    steps = plan.curves.shape[1] - 1
    at = np.minimum(u * steps, steps - 1e-6)
    low = at.astype(np.int64)
    part = (at - low)[:, None]
    found: Floats = plan.curves[which, low] * (1 - part) + plan.curves[which, low + 1] * part
    return found
