"""The engine's own figures in the text format of Prometheus."""

import resource
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


def of_process() -> Iterable[Metric]:
    """What this process has cost so far."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    yield Metric(
        "cpu_seconds_total",
        used.ru_utime + used.ru_stime,
        "Processor time of the engine.",
        "counter",
    )
    yield Metric("peak_memory_bytes", used.ru_maxrss * 1024, "Most memory held at once.")
