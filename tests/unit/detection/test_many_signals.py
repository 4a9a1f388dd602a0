"""Many signals at once: what stands out, and what belongs together."""

import random

import pytest

from engine.detection.crowd import MOST_OF_STEP, WARM_UP, Crowd, Standout
from engine.detection.incidents import LULL_S, MOST_OPEN, QUIET_S, Incidents
from engine.evaluate.watching import CROWD_NATS

SERVICES = ("cart", "pay", "mail", "stock", "web")
METRICS = ("cpu", "p50", "memory", "ops")


def rows(count: int, seed: int = 1) -> list[dict[tuple[str, str], float]]:
    rng = random.Random(seed)
    return [
        {(s, m): 100.0 + rng.gauss(0.0, 4.0) for s in SERVICES for m in METRICS}
        for _ in range(count)
    ]


def crowd(told: list[dict[tuple[str, str], float]]) -> list[list[Standout]]:
    judge = Crowd(SERVICES)
    return [judge.step(row) for row in told]


def test_the_service_whose_metrics_leave_their_habit_stands_out() -> None:
    told = rows(60)
    for row in told[50:]:
        row["pay", "cpu"] *= 4.0
        row["pay", "p50"] *= 5.0

    found = crowd(told)

    loudest = max((said[0] for said in found[50:56] if said), key=lambda said: said.nats)
    assert loudest.service == "pay"
    assert loudest.nats > CROWD_NATS
    assert all(not said or said[0].nats < 3.0 for said in found[:50])


def test_one_wild_sample_is_no_standout() -> None:
    told = rows(60)
    for metric in METRICS:
        told[50]["pay", metric] = 10_000.0

    assert all(not said or said[0].nats <= MOST_OF_STEP for said in crowd(told))


def test_kinds_of_measure_say_more_together_than_one_alone() -> None:
    def nats(*metrics: str) -> float:
        told = rows(60)
        for row in told[50:54]:
            for metric in metrics:
                row["pay", metric] *= 3.3
        return max((said.nats for said in crowd(told)[53] if said.service == "pay"), default=0.0)

    assert nats("cpu", "p50") > CROWD_NATS > nats("cpu")
    assert nats("cpu", "memory") == pytest.approx(nats("cpu"), abs=0.5)


def test_nothing_is_said_before_there_is_a_past() -> None:
    assert not any(crowd(rows(WARM_UP)))


def test_units_order_and_gaps_do_not_matter() -> None:
    told = rows(60)
    for row in told[50:]:
        row["pay", "cpu"] *= 4.0
        row["pay", "p50"] *= 5.0
    scaled = [
        {signal: value * 1_000.0 for signal, value in reversed(list(row.items()))} for row in told
    ]

    one, other = crowd(told)[55][0], crowd(scaled)[55][0]

    assert (one.service, round(one.nats, 6)) == (other.service, round(other.nats, 6))
    for row in told[10:40:5]:
        del row["pay", "cpu"]
    assert crowd(told)[55][0].service == "pay"


def test_a_metric_that_names_another_service_speaks_for_the_one_that_is_called() -> None:
    told = rows(60)
    for place, row in enumerate(told):
        loud = 8.0 if place >= 50 else 1.0
        row["web", "edge_s.to.pay"] = loud * (10.0 + place % 3)
        row["stock", "edge_s.to.cart"] = 10.0 + place % 3

    judge = Crowd(SERVICES, [("web", "pay"), ("stock", "cart")])
    early = [said for row in told for said in judge.step(row)][-40:]

    assert {said.service for said in early if said.nats > 5.0} == {"pay"}


def test_the_incident_of_half_an_hour_ago_does_not_hide_the_next() -> None:
    told = rows(90)
    for row in told[45:51]:
        row["pay", "p50"] *= 500.0
    for row in told[80:84]:
        row["pay", "p50"] *= 5.0

    assert max(said.nats for said in crowd(told)[83] if said.service == "pay") > CROWD_NATS


def test_a_new_level_becomes_habit() -> None:
    told = rows(140)
    for row in told[50:]:
        row["pay", "cpu"] *= 4.0

    assert all(said.nats < 1.0 for said in crowd(told)[-1])


@pytest.mark.parametrize(
    ("metric", "factor", "speaks"),
    [("p50", 0.1, False), ("availability", 0.1, True), ("availability", 10.0, False)],
)
def test_only_the_direction_that_hurts_speaks(metric: str, factor: float, speaks: bool) -> None:
    told = [{(s, metric): value for (s, m), value in row.items() if m == "p50"} for row in rows(60)]
    for row in told[50:55]:
        row["pay", metric] *= factor

    assert any(said.nats > 5.0 for said in crowd(told)[54]) is speaks


def test_evidence_near_an_open_incident_joins_it() -> None:
    incidents = Incidents([("web", "cart"), ("cart", "stock"), ("pay", "bank")], step_s=10.0)

    assert incidents.opens(0.0, "stock")
    assert not incidents.opens(30.0, "web")
    assert incidents.opens(40.0, "bank")
    assert not incidents.opens(110.0, "cart")
    assert not incidents.opens(200.0, "cart")
    assert incidents.opens(200.0 + QUIET_S + 1.0, "stock")
    assert incidents.joined == 3


def test_what_breaks_next_door_after_a_lull_is_an_incident_of_its_own() -> None:
    incidents = Incidents([("web", "cart"), ("cart", "stock")], step_s=10.0)

    assert incidents.opens(0.0, "stock")
    assert not incidents.opens(LULL_S, "stock")
    assert incidents.opens(2.0 * LULL_S + 1.0, "web")
    assert not incidents.opens(3.0 * LULL_S, "stock")


def test_a_storm_is_counted_and_not_opened() -> None:
    incidents = Incidents([(f"a{n}", f"b{n}") for n in range(20)], step_s=10.0)

    opened = sum(incidents.opens(float(n), f"a{n}") for n in range(20))

    assert opened == MOST_OPEN
    assert incidents.held_back == 20 - MOST_OPEN


def test_without_a_topology_everything_is_near() -> None:
    incidents = Incidents([], step_s=10.0)

    assert incidents.opens(0.0, "stock")
    assert not incidents.opens(60.0, "mail")
