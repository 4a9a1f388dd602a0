"""Counters and histograms as Prometheus text (exposition format 0.0.4).

Hand-written because nine processes start with it: prometheus-client costs each of them 0.1 s of
processor time at import (measured Nov 2026). A test reads the text back with prometheus-client.
"""

from collections.abc import Iterable, Iterator, Mapping

CONTENT_TYPE = "text/plain; version=0.0.4"
BOUNDS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
"""Upper bounds of latency buckets; 1.0 s is what the shop's objective asks for."""


class Histogram:
    """How long things took: counts by upper bound, and the sum."""

    __slots__ = ("counts", "sum_s")

    def __init__(self) -> None:
        """Nothing observed yet."""
        self.counts = [0] * (len(BOUNDS_S) + 1)
        self.sum_s = 0.0

    def observe(self, seconds: float) -> None:
        """Count one duration."""
        self.sum_s += seconds
        for place, bound in enumerate(BOUNDS_S):
            if seconds <= bound:
                self.counts[place] += 1
                return
        self.counts[-1] += 1

    def lines(self, name: str, labels: Mapping[str, str]) -> Iterator[str]:
        """The samples of this histogram, buckets cumulated as the format wants them."""
        total = 0
        for bound, count in zip((*map(str, BOUNDS_S), "+Inf"), self.counts, strict=True):
            total += count
            yield sample(f"{name}_bucket", {**labels, "le": bound}, total)
        yield sample(f"{name}_sum", labels, round(self.sum_s, 6))
        yield sample(f"{name}_count", labels, total)


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def sample(name: str, labels: Mapping[str, str], value: float) -> str:
    """One line of the text: a name, its labels, a value."""
    if not labels:
        return f"{name} {value}"
    inside = ",".join(f'{label}="{_escaped(text)}"' for label, text in labels.items())
    return f"{name}{{{inside}}} {value}"


def page(families: Iterable[tuple[str, str, Iterable[str]]]) -> str:
    """A whole page from (name, type, samples) of each family."""
    lines: list[str] = []
    for name, kind, samples in families:
        lines.append(f"# TYPE {name} {kind}")
        lines.extend(samples)
    return "\n".join(lines) + "\n"
