"""``main.py bench deploy``: what a deployment and the engine's copy on AWS cost, on the emulator."""

from collections.abc import Callable

from engine.bench.figure import Figure
from infra.bench.broken import BenchBroken
from infra.bench.loop import loop_figures
from infra.bench.mirror import mirror_figures

__all__ = ["BenchBroken", "figures"]


def figures(told: Callable[[str], None]) -> list[Figure]:
    """All of them, the quick ones first.

    Raises:
        BenchBroken: something did not come to its end.
    """
    return [*mirror_figures(told), *loop_figures(told)]
