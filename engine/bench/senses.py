"""What sensing costs: points a second on one core, through the whole path, and each sense alone."""

import gzip
import random
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from engine.bench.figure import Figure
from engine.evaluate.replay import batches
from engine.evaluate.watching import Watch
from engine.senses.runway import Runway
from engine.senses.strangeness import Strangeness
from engine.telemetry.history import History
from engine.telemetry.recording import Recording, read

LEAST_POINTS_A_SECOND = 20_000.0
MOST_US_A_SAMPLE = 50.0
SERVICES, METRICS, STEPS, STEP_S = 40, 25, 70, 60.0
SPANS_A_STEP = LINES_A_STEP = SERVICES * METRICS
"""As many spans, and as many log lines, as there are samples: all three kinds weigh alike."""
LINES = (
    ("INFO", "GET /items/{0} finished in {1} ms"),
    ("INFO", "payment {0} accepted, {1} cents"),
    ("INFO", "cache refreshed: {1} entries"),
    ("DEBUG", "query took {1} us, rows={0}"),
    ("WARN", "slow answer from 10.0.0.{1}:8080 for request {0}"),
    ("ERROR", 'order {0} refused: "card expired"'),
)
"""What a service writes, with the share of each beside it."""
LINE_SHARES = (50, 20, 10, 18, 1.5, 0.5)
LONE_SAMPLES = 4_000
"""Of one signal, for the judges of lone signals."""
START_S = 1_700_000_000.0


def bench(rounds: int, say: Callable[[str], None]) -> list[Figure]:
    """Measure in processor time, medians of ``rounds``; ``say`` takes a line of progress."""
    whole: list[float] = []
    lone: list[float] = []
    runway: list[float] = []
    plain: list[float] = []
    for number in range(rounds):
        whole.append(_whole_path(seed=number))
        lone.append(_each_us(Strangeness().score))
        runway.append(_runway_us())
        plain.append(_each_us(_Average().step))
        say(
            f"[{number + 1}/{rounds}] {whole[-1]:,.0f} points/s, lone signal {lone[-1]:.1f} µs,"
            f" limit {runway[-1]:.1f} µs, average {plain[-1]:.2f} µs"
        )
    rate, lone_us, runway_us = _median(whole), _median(lone), _median(runway)
    beside = {"moving average": round(_median(plain), 2)}
    return [
        Figure(
            "points a second on one core, read, kept and judged",
            round(rate),
            "/s",
            LEAST_POINTS_A_SECOND,
            "higher",
            rate >= LEAST_POINTS_A_SECOND,
            {"lowest": round(min(whole)), "highest": round(max(whole))},
        ),
        _cost("a sample of a lone signal", lone_us, beside),
        _cost("a sample on its way to a limit", runway_us, beside),
    ]


def _cost(name: str, value_us: float, beside: dict[str, float]) -> Figure:
    holds = value_us <= MOST_US_A_SAMPLE
    return Figure(name, round(value_us, 1), "µs", MOST_US_A_SAMPLE, "lower", holds, beside)


def _median(values: list[float]) -> float:
    return sorted(values)[len(values) // 2]


class _Average:
    """The cheapest thing that could be called a judge, as a limit."""

    def __init__(self) -> None:
        self._level = 0.0

    def step(self, value: float) -> float:
        self._level += (value - self._level) / 20.0
        return value - self._level


def _runway_us() -> float:
    judge, clock = Runway(1e6, is_above=True), iter(range(LONE_SAMPLES))
    return _each_us(lambda value: judge.step(float(next(clock)), value))


def _each_us(step: Callable[[float], object]) -> float:
    rng = random.Random(1)
    values = [100.0 + rng.gauss(0.0, 5.0) for _ in range(LONE_SAMPLES)]
    began_ns = time.process_time_ns()
    for value in values:
        step(value)
    return (time.process_time_ns() - began_ns) / 1_000 / LONE_SAMPLES


def _whole_path(seed: int) -> float:
    """Points a second from compressed files through decoding, history and the watch."""
    with tempfile.TemporaryDirectory() as scratch:
        recording = _recorded(Path(scratch), random.Random(seed))
        history = History(recording.services, recording.calls, recording.changes)
        watch = Watch(recording)
        count = 0
        began_ns = time.process_time_ns()
        for now_s, points in batches(recording.points()):
            for point in points:
                history.add(point)
            watch.advance(now_s, points)
            count += len(points)
        return count * 1e9 / (time.process_time_ns() - began_ns)


def _recorded(folder: Path, rng: random.Random) -> Recording:
    """A recording of noise: metrics of every service, spans between them, lines that they log."""
    services = [f"service-{number}" for number in range(SERVICES)]
    end_s = START_S + STEPS * STEP_S
    header = {
        "id": "bench",
        "step_s": STEP_S,
        "start": START_S,
        "end": end_s,
        "services": services,
        "calls": [],
    }
    (folder / "recording.json").write_bytes(msgspec.json.encode(header))
    with gzip.open(folder / "metrics.csv.gz", "wt", compresslevel=1) as out:
        out.write("t,service,metric,value\n")
        for step in range(STEPS):
            at_s = START_S + step * STEP_S
            for service in services:
                for metric in range(METRICS):
                    out.write(f"{at_s},{service},metric-{metric},{rng.gauss(100.0, 5.0):.5g}\n")
    with gzip.open(folder / "spans.jsonl.gz", "wb", compresslevel=1) as out_spans:
        for number in range(STEPS * SPANS_A_STEP):
            span = {
                "t": START_S + number * STEP_S / SPANS_A_STEP,
                "service": services[number % SERVICES],
                "name": f"operation-{number % 7}",
                "trace_id": f"{number // 5:x}",
                "span_id": f"{number:x}",
                "parent_id": f"{number - 1:x}" if number % 5 else None,
                "duration_ms": round(rng.lognormvariate(3.0, 0.3), 3),
                "error": False,
            }
            out_spans.write(msgspec.json.encode(span) + b"\n")
    with gzip.open(folder / "logs.jsonl.gz", "wb", compresslevel=1) as out_lines:
        for number in range(STEPS * LINES_A_STEP):
            ((severity, text),) = rng.choices(LINES, LINE_SHARES)
            line = {
                "t": START_S + number * STEP_S / LINES_A_STEP,
                "service": services[number % SERVICES],
                "severity": severity,
                "body": text.format(f"{rng.getrandbits(48):x}", rng.randrange(250)),
            }
            out_lines.write(msgspec.json.encode(line) + b"\n")
    return read(folder)
