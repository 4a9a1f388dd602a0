"""Five half-blind agents find what one perfect window finds, with a traitor among them too."""

from pathlib import Path

import pytest

from engine.diagnosis.merging import merged
from engine.evaluate.council import worst_lie
from engine.evaluate.methods import METHODS
from engine.evaluate.replay import play
from engine.telemetry.recording import Recording, read
from engine.telemetry.records import LogRecord, Point
from tests.little_system import CALLS, END_S, ONSET_S, SERVICES, STEP_S, Trouble, records
from tests.recordings import log, span, write_recording

CAUSES = [("store", "failing"), ("search", "hot")]


def recorded(folder: Path, service: str, kind: str) -> Recording:
    """A recording of the little system with one trouble."""
    samples, logs, spans = [], [], []
    for record in records(Trouble(service, kind), seed=5):
        if isinstance(record, Point):
            samples.append((record.t, record.service, record.metric, record.value))
        elif isinstance(record, LogRecord):
            logs.append(log(record.t, record.service, record.body, record.severity))
        else:
            spans.append(
                span(
                    record.t,
                    record.service,
                    record.span_id,
                    record.parent_id or None,
                    record.duration_ms,
                    error=record.error,
                    trace_id=record.trace_id,
                    name=record.name,
                )
            )
    spans.sort(key=lambda each: float(each["t"]))
    logs.sort(key=lambda each: float(each["t"]))
    return read(
        write_recording(
            folder / f"{service}-{kind}",
            samples,
            logs,
            spans,
            step_s=STEP_S,
            end=END_S,
            services=SERVICES,
            calls=CALLS,
        )
    )


@pytest.fixture(scope="module")
def slow_pay(tmp_path_factory: pytest.TempPathFactory) -> Recording:
    return recorded(tmp_path_factory.mktemp("recordings"), "pay", "slow")


@pytest.mark.parametrize(("service", "kind"), CAUSES)
def test_the_cause_is_first_whatever_the_traitor_says(
    tmp_path: Path, service: str, kind: str
) -> None:
    line = play(recorded(tmp_path, service, kind), METHODS["council-traitor"], told_s=ONSET_S)

    assert line.ranking[0]["service"] == service
    assert line.diagnose_cpu_ms is not None


@pytest.mark.parametrize("name", METHODS)
def test_every_method_answers_in_the_same_form(slow_pay: Recording, name: str) -> None:
    line = play(slow_pay, METHODS[name], told_s=ONSET_S)

    assert {entry["service"] for entry in line.ranking} <= set(SERVICES)
    assert line.ranking == sorted(line.ranking, key=lambda entry: -float(entry["score"]))


def test_the_traitor_lies_as_well_as_it_can() -> None:
    honest = [{"a": 1.0, "b": 0.9}, {"a": 1.0, "b": 0.5}, {"b": 1.0, "a": 0.8}, {"a": 1.0}]

    lie = worst_lie(honest, ["a", "b", "c"], 1)

    assert lie == {"b": 1.0}
    assert merged([*honest, lie], 1)["b"] > merged(honest, 1)["b"]
