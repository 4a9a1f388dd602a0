"""The load generator, as a process: customers who browse and buy, as many a second as told."""

import argparse
import asyncio
import os
import time
from pathlib import Path

import msgspec

from chaos.fleet.customers import Customer, Presence
from chaos.fleet.schedule import Visit, visits
from chaos.fleet.wiring import read_wiring, wiring_path
from engine.paths import RunPaths

CHECKOUT_PERMILLE = 400
MAX_IN_FLIGHT = 400
"""Customers waiting at once; more go away unserved and are counted as failed."""


class LoadSecond(msgspec.Struct):
    """One line of the load generator's log."""

    monotonic_ns: int
    good: int = 0
    bad: int = 0
    p50_ms: int = 0
    p95_ms: int = 0
    unsure: int = 0
    given_up: int = 0


class Load:
    """Sends customers and sums up each second."""

    def __init__(self, customer: Customer, log: Path) -> None:
        """Shop as ``customer``; one line a second goes to ``log``."""
        self._customer = customer
        self._log = log.open("ab", buffering=0)
        self._took_ms: list[int] = []
        self._second = LoadSecond(time.monotonic_ns())
        self._in_flight: set[asyncio.Task[None]] = set()

    async def run(self, presence: Presence, rate: float, seed: int) -> None:
        """Send customers on schedule while they are to come, until it is over."""
        schedule = visits("load", rate, CHECKOUT_PERMILLE, seed)
        loop = asyncio.get_running_loop()
        first_s = loop.time()
        while not presence.over.is_set():
            visit = next(schedule)
            delay_s = first_s + visit.after_s - loop.time()
            if delay_s > 0:
                await asyncio.sleep(delay_s)
            if presence.here:
                self._send(visit, first_s + visit.after_s)
            self._close_second()

    def _send(self, visit: Visit, meant_s: float) -> None:
        if len(self._in_flight) >= MAX_IN_FLIGHT:
            self._second.bad += 1
            return
        task = asyncio.ensure_future(self._visit(visit, meant_s))
        self._in_flight.add(task)
        task.add_done_callback(self._in_flight.discard)

    async def _visit(self, visit: Visit, meant_s: float) -> None:
        good = await self._customer.visit(visit)
        self._took_ms.append(int(1000 * (asyncio.get_running_loop().time() - meant_s)))
        if good:
            self._second.good += 1
        else:
            self._second.bad += 1

    def _close_second(self) -> None:
        now_ns = time.monotonic_ns()
        if now_ns - self._second.monotonic_ns < 1_000_000_000:
            return
        took = sorted(self._took_ms)
        if took:
            self._second.p50_ms = took[len(took) // 2]
            self._second.p95_ms = took[len(took) * 95 // 100]
        self._second.unsure = self._customer.unsure
        self._second.given_up = self._customer.given_up
        self._log.write(msgspec.json.encode(self._second) + b"\n")
        self._took_ms.clear()
        self._second = LoadSecond(now_ns)


async def serve(paths: RunPaths, rate: float, seed: int, ready_fd: int) -> None:
    """Send customers until standard input closes."""
    wiring = read_wiring(wiring_path(paths.fleet))
    customer = Customer(wiring, paths.fleet / "orders-load.log", seed)
    presence = Presence()
    load = Load(customer, paths.fleet / "load.log")
    settling = asyncio.ensure_future(customer.settle())
    os.write(ready_fd, b"\n")
    os.close(ready_fd)
    try:
        await load.run(presence, rate, seed)
    finally:
        settling.cancel()
        await customer.close()


def main() -> None:
    """Send customers to the shop of a run."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--run-dir", type=Path, required=True, help="the run's folder")
    parser.add_argument("--rate", type=float, required=True, help="customers a second")
    parser.add_argument("--seed", type=int, required=True, help="what they do is drawn from it")
    parser.add_argument("--ready-fd", type=int, required=True, help="gets a byte when ready")
    given = parser.parse_args()
    asyncio.run(serve(RunPaths(given.run_dir), given.rate, given.seed, given.ready_fd))


if __name__ == "__main__":
    main()
