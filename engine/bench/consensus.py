"""``bench consensus``: what a decision costs, beside exactly the signatures that it needed.

Processor time, so that other processes on the machine matter little; three rounds, interleaved, of
every shape; medians. In process there is no disk; over NATS every vote log is synced (fdatasync).
"""

import asyncio
import gc
import tempfile
from collections.abc import Iterable
from pathlib import Path
from statistics import median
from typing import NamedTuple

from engine.bench.figure import Figure
from engine.bench.in_process import Cost, Ring, Shape
from engine.bench.over_nats import BusCost, opened
from engine.consensus.settings import settings_for
from engine.diagnostics import logging_to

ROUNDS = 3
SIZES = (4, 5, 7, 13)
BATCHES = (1, 10, 100)
DECISIONS = {4: 64, 5: 48, 7: 24, 13: 8}
"""By size, so that each takes about the same time."""
IN_PROCESS_AIM = 1.2
OVER_NATS_AIM = 1.5
BATCH_AIM = 90.0
BUSY = settings_for(5, 1).in_flight
UNDER_WAY = (1, BUSY)
"""Decisions at a time over NATS: one after the other, which says how long one takes, and as many as
a primary has under way, which says what a busy swarm pays for one."""
BUSY_DECISIONS = 128
SHAPES = (*(Shape(n, 1, batch) for n in SIZES for batch in BATCHES), Shape(5, 100, 1))


class Load(NamedTuple):
    """What is asked of the replicas over NATS."""

    under_way: int
    batch: int


LOADS = tuple(Load(under_way, batch) for under_way in UNDER_WAY for batch in BATCHES)


def measure(folder: Path | None = None) -> list[Figure]:
    """All figures; ``folder`` takes the ledgers of the replicas over NATS."""
    rings = {shape: Ring(shape) for shape in SHAPES}
    found: dict[Shape, list[Cost]] = {shape: [] for shape in SHAPES}
    over: dict[Load, list[BusCost]] = {load: [] for load in LOADS}
    for ring in rings.values():
        ring.measure(1)
    gc.freeze()  # As an agent does once it has begun: no decision pays for all these rings.
    for _ in range(ROUNDS):
        for shape, ring in rings.items():
            few = shape.submissions > 1
            found[shape].append(ring.measure(2 if few else DECISIONS[shape.n]))
        with tempfile.TemporaryDirectory(dir=folder) as name:
            scratch = Path(name)
            with logging_to(scratch / "bench.log", "bench"):
                asyncio.run(_over_nats(scratch, over))
    return [*_in_process(found), *_bus(over), *_batching(found)]


async def _over_nats(folder: Path, over: dict[Load, list[BusCost]]) -> None:
    async with opened(folder) as ring:
        await ring.measure(2, 1)
        gc.freeze()
        for load, costs in over.items():
            decisions = BUSY_DECISIONS if load.under_way == BUSY else 10
            costs.append(await ring.measure(decisions, load.batch, load.under_way))


def _in_process(found: dict[Shape, list[Cost]]) -> Iterable[Figure]:
    for shape, costs in found.items():
        ratios = [cost.cpu_ms / cost.floor_ms for cost in costs]
        apart = " signed apart" if shape.submissions > 1 else ""
        # The aim is stated for five replicas; the other sizes stand beside it.
        aim = IN_PROCESS_AIM if shape.n == 5 and not apart else 0.0
        yield _ratio(
            f"in process, n = {shape.n}, batch {costs[0].operations}{apart}", ratios, aim, costs
        )


def _bus(over: dict[Load, list[BusCost]]) -> Iterable[Figure]:
    for load, costs in over.items():
        ratios = [cost.cpu_ms / cost.floor_ms for cost in costs]
        shape = f"over NATS, n = 5, batch {load.batch}, {load.under_way} under way"
        figure = _ratio(shape, ratios, OVER_NATS_AIM if load.under_way == BUSY else 0.0, costs)
        figure.beside["server_ms"] = _median(cost.server_ms for cost in costs)
        yield figure
        if load.under_way > 1:
            continue  # How long they wait for each other is no latency of the protocol.
        latencies = [cost.latency_ms / cost.echo_ms for cost in costs]
        yield Figure(
            f"latency {shape}", round(median(latencies), 1), "echoes",
            0.0, "lower", holds=True,
            beside={
                "latency_ms": _median(cost.latency_ms for cost in costs),
                "echo_ms": _median(cost.echo_ms for cost in costs),
            },
        )  # fmt: skip


def _batching(found: dict[Shape, list[Cost]]) -> Iterable[Figure]:
    for n in SIZES:
        rates = {}
        for batch in (1, 100):
            costs = found[Shape(n, 1, batch)]
            rates[batch] = median(cost.operations / cost.cpu_ms for cost in costs) * 1000
        ratio = rates[100] / rates[1]
        aim = BATCH_AIM if n == 5 else 0.0
        yield Figure(
            f"operations at batch 100 against batch 1, n = {n}", round(ratio, 1), "×",
            aim, "higher", holds=ratio >= aim,
            beside={"per_cpu_s_1": round(rates[1]), "per_cpu_s_100": round(rates[100])},
        )  # fmt: skip


def _ratio(name: str, ratios: list[float], aim: float, costs: list[Cost] | list[BusCost]) -> Figure:
    value = median(ratios)
    beside = {
        "least": round(min(ratios), 2),
        "most": round(max(ratios), 2),
        "rounds": float(len(ratios)),
        "cpu_ms": _median(cost.cpu_ms for cost in costs),
        "floor_ms": _median(cost.floor_ms for cost in costs),
        "signed": _median(cost.signed for cost in costs),
        "checked": _median(cost.checked for cost in costs),
    }
    holds = not aim or value <= aim
    return Figure(name, round(value, 2), "× floor", aim, "lower", holds, beside)


def _median(values: Iterable[float]) -> float:
    return round(median(values), 2)
