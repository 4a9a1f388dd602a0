"""The clock of a round: thousandths of a second made visible, in true order (pure).

Replicas answer each other within milliseconds, a quarter of a frame. Within one round the time
since its first message is therefore drawn on a logarithmic clock: what came first leaves first,
what took longer flies longer, and nothing is drawn before it happened. Seconds stay seconds.
"""

import numpy as np

from controlroom.window.scene.buffers import Floats

STRETCH_S = 0.42
"""Drawn seconds for each factor e of real time beyond ``KNEE_S``."""
KNEE_S = 0.0015
"""Real seconds below which the clock is almost linear: a hop on one machine."""
SHORTEST_S = 0.45
"""A flight is drawn at least so long, or nobody sees where it came from."""
LONGEST_S = 8.0
"""A message that took longer is drawn as if it had taken this long, and labelled with its time."""


def drawn(since_s: Floats) -> Floats:
    """Drawn seconds since a round began, for real ones; rises strictly, never falls behind them.

    Args:
        since_s: real seconds since the round's first message; negative ones stay as they are.
    """
    forward = np.maximum(since_s, 0.0)
    slow = STRETCH_S * np.log1p(forward / KNEE_S)
    return np.where(since_s < 0.0, since_s, np.maximum(forward, slow))


def flights(start_s: Floats, sent_s: Floats, received_s: Floats) -> tuple[Floats, Floats]:
    """When messages leave and arrive on screen.

    Args:
        start_s: when the round of each message began, in scene time.
        sent_s: when it was really sent.
        received_s: when it was really received.
    """
    leave = start_s + drawn(sent_s - start_s)
    arrive = start_s + drawn(received_s - start_s)
    return leave, np.clip(arrive, leave + SHORTEST_S, leave + LONGEST_S)
