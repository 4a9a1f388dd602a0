"""The watches over a recording: what they say of one, and that the baselines stand beside them."""

import math
import random
from pathlib import Path

import pytest

from engine.evaluate.baselines.watches import EwmaZ, PredictLinear
from engine.evaluate.senses import Alarm, Forecast
from engine.evaluate.senses import Watch as AnyWatch
from engine.evaluate.watching import Watch
from engine.telemetry.context import Limit
from engine.telemetry.recording import Recording
from engine.telemetry.records import Point, Span

STEP_S = 60.0


def recording(services: tuple[str, ...], limits: tuple[Limit, ...] = ()) -> Recording:
    return Recording(Path(), "r", STEP_S, 0.0, 6_000.0, services, (), None, (), limits)


def play(watch: AnyWatch, rows: list[list[Point]]) -> list[Alarm | Forecast]:
    return [word for row in rows for word in watch.advance(row[0].t, row)]


def lone(count: int) -> list[list[Point]]:
    rng = random.Random(1)
    values = [50.0 + rng.gauss(0.0, 1.0) for _ in range(count)]
    values[-1] = 500.0
    return [[Point(STEP_S * i, "only", "value", v)] for i, v in enumerate(values)]


@pytest.mark.parametrize("kind", [Watch, EwmaZ])
def test_a_lone_signal_has_one_score_a_sample_and_an_alarm_at_its_jump(
    kind: type[Watch] | type[EwmaZ],
) -> None:
    watch = kind(recording(("only",)))

    said = play(watch, lone(400))

    assert len(watch.scores) == 400
    assert isinstance(said[-1], Alarm)
    assert said[-1].at_s == STEP_S * 399
    assert max(watch.scores) == watch.scores[-1]


def test_several_signals_of_one_service_are_not_lone() -> None:
    watch = Watch(recording(("only",)))
    rows = [[Point(0.0, "only", "a", 1.0), Point(0.0, "only", "b", 1.0)]]

    assert play(watch, rows) == []
    assert not watch.scores


def many(broken_from: int) -> list[list[Point]]:
    rng = random.Random(2)
    return [
        [
            Point(
                STEP_S * step,
                f"s{service}",
                metric,
                (100.0 + rng.gauss(0, 3)) * (6.0 if service == 2 and step >= broken_from else 1.0),
            )
            for service in range(5)
            for metric in ("cpu", "p50")
        ]
        for step in range(60)
    ]


@pytest.mark.parametrize("kind", [Watch, EwmaZ])
def test_a_broken_service_opens_one_incident(kind: type[Watch] | type[EwmaZ]) -> None:
    watch = kind(recording(tuple(f"s{n}" for n in range(5))))

    said = play(watch, many(broken_from=50))

    assert [type(word) for word in said] == [Alarm]
    assert isinstance(said[0], Alarm)
    assert said[0].service == "s2"
    assert 50 * STEP_S <= said[0].at_s <= 55 * STEP_S


def test_late_spans_open_an_incident_without_any_metric() -> None:
    watch, rng = Watch(recording(("a", "b"))), random.Random(3)
    said: list[Alarm | Forecast] = []
    for second in range(600):
        slow = 40.0 if second >= 450 else 1.0
        spans = [
            Span(second, name, "GET", f"t{second}", f"{name}{second}", "", duration, error=False)
            for name, duration in (
                ("a", rng.lognormvariate(3, 0.2)),
                ("b", slow * rng.lognormvariate(3, 0.2)),
            )
        ]
        said += watch.advance(float(second), spans)

    assert [word.service for word in said] == ["b"]
    assert said[0].at_s > 450


@pytest.mark.parametrize("kind", [Watch, PredictLinear])
def test_a_leak_is_forecast_and_a_wave_below_its_limit_is_not(
    kind: type[Watch] | type[PredictLinear],
) -> None:
    limits = (Limit("s", "leak", 100.0), Limit("s", "wave", 100.0))
    watch = kind(recording(("s", "other"), limits))
    rows = [
        [
            Point(STEP_S * i, "s", "leak", 30.0 + max(0, i - 120) * 0.5 + math.sin(i * 2.0)),
            Point(STEP_S * i, "s", "wave", 50.0 + 5.0 * math.sin(i / 5)),
        ]
        for i in range(258)
    ]

    said = [word for word in play(watch, rows) if isinstance(word, Forecast)]

    assert {word.metric for word in said} == {"leak"}
    assert said[-1].at_s + said[-1].eta_s == pytest.approx(260 * STEP_S, rel=0.03)
