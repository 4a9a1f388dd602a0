"""The engine's own figures in the text format of Prometheus (pure)."""

from collections.abc import Iterable
from typing import NamedTuple

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Metric(NamedTuple):
    """One figure."""

    name: str
    value: float
    meaning: str
    kind: str = "gauge"
    """``gauge``, or ``counter`` for what only grows."""


def exposition(metrics: Iterable[Metric]) -> str:
    """What a scrape answers."""
    lines = []
    for metric in metrics:
        name = f"controlroom_{metric.name}"
        lines.append(f"# HELP {name} {metric.meaning}")
        lines.append(f"# TYPE {name} {metric.kind}")
        lines.append(
            f"{name} {metric.value:g}" if metric.value < 1e6 else f"{name} {metric.value!r}"
        )
    return "\n".join([*lines, ""])
