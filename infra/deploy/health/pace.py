"""How quickly the deployed system answers, against the last run that was good.

The best of a few tries is compared: it says what the system can do, where the mean would say how
busy the machine or the network was. Slower is degraded; only much slower fails, because a deployment
is rolled back for it.
"""

import time
from collections.abc import Callable, Mapping

from infra.deploy.health.faces import get_health
from infra.deploy.health.suite import Seen, Sight, Unwell
from infra.deploy.run import Verdict

__all__ = ["compared", "measure", "pace"]

TRIES = 5
SLOWER = 2.0
SLOWER_MS = 100.0
MUCH_SLOWER = 5.0
MUCH_SLOWER_MS = 1000.0
CEILING_MS = {"http": 5000.0, "dynamodb": 2000.0}
"""Nothing is good that is slower than this, whatever was good before."""


def pace(
    baseline: Mapping[str, float], keep: Callable[[dict[str, float]], None]
) -> Callable[[Sight], Seen]:
    """The check that measures, hands what it measured to ``keep`` and compares it."""

    def ask(sight: Sight) -> Seen:
        measured = measure(sight)
        keep(measured)
        return compared(measured, baseline)

    return ask


def measure(sight: Sight) -> dict[str, float]:
    """The best of a few tries in milliseconds, for each thing that is asked."""
    dynamodb = sight.cloud.client("dynamodb")
    table = sight.names.state_table

    def read() -> None:
        dynamodb.get_item(TableName=table, Key={"key": {"S": "canary"}}, ConsistentRead=True)

    def page() -> None:
        status, _ = get_health(sight)
        if status != 200:
            raise Unwell(f"the health page answers {status} while it is timed")

    return {"http": _best_ms(page), "dynamodb": _best_ms(read)}


def compared(measured: Mapping[str, float], baseline: Mapping[str, float]) -> Seen:
    """How ``measured`` stands beside ``baseline`` (pure).

    Raises:
        Unwell: much slower than it was, or than anything may be.
    """
    told, verdict = [], Verdict.OK
    for name, took_ms in measured.items():
        before_ms = baseline.get(name)
        was = f"was {before_ms:.0f}" if before_ms is not None else "no good run to compare with"
        told.append(f"{name} {took_ms:.0f} ms ({was})")
        if took_ms > CEILING_MS.get(name, CEILING_MS["http"]):
            raise Unwell(f"{told[-1]}: nothing may take so long")
        if before_ms is None:
            continue
        if took_ms > MUCH_SLOWER * before_ms and took_ms - before_ms > MUCH_SLOWER_MS:
            raise Unwell(f"{told[-1]}: much slower than the last good run")
        if took_ms > SLOWER * before_ms and took_ms - before_ms > SLOWER_MS:
            verdict = Verdict.DEGRADED
    return Seen(", ".join(told), verdict)


def _best_ms(ask: Callable[[], None]) -> float:
    best = float("inf")
    for _ in range(TRIES):
        began = time.perf_counter()
        ask()
        best = min(best, time.perf_counter() - began)
    return round(1000 * best, 2)
