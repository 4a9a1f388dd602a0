"""What the window's measurements share: processes of their own, and figures with their aims."""

import os
import subprocess
import sys
from collections.abc import Callable, Mapping

from engine.bench.figure import Figure

__all__ = ["Tell", "lower", "measured"]

WITHIN_S = 600.0
Tell = Callable[[str], None]
"""Hears of the progress."""


def measured(words: list[str], environment: Mapping[str, str]) -> str:
    """The last line that a module of ours, run as a process of its own, printed.

    Args:
        words: the module and its arguments.
        environment: what it finds in its environment beside ours; ``GALLIUM_NOOP`` only from here.

    Raises:
        ValueError: it failed; the message is its last word.
    """
    ours = {key: value for key, value in os.environ.items() if key != "GALLIUM_NOOP"}
    try:
        done = subprocess.run(
            [sys.executable, "-m", *words], env=ours | dict(environment), capture_output=True,
            text=True, timeout=WITHIN_S, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise ValueError(f"{words[0]} took over {WITHIN_S:.0f} s: this machine is busy") from None
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        raise ValueError(f"{words[0]} failed: {last}")
    return done.stdout.splitlines()[-1]


def lower(name: str, value: float, unit: str, aim: float, beside: Mapping[str, float]) -> Figure:
    """A figure that is better the lower it is; an aim of 0 says that there is none."""
    kept = {what: round(float(number), 3) for what, number in beside.items()}
    return Figure(name, round(float(value), 3), unit, aim, "lower", not aim or value <= aim, kept)
