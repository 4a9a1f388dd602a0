"""Every figure of ``main.py bench deploy``."""

from collections.abc import Callable

from engine.bench.figure import Figure
from infra.bench.alarm import alarm_figures
from infra.bench.loop import loop_figures
from infra.bench.mirror import mirror_figures

__all__ = ["figures"]


def figures(told: Callable[[str], None]) -> list[Figure]:
    """All of them, the quick ones first.

    Raises:
        BenchBroken: something did not come to its end.
    """
    return [*mirror_figures(told), *alarm_figures(told), *loop_figures(told)]
