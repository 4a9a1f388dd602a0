"""Diagnosis names the service that is the cause, by whatever instrument shows it."""

import pytest

from engine.diagnosis.evidence import Ground
from engine.diagnosis.finding import Finding, find
from engine.telemetry.context import Page
from engine.telemetry.records import Point
from tests.little_system import END_S, ONSET_S, SERVICES, Record, Trouble, history

BELOW = [name for name in SERVICES if name != "front"]
CALLING = ["front", "shop"]


def found(trouble: Trouble, seed: int = 1) -> Finding:
    return find(history(trouble, seed), ONSET_S, END_S, None, told=True)


def grounds(finding: Finding) -> set[Ground]:
    return {reason.ground for reason in finding.ranking.suspects[0].reasons if reason.weight > 0.5}


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("service", SERVICES)
def test_a_slow_service_is_the_cause_and_not_those_who_wait_for_it(service: str, seed: int) -> None:
    finding = found(Trouble(service, "slow"), seed)

    assert finding.ranking.suspects[0].service == service
    assert Ground.TIME in grounds(finding)
    assert finding.confidence > 0.5


@pytest.mark.parametrize("service", BELOW)
def test_metrics_alone_show_who_is_slow(service: str) -> None:
    seen = history(Trouble(service, "hot"), spans=False, logs=False)

    assert find(seen, ONSET_S, END_S, None, told=True).ranking.suspects[0].service == service


@pytest.mark.parametrize("service", BELOW)
def test_time_on_all_ways_of_a_service_is_its_own(service: str) -> None:
    assert found(Trouble(service, "way")).ranking.suspects[0].service == service


@pytest.mark.parametrize("service", SERVICES)
def test_a_failing_service_is_told_by_its_errors_and_its_log(service: str) -> None:
    finding = found(Trouble(service, "failing"))

    assert finding.ranking.suspects[0].service == service
    assert {Ground.FAILURES, Ground.LINES} <= grounds(finding)
    templates = {r.signal for r in finding.ranking.suspects[0].reasons if r.ground is Ground.LINES}
    assert templates == {"ledger <number> is out of balance"}


@pytest.mark.parametrize("service", CALLING)
def test_a_service_that_stops_calling_is_told_by_what_is_missing(service: str) -> None:
    finding = found(Trouble(service, "mute"))

    assert finding.ranking.suspects[0].service == service
    assert Ground.MISSING in grounds(finding)


@pytest.mark.parametrize("seed", range(4))
def test_a_page_about_nothing_finds_nothing(seed: int) -> None:
    page = Page(ONSET_S + 60, "shop", "request_latency_ms")

    finding = find(history(None, seed), page.at_s, END_S, page, told=False)

    assert finding.ranking.suspects == ()
    assert finding.confidence == 0.0


def test_a_page_is_answered_with_what_the_paged_service_depends_on() -> None:
    page = Page(ONSET_S + 60, "front", "request_latency_ms")

    finding = find(history(Trouble("store", "slow")), page.at_s, END_S, page, told=False)

    assert finding.ranking.suspects[0].service == "store"
    assert finding.ranking.suspects[0].reasons[0].signal


def test_an_availability_that_drops_is_seen_as_one_that_rises_is() -> None:
    def as_availability(record: Record) -> Record:
        if isinstance(record, Point) and record.metric == "error_ratio":
            return Point(record.t, record.service, "availability", 100.0 * (1.0 - record.value))
        return record

    seen = history(Trouble("pay", "failing"), 1, as_availability, spans=False, logs=False)

    assert find(seen, ONSET_S, END_S, None, told=True).ranking.suspects[0].service == "pay"


def test_those_who_only_suffer_are_ruled_out() -> None:
    finding = found(Trouble("pay", "slow"))

    assert "search" in {suspect.service for suspect in finding.ruled_out} or not finding.ruled_out
    assert "pay" not in {suspect.service for suspect in finding.ruled_out}


def test_counters_that_nobody_declared_are_judged_by_how_fast_they_rise() -> None:
    counted = dict.fromkeys(SERVICES, 0.0)

    def counting(record: Record) -> Record:
        if isinstance(record, Point) and record.metric == "error_ratio":
            is_worse = record.service == "store" and record.t >= ONSET_S
            counted[record.service] += 40.0 if is_worse else 4.0
            value = counted[record.service]
            return Point(record.t, record.service, "io_errors_total", value)
        return record

    seen = history(Trouble(), 1, counting, spans=False, logs=False)
    ranking = find(seen, ONSET_S, END_S, None, told=True).ranking

    errors = [s.service for s in ranking.suspects if any("errors" in r.signal for r in s.reasons)]
    assert ranking.suspects[0].service == "store"
    assert errors == ["store"]
