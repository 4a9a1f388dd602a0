"""A small system that breaks on demand: metrics, spans and logs of five services, from a seed.

``front`` calls ``shop`` and ``search``, ``shop`` calls ``pay`` and ``store``. What is slow, fails or
falls silent below shows above as it would: a caller waits for its callee.
"""

import random
from collections.abc import Callable, Iterator, Mapping

from engine.telemetry.history import History
from engine.telemetry.records import LogRecord, Point, Span

SERVICES: tuple[str, ...] = ("front", "shop", "search", "pay", "store")
CALLS: tuple[tuple[str, str], ...] = (
    ("front", "shop"),
    ("front", "search"),
    ("shop", "pay"),
    ("shop", "store"),
)
STEP_S = 15.0
STEPS = 80
ONSET_STEP = 60
ONSET_S = ONSET_STEP * STEP_S
END_S = STEPS * STEP_S
WORK_MS = {"front": 4.0, "shop": 9.0, "search": 30.0, "pay": 14.0, "store": 3.0}

Record = Point | LogRecord | Span


class Trouble:
    """What is wrong with one service from ``ONSET_S`` on."""

    def __init__(self, service: str = "", kind: str = "") -> None:
        self.service = service
        self.kind = kind
        """slow, way, failing, hot, mute (it stops calling its last callee), or nothing."""

    def slows(self, service: str, step: int) -> float:
        """By what its own work is multiplied."""
        is_slow = self.kind in ("slow", "hot") and self.service == service
        return 12.0 if is_slow and step >= ONSET_STEP else 1.0

    def fails(self, service: str, step: int) -> float:
        """Share of its requests that fail by themselves."""
        return (
            0.4 if (self.service, self.kind) == (service, "failing") and step >= ONSET_STEP else 0.0
        )

    def delays_ms(self, caller: str, callee: str, step: int) -> float:
        """Time on the way of a call."""
        touched = self.kind == "way" and self.service in (caller, callee)
        return 90.0 if touched and step >= ONSET_STEP else 0.5

    def skips(self, caller: str, callee: str, step: int) -> bool:
        """Whether a call is not made any more."""
        last = [b for a, b in CALLS if a == self.service]
        is_mute = (self.service, self.kind) == (caller, "mute") and callee == last[-1]
        return is_mute and step >= ONSET_STEP


def records(
    trouble: Trouble | None = None, seed: int = 1, *, spans: bool = True, logs: bool = True
) -> Iterator[Record]:
    """Twenty minutes of the system, in the order in which they became known."""
    rng = random.Random(seed)
    trouble = trouble or Trouble()
    for step in range(STEPS):
        came: list[Record] = []
        for _ in range(3):
            begin_s = step * STEP_S + rng.uniform(0, STEP_S * 0.6)
            _request(came, rng, trouble, step, begin_s)
        metrics = list(_metrics(rng, trouble, step, came))
        kept = [
            r
            for r in came
            if (spans or not isinstance(r, Span)) and (logs or not isinstance(r, LogRecord))
        ]
        kept.sort(key=lambda r: r.end_s if isinstance(r, Span) else r.t)
        yield from kept
        yield from metrics


def _request(
    came: list[Record], rng: random.Random, trouble: Trouble, step: int, begin_s: float
) -> None:
    trace = f"{step}-{begin_s}"

    def visit(service: str, parent: str, at_s: float) -> tuple[float, bool]:
        own = WORK_MS[service] * rng.lognormvariate(0.0, 0.15) * trouble.slows(service, step)
        failed = rng.random() < trouble.fails(service, step)
        if failed:
            came.append(
                LogRecord(
                    at_s, service, "error", f"ledger {rng.randrange(99)} is out of balance", trace
                )
            )
        came.append(
            LogRecord(
                at_s, service, "info", f"served {rng.randrange(999)} of {rng.randrange(9)}", trace
            )
        )
        spent = own
        span_id = f"{service}{parent}"
        for caller, callee in CALLS:
            if caller != service or trouble.skips(caller, callee, step):
                continue
            way = trouble.delays_ms(caller, callee, step) * rng.lognormvariate(0.0, 0.1)
            call_id = f"{span_id}>{callee}"
            below, bad = visit(callee, call_id, at_s + spent / 1_000)
            begun = at_s + spent / 1_000
            came.append(
                Span(begun, service, f"call {callee}", trace, call_id, span_id, below + way, bad)
            )
            spent += below + way
            failed |= bad
        came.append(Span(at_s, service, "serve", trace, span_id, parent, spent, failed))
        return spent, failed

    visit("front", "", begin_s)


def _metrics(
    rng: random.Random, trouble: Trouble, step: int, came: list[Record]
) -> Iterator[Point]:
    at_s = (step + 1) * STEP_S - 0.01
    for service in SERVICES:
        served = [
            r for r in came if isinstance(r, Span) and r.service == service and r.name == "serve"
        ]
        took = [span.duration_ms for span in served] or [0.0]
        failed = sum(span.error for span in served)
        yield Point(at_s, service, "request_latency_ms", sum(took) / len(took))
        yield Point(at_s, service, "requests_total", float(len(served)) + rng.uniform(0, 0.1))
        yield Point(at_s, service, "error_ratio", failed / max(1, len(served)))
        hot = trouble.kind == "hot" and trouble.service == service and step >= ONSET_STEP
        yield Point(at_s, service, "cpu_pct", (92.0 if hot else 20.0) * rng.uniform(0.95, 1.05))


def history(
    trouble: Trouble | None = None,
    seed: int = 1,
    change: Callable[[Record], Record] = lambda record: record,
    names: Mapping[str, str] | None = None,
    *,
    spans: bool = True,
    logs: bool = True,
) -> History:
    """Everything of one run, each record changed by ``change``."""
    called = names or {}
    seen = History(
        [called.get(name, name) for name in SERVICES],
        [(called.get(a, a), called.get(b, b)) for a, b in CALLS],
    )
    for record in records(trouble, seed, spans=spans, logs=logs):
        seen.add(change(record))
    return seen
