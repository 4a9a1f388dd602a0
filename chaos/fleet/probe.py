"""The SLO probe, as a process: requests of its own, its own judgement, its own key.

Whether the shop has recovered is its word, nobody else's: it shares no request with the load
generator and no metric with the agents.
"""

import argparse
import asyncio
import os
import time
from collections import deque
from pathlib import Path

import msgspec

from chaos.fleet.announce import Announcer
from chaos.fleet.customers import Customer, Presence
from chaos.fleet.judge import SECOND_NS, Asked, Colours, Second, judge
from chaos.fleet.schedule import Visit, probes
from chaos.fleet.wiring import read_wiring, wiring_path
from engine.paths import RunPaths
from engine.topology import Objective, read_manifest

GRACE_NS = 50_000_000
"""How long after the last request of a second could be late the second is judged."""


class Probe:
    """Asks five times a second and judges each second once all its requests are over or late."""

    def __init__(self, customer: Customer, objective: Objective, log: Path) -> None:
        """Shop as ``customer``, judge by ``objective``, write verdicts to ``log``."""
        self._customer = customer
        self._objective = objective
        self._log = log.open("ab", buffering=0)
        self._colours = Colours(objective.subject, time.time_ns() // 1_000_000)
        self._open: deque[tuple[int, list[Asked]]] = deque()
        self._in_flight: set[asyncio.Task[None]] = set()

    async def run(self, presence: Presence, announcer: Announcer) -> None:
        """Probe while customers are to come, until it is over."""
        loop = asyncio.get_running_loop()
        first_s = loop.time()
        number = 0
        while not presence.over.is_set():
            visit = probes(number)
            number += 1
            delay_s = first_s + visit.after_s - loop.time()
            if delay_s > 0:
                await asyncio.sleep(delay_s)
            if presence.here:
                self._send(visit, int((first_s + visit.after_s) * 1e9), int(first_s * 1e9))
            for second in self._judged(time.monotonic_ns()):
                self._log.write(msgspec.json.encode(second) + b"\n")
                probed = self._colours.step(second)
                if probed is not None:
                    announcer.announce(probed)

    def _send(self, visit: Visit, meant_ns: int, first_ns: int) -> None:
        began_ns = meant_ns - (meant_ns - first_ns) % SECOND_NS
        if not self._open or self._open[-1][0] != began_ns:
            self._open.append((began_ns, []))
        asked = Asked(meant_ns)
        self._open[-1][1].append(asked)
        task = asyncio.ensure_future(self._visit(visit, asked))
        self._in_flight.add(task)
        task.add_done_callback(self._in_flight.discard)

    async def _visit(self, visit: Visit, asked: Asked) -> None:
        asked.good = await self._customer.visit(visit)
        asked.ended_ns = time.monotonic_ns()

    def _judged(self, now_ns: int) -> list[Second]:
        """The seconds that can be judged now."""
        latency_ms = self._objective.latency_ms
        seconds = []
        while self._open:
            began_ns, asked = self._open[0]
            over_ns = began_ns + SECOND_NS
            settled = all(request.ended_ns for request in asked) and now_ns >= over_ns
            if not settled and now_ns < over_ns + latency_ms * 1_000_000 + GRACE_NS:
                break
            self._open.popleft()
            unix_ms = (time.time_ns() - (now_ns - began_ns)) // 1_000_000
            seconds.append(judge(began_ns, unix_ms, asked, latency_ms))
        return seconds


async def serve(paths: RunPaths, seed: int, ready_fd: int) -> None:
    """Probe until standard input closes."""
    wiring = read_wiring(wiring_path(paths.fleet))
    objective = read_manifest(paths.manifest).objective
    customer = Customer(wiring, paths.fleet / "orders-probe.log", seed)
    presence = Presence()
    probe = Probe(customer, objective, paths.probe_log)
    announcer = Announcer(paths)
    tasks = [asyncio.ensure_future(customer.settle()), asyncio.ensure_future(announcer.run())]
    os.write(ready_fd, b"\n")
    os.close(ready_fd)
    try:
        await probe.run(presence, announcer)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await announcer.close()
        await customer.close()


def main() -> None:
    """Probe the shop of a run."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--run-dir", type=Path, required=True, help="the run's folder")
    parser.add_argument("--seed", type=int, required=True, help="request ids are drawn from it")
    parser.add_argument("--ready-fd", type=int, required=True, help="gets a byte when ready")
    given = parser.parse_args()
    asyncio.run(serve(RunPaths(given.run_dir), given.seed, given.ready_fd))


if __name__ == "__main__":
    main()
