"""What customers do is drawn from the seed and nothing else."""

from itertools import islice

from chaos.fleet.schedule import probes, visits


def test_a_seed_draws_the_same_visits_every_time() -> None:
    assert list(islice(visits("load", 25, 400, 7), 200)) == list(
        islice(visits("load", 25, 400, 7), 200)
    )


def test_visits_come_in_order_at_the_rate_that_was_asked_for() -> None:
    planned = list(islice(visits("load", 25, 400, 7), 1_000))
    times = [visit.after_s for visit in planned]

    assert times == sorted(times)
    assert 39 < times[-1] < 41
    assert 330 < sum(visit.order is not None for visit in planned) < 470


def test_each_order_has_a_key_of_its_own() -> None:
    keys = [visit.order.order for visit in islice(visits("load", 25, 1_000, 7), 500) if visit.order]

    assert len(set(keys)) == 500


def test_the_probe_mostly_buys_and_also_looks() -> None:
    second = [probes(number) for number in range(5)]

    assert [visit.after_s for visit in second] == [0, 0.2, 0.4, 0.6, 0.8]
    assert sum(visit.order is None for visit in second) == 1
