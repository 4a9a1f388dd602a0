"""A metric with a limit in the settings becomes a forecast, whichever door its points come through."""

from pathlib import Path

from engine.agents.prediction import forecasts
from engine.clock import SystemClock
from engine.paths import RunPaths
from engine.settings import Bound, Settings
from engine.sources import Sources
from engine.telemetry.records import Kind, Point
from engine.telemetry.samples import LevelSeen, Observation, StatusSeen
from engine.telemetry.translation import records_of
from engine.telemetry.window import Window
from engine.topology import FleetStatus, Manifest, Objective, ServiceSpec
from engine.vocabulary import ServiceName, SignalKind

ORDERS = ServiceName("orders")
FLEET = Manifest(
    "tiny", Objective("orders", 990, 1_000, 5_000), (ServiceSpec(ORDERS, "http", "1"),)
)
SETTINGS = Settings("fleet.toml", limit=(Bound("orders", "queue", SignalKind.QUEUE, 10_000.0),))
STEP_S = 1.0


def observed(folder: Path, points: list[Point]) -> list[Observation]:
    seen: list[Observation] = []
    sources = Sources(SETTINGS, RunPaths(folder), 0, "agent", seen.append, SystemClock())
    return sources.observations(points, 0)


def queue(step: int, value: float, kind: Kind = Kind.GAUGE) -> Point:
    return Point(STEP_S * step, "orders", "queue", value, kind)


def test_a_queue_that_fills_up_is_foreseen(tmp_path: Path) -> None:
    values = [1_000.0 + 10 * (step % 3) for step in range(60)]
    values += [1_000.0 + 120 * step for step in range(50)]
    window = Window(FLEET)
    for seen in observed(tmp_path, [queue(step, value) for step, value in enumerate(values)]):
        assert isinstance(seen, LevelSeen)
        window.add(StatusSeen(seen.at_ms, FleetStatus(())))
        window.add(seen)

    (forecast,) = forecasts(window, 109_000)

    left_ms = 1_000 * (10_000 - values[-1]) / 120
    assert (forecast.signal.service, forecast.signal.kind) == (ORDERS, SignalKind.QUEUE)
    assert abs(forecast.crosses_at_ms - 109_000 - left_ms) < 0.2 * left_ms


def test_only_gauges_that_the_settings_name_are_levels(tmp_path: Path) -> None:
    others = [
        queue(1, 5.0, Kind.COUNTER),
        Point(1.0, "orders", "other", 5.0),
        Point(1.0, "elsewhere", "queue", 5.0),
    ]

    assert observed(tmp_path, others) == []
    assert observed(tmp_path, [queue(1, 5.0)]) == [
        LevelSeen(1_000, "orders", SignalKind.QUEUE, 0.0005)
    ]


def test_a_level_of_a_stranger_is_dropped_and_counted_and_a_known_one_is_recorded() -> None:
    window, level = Window(FLEET), LevelSeen(1_000, "stranger", SignalKind.DISK, 0.5)
    window.add(level)

    assert window.unknown_dropped == 1
    assert records_of(level) == [Point(1.0, "stranger", "disk_used_share", 0.5)]
