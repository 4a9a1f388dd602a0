"""Calls between services: how many, how slow, how many fail (pure).

A bead stands for a share of a link's requests, not for one: how many beads a link has follows its
rate, how long they take its latency, how many are broken its errors. The legend says so.
"""

from collections.abc import Mapping

import numpy as np

from controlroom.window.scene.buffers import Bytes, Floats, Lines, Numbers, Points, rgba, shaded
from controlroom.window.scene.fleet import Ground
from controlroom.window.scene.palette import BAD, LINE, WARN
from engine.stream.state import LinkRow

MOST_BEADS = 18
TOTAL_BEADS = 1_200
BEAD = 0.052
BROKEN_BEAD = 0.105
_CROSS = 6
_BEAD_COLOUR = (132, 178, 240)


def beads_of(rate: float) -> int:
    """Beads on a link at ``rate`` requests a second: 0 for none, then the more the slower."""
    return 0 if rate <= 0.05 else int(np.clip(round(2 + 5.2 * np.log10(1 + rate)), 1, MOST_BEADS))


def crossing_s(mean_ms: float) -> float:
    """How long a bead takes, in steps of a quarter of a second: it does not jump at every reading."""
    return float(np.clip(round(4 * (1.4 + 0.9 * np.log10(1 + max(0.0, mean_ms)))) / 4, 1.25, 6.0))


def colour_of(errors: float) -> tuple[int, int, int]:
    """The colour of a link that loses a share of its requests."""
    return BAD if errors >= 0.1 else WARN if errors >= 0.02 else LINE


def draw(
    plan: Ground,
    links: Mapping[str, LinkRow],
    t_s: float,
    lines: Lines,
    splats: Points,
    heads: Points,
    *,
    still: bool,
    dim: Floats,
) -> int:
    """Draw every link and its beads; returns the beads for which there was no room.

    Args:
        plan: where the services stand.
        links: rows by ``caller>callee``.
        t_s: render time.
        lines: the ways.
        splats: beads that arrive well.
        heads: beads that fail, crosses beside colour.
        still: reduced motion: beads stand in their places.
        dim: for each link, 1 to show it whole.
    """
    if not len(plan.links):
        return 0
    rows = [links.get(f"{caller}>{callee}") for caller, callee in plan.links]
    errors = np.array([row.errors if row else 0.0 for row in rows])
    _ways(plan, rows, lines, dim)
    counts = np.array([beads_of(row.rate) if row else 0 for row in rows])
    shown = np.minimum(counts, max(1, TOTAL_BEADS // max(1, len(rows))))
    which = np.repeat(np.arange(len(rows)), shown)
    if not len(which):
        return int((counts - shown).sum())
    number = np.arange(len(which)) - np.repeat(np.cumsum(shown) - shown, shown)
    times = np.array([crossing_s(row.mean_ms or row.p95_ms) if row else 1.0 for row in rows])
    phase = number / np.maximum(1, shown[which]) + which * 0.618
    u = (phase + (0.0 if still else t_s / times[which])) % 1.0
    places = _on(plan, which, u)
    # Spread over the beads of a link, so that half of them broken looks like half.
    broken = ((number + 1) * errors[which]).astype(np.int64) > (number * errors[which]).astype(
        np.int64
    )
    fade = np.minimum(1.0, 8.0 * np.minimum(u, 1.0 - u)) * dim[which]
    well = ~broken
    colours = np.tile(np.array(_BEAD_COLOUR, np.uint8), (len(which), 1))
    splats.put(places[well], shaded(colours[well], 0.75 * fade[well]), BEAD)
    failed: Bytes = np.tile(np.array(BAD, np.uint8), (int(broken.sum()), 1))
    heads.put(places[broken], shaded(failed, fade[broken]), BROKEN_BEAD, _CROSS)
    return int((counts - shown).sum())


def _ways(plan: Ground, rows: list[LinkRow | None], lines: Lines, dim: Floats) -> None:
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
    return float(np.clip(0.28 + 0.14 * np.log10(1 + row.rate), 0.25, 0.6))


def _on(plan: Ground, which: Numbers, u: Floats) -> Floats:
    """Places on the curves of links ``which`` at shares ``u`` of their ways."""
    steps = plan.curves.shape[1] - 1
    at = np.minimum(u * steps, steps - 1e-6)
    low = at.astype(np.int64)
    part = (at - low)[:, None]
    found: Floats = plan.curves[which, low] * (1 - part) + plan.curves[which, low + 1] * part
    return found
