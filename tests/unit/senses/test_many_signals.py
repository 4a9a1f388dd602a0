"""Many signals at once: what stands out, what is late, and what belongs together."""

import random

from engine.senses.crowd import WARM_UP, Crowd, Standout
from engine.senses.incidents import MOST_OPEN, QUIET_S, Incidents
from engine.senses.lateness import WARM_UP_S, Lateness

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

    loudest = max((said[0] for said in found[50:56] if said), key=lambda said: said.digits)
    assert loudest.service == "pay"
    assert loudest.digits > 9.4
    assert all(not said or said[0].digits < 6.0 for said in found[:50])


def test_one_wild_sample_is_no_standout() -> None:
    told = rows(60)
    told[50]["pay", "cpu"] = told[50]["pay", "p50"] = 10_000.0

    assert all(not said or said[0].digits < 6.0 for said in crowd(told))


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

    assert (one.service, round(one.digits, 6)) == (other.service, round(other.digits, 6))
    for row in told[10:40:5]:
        del row["pay", "cpu"]
    assert crowd(told)[55][0].service == "pay"


def test_a_metric_that_names_another_service_speaks_for_both() -> None:
    told = rows(60)
    for place, row in enumerate(told):
        loud = 8.0 if place >= 50 else 1.0
        row["web", "edge_s.to.pay"] = loud * (10.0 + place % 3)
        row["stock", "edge_s.to.cart"] = 10.0 + place % 3

    early = [said for step in crowd(told)[50:56] for said in step]
    assert {said.service for said in early if said.digits > 1.5} == {"web", "pay"}


def spans(lateness: Lateness, from_s: float, to_s: float, *, slow: bool, seed: int = 1) -> None:
    rng = random.Random(seed)
    at_s = from_s
    while at_s < to_s:
        for name in ("cart", "pay"):
            is_slow = slow and name == "pay" and rng.random() < 0.5
            duration_ms = rng.lognormvariate(3.0, 0.2) * (30.0 if is_slow else 1.0)
            lateness.add(at_s, name, "GET /", f"trace-{at_s}", duration_ms)
        at_s += 1.0


def test_the_service_whose_traces_become_late_is_named() -> None:
    lateness = Lateness()
    spans(lateness, 0.0, WARM_UP_S + 100.0, slow=False)
    assert all(late.log_factor < 4.0 for late in lateness.late(WARM_UP_S + 100.0))

    spans(lateness, WARM_UP_S + 100.0, WARM_UP_S + 160.0, slow=True)

    worst = lateness.late(WARM_UP_S + 160.0)[0]
    assert worst.service == "pay"
    assert worst.log_factor > 8.0


def test_one_slow_trace_of_many_spans_is_one_witness() -> None:
    lateness = Lateness()
    spans(lateness, 0.0, WARM_UP_S + 100.0, slow=False)
    for _ in range(40):
        lateness.add(WARM_UP_S + 100.0, "pay", "GET /", "one", 9_000.0)

    assert lateness.late(WARM_UP_S + 100.0)[0].log_factor < 8.0


def test_evidence_near_an_open_incident_joins_it() -> None:
    incidents = Incidents([("web", "cart"), ("cart", "stock"), ("pay", "bank")], step_s=10.0)

    assert incidents.opens(0.0, "stock")
    assert not incidents.opens(30.0, "web")
    assert incidents.opens(40.0, "bank")
    assert not incidents.opens(200.0, "cart")
    assert incidents.opens(200.0 + QUIET_S + 1.0, "stock")
    assert incidents.joined == 2


def test_a_storm_is_counted_and_not_opened() -> None:
    incidents = Incidents([(f"a{n}", f"b{n}") for n in range(20)], step_s=10.0)

    opened = sum(incidents.opens(float(n), f"a{n}") for n in range(20))

    assert opened == MOST_OPEN
    assert incidents.held_back == 20 - MOST_OPEN


def test_without_a_topology_everything_is_near() -> None:
    incidents = Incidents([], step_s=10.0)

    assert incidents.opens(0.0, "stock")
    assert not incidents.opens(60.0, "mail")
